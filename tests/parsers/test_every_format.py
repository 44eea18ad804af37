"""A document of known words in every format: none is lost, their order is kept, headings and tables are seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from parser_samples import bare, read, shown

from benchmarks.documents import MAKERS, invent
from rightsized.parsers.types import Parsed

SOURCE = invent(11, 6)
STRUCTURED = ("Markdown", "HTML", "PDF", "PDF, two columns", "PDF, hyphens, running lines", "DOCX")
PICTURES = ("PNG", "PDF, scanned")


@pytest.mark.parametrize("form", [form for form in MAKERS if form not in PICTURES])
def test_every_word_in_its_order(form: str, tmp_path: Path) -> None:
    parsed = made(form, tmp_path)
    texts = [parsed.text]
    for part in parsed.parts:
        (tmp_path / "part").write_bytes(part.data)
        texts.append(read(tmp_path / "part", part.name).text)
    expected = bare(SOURCE.words())
    known = set(expected)
    assert [word for word in bare(texts) if word in known] == expected


@pytest.mark.parametrize("form", STRUCTURED)
def test_structure(form: str, tmp_path: Path) -> None:
    parsed = made(form, tmp_path)
    assert parsed.title == SOURCE.title
    assert shown(parsed, "heading")[-6:] == [f"{one.number}. {one.heading}" for one in SOURCE.sections]
    assert [block.number for block in parsed.blocks if block.kind == "heading"][-6:] == list("123456")
    assert shown(parsed, "item") == [item for one in SOURCE.sections for item in one.items]
    rows = [row for one in SOURCE.sections for row in one.rows]
    assert [bare(row) for row in shown(parsed, "row")] == [bare(row) for row in rows]
    named = [parsed.text[slice(*block.header)] for block in parsed.blocks if block.kind == "row" and any(block.header)]
    assert [bare(one) for one in named] == [bare(one.rows[0]) for one in SOURCE.sections for _ in one.rows[1:]]


def test_running_lines_are_left_out_and_named(tmp_path: Path) -> None:
    parsed = made("PDF, hyphens, running lines", tmp_path)
    assert "Confidential draft" not in parsed.text
    assert any("Confidential draft" in note for note in parsed.notes)


def made(form: str, folder: Path) -> Parsed:
    ending, make = MAKERS[form]
    path = folder / f"document.{ending}"
    make(SOURCE, path)
    return read(path)
