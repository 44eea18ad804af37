"""Ranking clauses: none is left out, places are exact, what stands below the line is told, hidden documents are not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from long_samples import SUBJECTS, Sample, taken_in

from rightsized.apps.search.long.clauses import LONGEST, rank_clauses, runs
from rightsized.apps.search.long.records import ClauseRanking
from rightsized.apps.search.long.resolving import document_named
from rightsized.apps.search.long.scoring import NO_MEANING
from rightsized.apps.search.types import Document, Found, Passage
from rightsized.core.errors import InputError, NotFoundError
from rightsized.engines.fake import FakeEncoder

CONVENIENCE = "ending the agreement for convenience with notice"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    with taken_in(tmp_path_factory.mktemp("clauses")) as made:
        yield made


def ranked(sample: Sample, question: str = CONVENIENCE, limit: int = 5) -> ClauseRanking:
    view, document = sample.view, sample.contract.id
    return asyncio.run(rank_clauses(view, question, [document], encoder=sample.encoder, limit=limit))


def test_every_passage_is_in_exactly_one_clause(sample: Sample) -> None:
    found = sample.view.passages(sample.contract.id)
    ranking = ranked(sample)
    assert ranking.passages == len(found) and ranking.clauses == len(runs(found))
    text = sample.view.text(sample.contract.id)
    covered = [False] * len(text)
    for clause in [*(one.clause for one in ranking.ranked), *ranking.below]:
        assert not any(covered[clause.start : clause.end])
        covered[clause.start : clause.end] = [True] * (clause.end - clause.start)
    assert all(held or character.isspace() for held, character in zip(covered, text, strict=True))


def test_the_clause_that_says_it_stands_first_under_its_heading(sample: Sample) -> None:
    best = ranked(sample).ranked[0]
    assert best.clause.path[-1] == "6. Termination" and best.clause.number.startswith("6.")
    assert "for convenience" in best.text
    text = sample.view.text(sample.contract.id)
    assert text[best.clause.start : best.clause.end].split() == best.text.split()
    assert "for convenience" in text[best.sentence.start : best.sentence.end]
    marked = {text[mark.start : mark.end].lower() for mark in best.highlights}
    assert "convenience" in marked and all(
        best.clause.start <= mark.start < mark.end <= best.clause.end for mark in best.highlights
    )


def test_the_best_sentence_is_none_of_the_headings(sample: Sample) -> None:
    text = sample.view.text(sample.contract.id)
    found = ranked(sample, "liability", limit=20)
    for one in found.ranked:
        sentence = text[one.sentence.start : one.sentence.end]
        assert sentence not in one.clause.path and one.clause.start <= one.sentence.start < one.sentence.end


def test_what_is_below_the_line_is_told_in_order(sample: Sample) -> None:
    few, all_ = ranked(sample, limit=3), ranked(sample, limit=100)
    assert len(few.ranked) == 3 and few.clauses == all_.clauses and not all_.below
    scores = [one.clause.score for one in few.ranked] + [one.score for one in few.below]
    assert scores == sorted(scores, reverse=True)
    assert [one.clause.start for one in all_.ranked[3:]] == [one.start for one in few.below]
    sections = {one.clause.path[-1].partition(". ")[2] for one in all_.ranked if len(one.clause.path) > 1}
    assert sections == set(SUBJECTS)


def test_it_is_the_same_every_time(sample: Sample) -> None:
    assert ranked(sample) == ranked(sample)


def test_another_encoder_compares_words_and_says_so(sample: Sample) -> None:
    other = FakeEncoder(dimension=16)
    found = asyncio.run(rank_clauses(sample.view, CONVENIENCE, [sample.contract.id], encoder=other))
    assert found.notes == (NO_MEANING,)
    assert found.ranked[0].clause.path[-1] == "6. Termination" and "dense" not in found.ranked[0].scores


def test_several_documents_are_ranked_together_for_those_who_see_both(sample: Sample) -> None:
    both = [sample.contract.id, sample.memo.id]
    found = asyncio.run(rank_clauses(sample.board, CONVENIENCE, both, encoder=sample.encoder, limit=100))
    assert {one.document.id for one in found.ranked} == set(both)
    with pytest.raises(NotFoundError, match="There is no document"):
        asyncio.run(rank_clauses(sample.view, CONVENIENCE, both, encoder=sample.encoder))


def test_documents_are_named_by_id_path_title_or_part_of_them(sample: Sample) -> None:
    for name in (sample.contract.id, "msa.md", "MSA.MD", "master services agreement", "services"):
        assert document_named(sample.view, name).id == sample.contract.id
    with pytest.raises(NotFoundError):
        document_named(sample.view, "memo.md")
    assert document_named(sample.board, "memo.md").id == sample.memo.id
    with pytest.raises(InputError, match="could be 2 documents"):
        document_named(sample.board, "m")


def passages(*marks: tuple[tuple[str, ...], str]) -> list[Found]:
    known = Document("d", "folder:x", "d.txt", "c", "T", "text/plain", 1, 0.0, 0.0)
    return [
        Found(at, known, Passage(at, 10 * at, 10 * at + 9, "x" * 9, "x", path, number=number))
        for at, (path, number) in enumerate(marks)
    ]


@pytest.mark.parametrize(
    ("marks", "sizes"),
    [
        ([(("A",), "1.1"), (("A",), "1.1"), (("A",), "1.2")], [2, 1]),
        ([(("A",), "1.1"), (("A",), "(a)"), (("A",), "(b)"), (("A",), "1.2")], [3, 1]),
        ([(("A",), "12.3(a)"), (("A",), "12.3(b)"), (("A",), "Section 12.4")], [2, 1]),
        ([(("A",), "§ 4"), (("A",), "(2)"), (("B",), "(3)")], [2, 1]),
        ([(("A",), ""), (("A",), ""), (("B",), "")], [2, 1]),
        ([((), ""), ((), "")], [1, 1]),
        ([(("A",), "1.1"), (("A",), "")], [1, 1]),
        ([(("A",), "(a)"), (("A",), "(b)"), (("A",), "(b)")], [1, 2]),
        ([(("A",), "7")] * (LONGEST + 2), [LONGEST, 2]),
    ],
)
def test_a_clause_is_a_run_under_one_heading_and_one_number(
    marks: list[tuple[tuple[str, ...], str]], sizes: list[int]
) -> None:
    assert [one.last - one.first for one in runs(passages(*marks))] == sizes
