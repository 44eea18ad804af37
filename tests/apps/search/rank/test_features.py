"""Features: shares stay in their range, what is said is what is counted, and nothing breaks at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.apps.search.rank.features import NAMES, Candidate, Words, features


def candidate(text: str, *, heading: str = "", document: str = "d", ordinal: int = 0) -> Candidate:
    return Candidate(text, text.lower().split(), frozenset(heading.lower().split()), document, ordinal)


def columns(question: str, candidates: list[Candidate], **given: list[float]) -> dict[str, np.ndarray]:
    words = question.lower().split()
    n = len(candidates)
    scores = [np.array(given.get(name, [0.0] * n), np.float32) for name in ("lexical", "dense")]
    found = features(Words(question, words, words), candidates, *scores)
    assert found.shape == (n, len(NAMES)) and np.isfinite(found).all()
    return dict(zip(NAMES, found.T, strict=True))


def test_coverage_adjacency_and_runs() -> None:
    told = [candidate("the notice period is three months"), candidate("period of notice"), candidate("rent is due")]
    found = columns("notice period is", told)
    assert found["coverage"][0] == pytest.approx(1.0) and found["coverage"][2] < found["coverage"][1] < 1
    assert found["pairs"][0] == pytest.approx(1.0) and found["pairs"][1] == 0.0
    assert found["near"][1] == pytest.approx(0.5)  # notice and period stand near each other, the other pair does not
    assert found["run"][0] == pytest.approx(np.log1p(2)) and found["run"][1] == 0.0
    assert found["echo"][0] == pytest.approx(1.0) and found["echo"][2] == 0.0


def test_long_questions_count_their_words_more() -> None:
    told = [candidate("alpha beta"), candidate("gamma")]
    short, long = columns("alpha beta", told), columns("alpha beta " + "omega " * 30, told)
    assert short["long_run"][0] == pytest.approx(short["run"][0] * 0.3)
    assert long["long_run"][0] == pytest.approx(long["run"][0] * 3.3)


def test_places_and_stretching() -> None:
    found = columns(
        "x", [candidate("a"), candidate("b"), candidate("c")], lexical=[1.0, 9.0, 5.0], dense=[0.1, 0.2, 0.6]
    )
    assert found["lexical"].tolist() == [0.0, 1.0, 0.5]
    assert found["lexical_place"].tolist() == pytest.approx([1 / 3, 1.0, 1 / 2])
    assert found["dense_place"].tolist() == pytest.approx([1 / 3, 1 / 2, 1.0])


def test_what_a_ranking_did_not_score_is_its_worst() -> None:
    nan = float("nan")
    found = columns("x", [candidate("a"), candidate("b")], lexical=[nan, 2.0], dense=[nan, nan])
    assert found["lexical"].tolist() == [0.0, 1.0] and found["cosine"].tolist() == [0.0, 0.0]


def test_neighbours_and_the_rest_of_the_document() -> None:
    told = [
        candidate("a", ordinal=4),
        candidate("b", ordinal=5),
        candidate("c", ordinal=9),
        candidate("d", document="other", ordinal=5),
    ]
    found = columns("x", told, lexical=[4.0, 0.0, 2.0, 0.0], dense=[4.0, 0.0, 2.0, 0.0])
    assert found["neighbour"].tolist() == pytest.approx([0.0, 1.0, 0.0, 0.0])
    assert found["document"].tolist() == pytest.approx([0.25, 0.75, 0.5, 0.0])


def test_numbers_spans_and_money_where_they_are_asked_for() -> None:
    told = [candidate("ends on 1 May 2030"), candidate("costs 5%"), candidate("nothing")]
    when, much = columns("When does it end?", told), columns("How much is it?", told)
    assert when["span_asked"].tolist() == [1.0, 0.0, 0.0] and when["number_asked"].tolist() == [0.0] * 3
    assert much["number_asked"].tolist() == [1.0, 1.0, 0.0] and much["money"].tolist() == [0.0, 1.0, 0.0]


def test_headings_count_apart_from_the_text() -> None:
    found = columns("parental leave", [candidate("ten days", heading="Parental leave"), candidate("ten days")])
    assert found["heading"].tolist() == pytest.approx([1.0, 0.0])


def test_edges() -> None:
    assert columns("anything", []) == {} or all(len(v) == 0 for v in columns("anything", []).values())
    columns("", [candidate(""), candidate("word")])
    columns("word", [candidate("word word word")])
