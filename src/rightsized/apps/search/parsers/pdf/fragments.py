"""Characters of a page to fragments: runs on one line without a wide gap, with box, size and weight.

Coordinates are in points from the upper left of the page as it is displayed. Knows one page at a time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from statistics import median_low
from typing import Any, NamedTuple

from rightsized.apps.search.parsers.extra import needed

with needed("pypdfium2"):
    import pypdfium2.raw as pdfium

MOST_CHARACTERS = 400_000  # of a page; the rest is left out
WIDE_GAP = 1.0  # of the font's size: what is further apart on one line is another cell or column
_HYPHENS = frozenset((0x02, 0xAD, 0xFFFE))  # how PDFium hands over hyphens at the ends of lines
_HYPHEN = "\u00ad"
_BOLD = 600


class Fragment(NamedTuple):
    """`size` is the font's, in points."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool

    @property
    def height(self) -> float:
        return self.bottom - self.top


class Frame(NamedTuple):
    """The page as it is displayed: size in points, and what turns PDF's coordinates into it."""

    width: float
    height: float
    left: float
    bottom: float
    rotation: int

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) from the upper left."""
        x0, x1 = left - self.left, right - self.left
        y0, y1 = bottom - self.bottom, top - self.bottom
        if self.rotation == 90:
            return y0, x0, y1, x1
        if self.rotation == 180:
            return self.width - x1, y0, self.width - x0, y1
        if self.rotation == 270:
            return self.width - y1, self.height - x1, self.width - y0, self.height - x0
        return x0, self.height - y1, x1, self.height - y0


def frame_of(page: Any) -> Frame:
    """The frame of a page of pypdfium2."""
    width, height = page.get_size()
    left, bottom, _, _ = page.get_cropbox()
    return Frame(width, height, left, bottom, page.get_rotation())


class _Glyph(NamedTuple):
    character: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool


def fragments(page: Any, frame: Frame) -> list[Fragment]:
    """The fragments of a page in the order in which PDFium found them."""
    text = page.get_textpage()
    try:
        return list(_split(_glyphs(text.raw, min(text.count_chars(), MOST_CHARACTERS), frame)))
    finally:
        text.close()


def _glyphs(text: Any, count: int, frame: Frame) -> Iterator[_Glyph | None]:
    """Characters with boxes; None between lines."""
    rectangle = pdfium.FS_RECTF()
    pointer = ctypes.byref(rectangle)
    size, bold = 0.0, False
    for at in range(count):
        code = pdfium.FPDFText_GetUnicode(text, at)
        if code in (10, 13):
            yield None
            continue
        character = _HYPHEN if code in _HYPHENS else chr(code) if 0 < code < 0x110000 else ""
        if not character or (code < 32 and code != 9 and character != _HYPHEN):
            continue
        if code == 32 or not pdfium.FPDFText_GetLooseCharBox(text, at, pointer):
            yield _Glyph(" " if code == 32 else character, 0, 0, 0, 0, 0, False)
            continue
        size = pdfium.FPDFText_GetFontSize(text, at)
        bold = pdfium.FPDFText_GetFontWeight(text, at) >= _BOLD
        left, top, right, bottom = frame.box(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
        yield _Glyph(character, left, top, right, bottom, _displayed(size, bottom - top), bold)


def _displayed(size: float, height: float) -> float:
    """The size on the page: a font of size 1 may be scaled by the page's matrix."""
    return size if 0.5 * height <= size <= 1.5 * height else height * 0.85


def _split(glyphs: Iterator[_Glyph | None]) -> Iterator[Fragment]:
    run: list[_Glyph] = []
    last: _Glyph | None = None  # the last one that has a box
    for glyph in glyphs:
        if glyph is None:
            yield from _joined(run)
            run, last = [], None
            continue
        if glyph.size and last is not None and _apart(last, glyph):
            yield from _joined(run)
            run = []
        run.append(glyph)
        last = glyph if glyph.size else last
    yield from _joined(run)


def _apart(last: _Glyph, glyph: _Glyph) -> bool:
    size = max(last.size, glyph.size)
    if glyph.top > last.bottom - 0.2 * size or glyph.bottom < last.top + 0.2 * size:
        return True
    gap = max(glyph.left - last.right, last.left - glyph.right)  # right-to-left runs go the other way
    return gap > WIDE_GAP * size


def _joined(run: list[_Glyph]) -> Iterator[Fragment]:
    boxed = [glyph for glyph in run if glyph.size]
    text = " ".join("".join(glyph.character for glyph in run).split(" ")).strip()
    if not boxed or not text:
        return
    if any("\ud800" <= character <= "\udfff" for character in text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    yield Fragment(
        " ".join(text.split()),
        min(glyph.left for glyph in boxed),
        min(glyph.top for glyph in boxed),
        max(glyph.right for glyph in boxed),
        max(glyph.bottom for glyph in boxed),
        median_low([glyph.size for glyph in boxed]),
        2 * sum(glyph.bold for glyph in boxed) > len(boxed),
    )
