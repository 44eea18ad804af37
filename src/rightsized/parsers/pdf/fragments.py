"""Characters of a page to fragments: runs on one line without a wide gap, with box, size and weight.

Coordinates are in points from the upper left of the page with its text upright. Knows one page at a time.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from statistics import median_low
from typing import Any, NamedTuple
from unicodedata import bidirectional

from rightsized.parsers.extra import needed
from rightsized.parsers.pdf.frames import Frame

with needed("pypdfium2"):
    import pypdfium2.raw as pdfium

MOST_CHARACTERS = 400_000  # of a page; the rest is left out
WIDE_GAP = 1.0  # of the font's size: what is further apart on one line is another cell or column
_HYPHENS = frozenset((0x02, 0xAD, 0xFFFE))  # how PDFium hands over hyphens at the ends of lines
_HYPHEN = "\u00ad"
_BOLD = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy|demi(?!light)", re.IGNORECASE)
ANGLES = 40  # characters of a page whose angle is looked at


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


class _Glyph(NamedTuple):
    character: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool


class Found(NamedTuple):
    """The fragments of a page in the order in which PDFium found them, in the view in which its text is upright."""

    fragments: list[Fragment]
    frame: Frame


def fragments(page: Any, displayed: Frame) -> Found:
    """The text of a page."""
    text = page.get_textpage()
    try:
        count = min(text.count_chars(), MOST_CHARACTERS)
        frame = displayed.turned(_upright(text.raw, count, displayed.rotation))
        return Found(list(_split(_glyphs(text.raw, count, frame))), frame)
    finally:
        text.close()


def _upright(text: Any, count: int, default: int) -> int:
    """The rotation in which most of the text is upright, in degrees clockwise."""
    step = max(1, count // ANGLES)
    angles = Counter(
        round(math.degrees(angle) / 90) * 90 % 360
        for at in range(0, count, step)
        if pdfium.FPDFText_GetUnicode(text, at) > 32 and (angle := pdfium.FPDFText_GetCharAngle(text, at)) >= 0
    )
    return max(angles, key=lambda angle: angles[angle]) if angles else default


def _glyphs(text: Any, count: int, frame: Frame) -> Iterator[_Glyph | None]:
    """Characters with boxes; None between lines."""
    rectangle = pdfium.FS_RECTF()
    pointer = ctypes.byref(rectangle)
    fonts = _Fonts(text)
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
        size, bold = fonts.at(at)
        left, top, right, bottom = frame.view(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
        yield _Glyph(character, left, top, right, bottom, _displayed(size, bottom - top), bold)


class _Fonts:
    """Size and weight of characters; asked once for each run of the file."""

    def __init__(self, text: Any) -> None:
        self._text = text
        self._known: dict[int, tuple[float, bool]] = {}

    def at(self, at: int) -> tuple[float, bool]:
        """(size in points, whether it is bold)."""
        run = pdfium.FPDFText_GetTextObject(self._text, at)
        key = ctypes.cast(run, ctypes.c_void_p).value or 0
        if key not in self._known:
            self._known[key] = (pdfium.FPDFText_GetFontSize(self._text, at), bool(key) and self._is_bold(run, at))
        return self._known[key]

    def _is_bold(self, run: Any, at: int) -> bool:
        """By the font's weight or name: fonts that are not embedded have no weight."""
        if pdfium.FPDFText_GetFontWeight(self._text, at) >= _BOLD:
            return True
        font = pdfium.FPDFTextObj_GetFont(run)
        name = ctypes.create_string_buffer(128)
        if not font or not 0 < pdfium.FPDFFont_GetBaseFontName(font, name, len(name)) <= len(name):
            return False
        return _BOLD_NAME.search(name.value) is not None


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


def _logical(run: list[_Glyph]) -> Iterator[_Glyph]:
    """A run with its right-to-left words in the order of reading: where their letters go to the right, PDFium left them
    as they were drawn."""
    for right_to_left, group in groupby(run, key=lambda glyph: bidirectional(glyph.character) in ("R", "AL", "NSM")):
        word = list(group)
        yield from reversed(word) if right_to_left and word[0].left < word[-1].left else word


def _joined(run: list[_Glyph]) -> Iterator[Fragment]:
    boxed = [glyph for glyph in run if glyph.size]
    text = "".join(glyph.character for glyph in _logical(run)).strip()
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
