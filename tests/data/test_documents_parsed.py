"""Search's own parsers read every sample document, and each quote is in the text that they make of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from document_texts import documents, normal, questions

from rightsized.data import folder
from rightsized.parsers.sandbox import Pool

NEEDS_OCR = {"scans/sling-inspection.png"}


def read(pool: Pool, place: Path, name: str, work: Path) -> Iterator[str]:
    """The text of a document and of the parts within it."""
    parsed = pool.read(place, name).parsed
    yield parsed.text
    for number, part in enumerate(parsed.parts):
        inner = work / f"{place.stem}-{number}{Path(part.name).suffix}"
        inner.write_bytes(part.data)
        yield from read(pool, inner, part.name, work)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    work, root = tmp_path_factory.mktemp("parts"), folder("documents")
    names = [name for name in documents() if name not in NEEDS_OCR]
    with Pool(1) as pool:
        return {name: normal(" ".join(read(pool, root / name, Path(name).name, work))) for name in names}


def test_every_document_has_text(texts: dict[str, str]) -> None:
    assert {name for name, text in texts.items() if len(text.split()) < 50} == set()


@pytest.mark.parametrize("question", [q for q in questions() if q["document"]], ids=lambda question: question["id"])
def test_a_quote_is_in_the_text_that_is_searched(question: dict[str, str], texts: dict[str, str]) -> None:
    assert normal(question["answer"]) in texts[question["document"]]
