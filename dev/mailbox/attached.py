"""Attachments of the sample mailbox: papers from sources in `attached/`, photographs drawn from their names.

A source is named like the file it becomes, with `.md` added; text and CSV stand there as they are. No photograph shows
anything: it stands for one, with shapes and grain of its own, so that it is read, hashed and sized as one would be.
"""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from dev.documents import pdf, sheets, word

SOURCES = Path(__file__).parent / "attached"
PHOTOS = (".jpg", ".png")
AUTHOR = "Fernhill Outfitters"
_WRITERS = {".docx": word.write, ".pdf": pdf.write, ".xlsx": sheets.write}


@cache
def content(name: str) -> bytes:
    """The attachment of that name."""
    suffix = Path(name).suffix
    if suffix in PHOTOS:
        return photograph(name)
    if writer := _WRITERS.get(suffix):
        return writer((SOURCES / f"{name}.md").read_text("utf-8"), AUTHOR)
    return (SOURCES / name).read_bytes()


def photograph(name: str) -> bytes:
    """A small picture with a ground, a horizon and some blurred things upon it; the name decides all of it."""
    chance = random.Random(name)  # noqa: S311 - a picture, no secret
    size = (240, 180)
    picture = Image.new("RGB", size, _colour(chance, 150, 230))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, chance.randint(80, 130), *size), fill=_colour(chance, 60, 140))
    for _ in range(chance.randint(4, 8)):
        left, top = chance.randint(0, 190), chance.randint(20, 130)
        box = (left, top, left + chance.randint(15, 80), top + chance.randint(10, 60))
        shape = draw.ellipse if chance.random() < 0.4 else draw.rectangle
        shape(box, fill=_colour(chance, 20, 220))
    for _ in range(chance.randint(2, 5)):
        points = [(chance.randint(0, 239), chance.randint(0, 179)) for _ in range(4)]
        draw.line(points, fill=_colour(chance, 10, 80), width=2)
    out = io.BytesIO()
    kind = "JPEG" if name.endswith(".jpg") else "PNG"
    options = {"quality": 55} if kind == "JPEG" else {"optimize": True}
    picture.filter(ImageFilter.GaussianBlur(1.2)).save(out, kind, **options)
    return out.getvalue()


def _colour(chance: random.Random, low: int, high: int) -> tuple[int, int, int]:
    return chance.randint(low, high), chance.randint(low, high), chance.randint(low, high)
