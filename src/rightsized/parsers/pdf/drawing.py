"""A page of a PDF as a picture, for previews, with boxes marked: what was found is seen where it stands."""

from __future__ import annotations

import io
from pathlib import Path

import pypdfium2
from PIL import Image, ImageChops, ImageDraw

from rightsized.core.errors import DocumentError
from rightsized.parsers.wire import Page, PageImage

SCALE = 1.5  # pixels a point: sharp enough to read, about 100 kB a page
MOST_PIXELS = 4_000_000  # of a picture; larger pages are drawn smaller
MARK = (199, 232, 238)  # multiplied into the page, so that words stay black
EDGE = (11, 99, 117)
MARGIN = 1.0  # points around a box


def draw(path: Path, name: str, page: Page) -> PageImage:
    """Draw one page. Raises DocumentError, also where there is no such page."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise DocumentError(f"{name} cannot be opened: {error}.") from None
    try:
        if not 1 <= page.number <= len(document):
            raise DocumentError(f"{name} has {len(document)} pages; there is no page {page.number}.")
        one = document[page.number - 1]
        width, height = one.get_size()
        scale = min(SCALE, (MOST_PIXELS / max(width * height, 1.0)) ** 0.5)
        picture = _marked(one.render(scale=scale).to_pil().convert("RGB"), page, scale)
    finally:
        document.close()
    data = io.BytesIO()
    picture.quantize(64).save(data, "PNG")
    return PageImage(data.getvalue())


def _marked(picture: Image.Image, page: Page, scale: float) -> Image.Image:
    boxes = [
        tuple(scale * at for at in (one.left - MARGIN, one.top - MARGIN, one.right + MARGIN, one.bottom + MARGIN))
        for one in page.boxes
        if one.page == page.number and one.right >= one.left and one.bottom >= one.top
    ]
    if not boxes:
        return picture
    paint = Image.new("RGB", picture.size, (255, 255, 255))
    pen = ImageDraw.Draw(paint)
    for box in boxes:
        pen.rectangle(box, fill=MARK, outline=EDGE)
    return ImageChops.multiply(picture, paint)
