"""The generated sample documents say what their sources say, and equal sources give equal bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from document_texts import documents, normal, text_of
from PIL import Image

from dev.documents import build
from dev.documents.markup import Bullet, Heading, Paragraph, Table, blocks
from rightsized.data import folder

BUILT = dict(build.built())
SAME_GREY = 2  # levels of 255 by which a page may differ on average: renderers of fonts differ


def grey(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"), float)


@pytest.mark.parametrize("name", sorted(BUILT))
def test_the_committed_file_has_the_text_of_its_source(name: str) -> None:
    committed = (folder("documents") / name).read_bytes()
    if name.endswith(".png"):
        assert np.abs(grey(committed) - grey(BUILT[name])).mean() < SAME_GREY
    else:
        assert normal(text_of(name, committed)) == normal(text_of(name, BUILT[name])) != ""


def test_every_file_that_is_not_plain_text_is_generated() -> None:
    plain = (".md", ".html", ".txt", ".csv")
    assert {name for name in documents() if not name.endswith(plain)} == set(BUILT)


def test_building_again_gives_the_same_bytes() -> None:
    assert {name for name, data in build.built() if BUILT[name] != data} == set()


def test_markup() -> None:
    source = "# Title\n\nOne\ntwo.\n- a\n- b\n  c\n\n| x | y |\n| 1 | 2 |\n"
    assert list(blocks(source)) == [
        Heading(1, "Title"), Paragraph("One two."), Bullet("a"), Bullet("b c"), Table([["x", "y"], ["1", "2"]])
    ]  # fmt: skip


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        list(blocks("| a | b |\n| c |"))
