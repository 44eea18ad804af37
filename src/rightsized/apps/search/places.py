"""What a format calls the parts that are numbered as pages: slides, sheets, pages."""

from __future__ import annotations

from rightsized.apps.search.types import Document

SHEET, SLIDE, PAGE = "sheet", "slide", "page"
_NAMES = {"spreadsheet": SHEET, "ms-excel": SHEET, "presentation": SLIDE, "ms-powerpoint": SLIDE}  # in the media type


def page_name(media_type: str) -> str:
    """`sheet`, `slide` or `page`.

    >>> page_name("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), page_name("application/pdf")
    ('sheet', 'page')
    """
    return next((name for part, name in _NAMES.items() if part in media_type), PAGE)


def place(document: Document, page: int) -> str:
    """Where something stands in a document, such as `page 3`; empty where it has no pages."""
    return f"{page_name(document.media_type)} {page}" if page else ""
