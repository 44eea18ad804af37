"""Reads a PDF: opens it, looks at a sample of its pages for what is usual, then writes page after page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rightsized.core.errors import DocumentError
from rightsized.parsers.draft import Draft, single_line
from rightsized.parsers.extra import needed
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.pdf.fragments import fragments
from rightsized.parsers.pdf.frames import Frame, Rectangle, shown
from rightsized.parsers.pdf.order import Row, rows
from rightsized.parsers.pdf.running import Running
from rightsized.parsers.pdf.scans import Scans, listed
from rightsized.parsers.pdf.structure import Writer, style_of
from rightsized.parsers.types import Parsed

with needed("pypdfium2"):
    import pypdfium2
    from pypdfium2 import raw as pdfium

NOWHERE = Frame(0, 0, 0, 0, 0)  # of a page that cannot be read
SAMPLE = 200  # pages that are looked at before the first is written, and kept
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([+-])(\d\d)'?(\d\d)?|Z)?")
_FIELDS = {"Author": "author", "Subject": "subject", "Keywords": "keywords", "Creator": "creator"}
_NOTHING = re.compile(r"\(?(?:anonymous|unspecified|unknown|none)\)?", re.IGNORECASE)  # what programs fill in
_NO_TITLE = re.compile(r"untitled|microsoft word -|.*\.(?:docx?|pdf|indd|qxd|tex)$", re.IGNORECASE)


def parse_pdf(path: Path, name: str) -> Parsed:
    """Read a PDF. Raises DocumentError (`encrypted`, `truncated`, `malformed`, `too-large`)."""
    document = _opened(path, name)
    try:
        return _Reader(document, name).read()
    finally:
        document.close()


def _opened(path: Path, name: str) -> Any:
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise DocumentError(f"{name} needs a password.", reason="encrypted", fix="Save it without one.") from None
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise DocumentError(f"{name} is encrypted in a way that is not read.", reason="encrypted") from None
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2048))
            ended = b"%%EOF" in file.read()
        reason = "malformed" if ended else "truncated"
        raise DocumentError(f"{name} is no PDF that can be opened ({error}).", reason=reason) from None


class _Page(NamedTuple):
    """The lines of one page, in the view in which its text is upright."""

    number: int
    lines: list[Row]
    upright: Frame = NOWHERE
    displayed: Frame = NOWHERE

    @property
    def height(self) -> float:
        return self.upright.height


class _Reader:
    def __init__(self, document: Any, name: str) -> None:
        self._document = document
        self._draft = Draft(name)
        self._count = len(document)
        self._most = min(self._count, LIMITS.get().pages)
        self._scans = Scans()
        self._unreadable: list[int] = []

    def read(self) -> Parsed:
        step = max(1, self._most // SAMPLE)
        sample = {number: self._page(number) for number in range(1, self._most + 1, step)}
        running = Running((page.lines, page.height) for page in sample.values())
        style = style_of(line for page in sample.values() for line in running.without(page.lines, page.height))
        writer = Writer(self._draft, style)
        for page in self._pages(sample):
            place = None if page.upright == page.displayed else partial(_placed, page.upright, page.displayed)
            writer.page(page.number, running.without(page.lines, page.height), place)
        writer.close()
        self._note(running)
        return self._finished()

    def _pages(self, sample: dict[int, _Page]) -> Iterator[_Page]:
        for number in range(1, self._most + 1):
            yield sample.pop(number) if number in sample else self._page(number)

    def _page(self, number: int) -> _Page:
        try:
            page = self._document[number - 1]
        except pypdfium2.PdfiumError:
            self._unreadable.append(number)
            return _Page(number, [])
        try:
            displayed = shown(page)
            found, upright = fragments(page, displayed)
            if not found and self._scans.holds(page):
                found, upright = self._scans.read(page, number), displayed
            return _Page(number, rows(found), upright, displayed)
        except pypdfium2.PdfiumError:
            self._unreadable.append(number)
            return _Page(number, [])
        finally:
            page.close()

    def _note(self, running: Running) -> None:
        notes = self._draft.notes
        if self._most < self._count:
            notes.append(f"Pages {self._most + 1} to {self._count} were left out: more than the limit.")
        if self._unreadable:
            notes.append(f"Pages that cannot be read: {listed(self._unreadable)}.")
        notes.extend(self._scans.notes())
        if running.texts:
            shown = "; ".join(single_line(text)[:80] for text in list(running.texts)[:4])
            notes.append(f"Running lines were left out: {shown}.")

    def _finished(self) -> Parsed:
        found = self._document.get_metadata_dict()
        title = single_line(found.get("Title", ""))
        fields = {key: single_line(found.get(field, "")) for field, key in _FIELDS.items()}
        fields = {key: "" if _NOTHING.fullmatch(value) else value for key, value in fields.items()}
        return self._draft.finish(
            title="" if _NO_TITLE.match(title) or _NOTHING.fullmatch(title) else title,
            pages=self._count,
            date=pdf_date(found.get("ModDate", "")) or pdf_date(found.get("CreationDate", "")),
            metadata=fields,
        )


def _placed(upright: Frame, displayed: Frame, rectangle: Rectangle) -> Rectangle:
    """Where a rectangle of the upright view stands on the page as it is displayed."""
    return displayed.view(*upright.page(*rectangle))


def pdf_date(text: str) -> float | None:
    """Seconds since 1970 of a date such as `D:20240131120000+01'00'` (PDF 32000-1, 7.9.4); None where it is none."""
    match = _DATE.match(text.strip())
    if not match:
        return None
    defaults = (0, 1, 1, 0, 0, 0)
    year, month, day, hour, minute, second = (
        int(part or default) for part, default in zip(match.groups()[:6], defaults, strict=True)
    )
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0)) * (-1 if match[7] == "-" else 1)
    try:
        zone = timezone(offset) if offset else UTC
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        return None
