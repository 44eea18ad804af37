"""Pictures (PNG, JPEG, TIFF, BMP, GIF, WebP): the words that OCR finds in them; each frame of a TIFF is a page."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rightsized.core.errors import DocumentError
from rightsized.parsers.draft import Draft
from rightsized.parsers.extra import needed
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.ocr import recognise, time_for_a_page
from rightsized.parsers.pdf.order import rows
from rightsized.parsers.pdf.structure import Writer, style_of
from rightsized.parsers.types import Parsed

with needed("pillow", extra="ocr"):
    from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

MOST_PIXELS = 120_000_000  # of a frame; a page of A4 at 600 dots an inch has 35 million
LONGEST_SIDE = 3_000  # pixels; larger ones are made smaller before they are read
USUAL_DPI = 150.0  # where the picture does not say


def parse_image(path: Path, name: str) -> Parsed:
    """Read a picture. Raises DocumentError (`bomb`, `malformed`), MissingExtraError."""
    draft = Draft(name)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                pages = _read(image, draft)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DocumentError(f"{name} has too many pixels ({error}).", reason="bomb") from None
    except UnidentifiedImageError:
        raise DocumentError(f"{name} is no picture that can be opened.") from None
    if not draft.length:
        draft.notes.append("No words were recognised.")
    return draft.finish(title=Path(name).stem, pages=pages)


def _read(image: Image.Image, draft: Draft) -> int:
    number = 0
    for number, (pixels, points) in enumerate(_frames(image), start=1):
        if number > LIMITS.get().pages or not time_for_a_page():
            draft.notes.append(f"Pages from {number} on were not recognised: the limit is reached.")
            break
        lines = rows(recognise(pixels, points))
        writer = Writer(draft, style_of(lines))
        writer.page(number, lines)
        writer.close()
    return number


def _frames(image: Image.Image) -> Iterator[tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], float]]:
    """Pixels (height, width, 3), blue first, and points a pixel of each frame; of a moving picture the first alone."""
    moving = image.format in ("GIF", "WEBP", "PNG")
    for frame in ImageSequence.Iterator(image):
        given = frame.info.get("dpi", (0, 0))[0]
        dpi = float(given) if 50 <= float(given) <= 1200 else USUAL_DPI
        upright = ImageOps.exif_transpose(frame)
        flat = Image.new("RGB", upright.size, "white")
        flat.paste(upright.convert("RGBA"), mask=upright.convert("RGBA").getchannel("A"))
        width = flat.width
        flat.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        yield np.ascontiguousarray(np.asarray(flat)[:, :, ::-1]), 72.0 / dpi * width / flat.width
        if moving:
            return
