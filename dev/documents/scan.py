"""Draws a page as a scanner would hand it over: black text on grey-white paper, no text layer."""

from __future__ import annotations

import io
import textwrap

from PIL import Image, ImageDraw, ImageFont

from dev.documents.markup import Bullet, Heading, Paragraph, Table, blocks

_WIDTH, _HEIGHT, _MARGIN = 1240, 1754, 110  # pixels: A4 at 150 dpi
_COLUMNS = 74  # characters a line
_SIZES = {1: 40, 2: 30, 3: 26}  # pixels
_BODY = 25  # pixels
_PAPER, _INK, _GREYS = 246, 25, 16
_TILT = 0.6  # degrees: nobody lays a page on the glass quite straight


def write(source: str, _author: str) -> bytes:
    """The source as a PNG of one page. Raises ValueError where it does not fit."""
    page = Image.new("L", (_WIDTH, _HEIGHT), _PAPER)
    draw, y = ImageDraw.Draw(page), _MARGIN
    for size, text in _lines(source):
        draw.text((_MARGIN, y), text, fill=_INK, font=ImageFont.load_default(size))
        y += round(size * 1.45)
    if y > _HEIGHT - _MARGIN:
        raise ValueError(f"The page ends at {_HEIGHT - _MARGIN}, the text at {y}.")
    out = io.BytesIO()
    page = page.rotate(_TILT, Image.Resampling.BICUBIC, fillcolor=_PAPER)
    page.quantize(_GREYS).save(out, "PNG", optimize=True)
    return out.getvalue()


def _lines(source: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for block in blocks(source):
        match block:
            case Heading(level, text):
                found += [(12, ""), (_SIZES[level], text), (8, "")]
            case Paragraph(text) | Bullet(text):
                lead = "- " if isinstance(block, Bullet) else ""
                found += [(_BODY, line) for line in textwrap.wrap(lead + text, _COLUMNS)] + [(10, "")]
            case Table(rows):
                found += [(_BODY, "   ".join(row)) for row in rows] + [(10, "")]
            case _:
                pass
    return found
