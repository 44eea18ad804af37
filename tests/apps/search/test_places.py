"""Parts of documents are called what people call them."""

from __future__ import annotations

import pytest

from rightsized.apps.search.places import page_name

OFFICE = "application/vnd.openxmlformats-officedocument"


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        (f"{OFFICE}.spreadsheetml.sheet", "sheet"),
        ("application/vnd.oasis.opendocument.spreadsheet", "sheet"),
        ("application/vnd.ms-excel", "sheet"),
        (f"{OFFICE}.presentationml.presentation", "slide"),
        (f"{OFFICE}.wordprocessingml.document", "page"),
        ("application/pdf", "page"),
        ("text/plain", "page"),
    ],
)
def test_what_is_numbered_has_a_name(media_type: str, name: str) -> None:
    assert page_name(media_type) == name
