"""Which pairs are mined: headings that say something, never what is judged, the same each time; which negatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from adapt_samples import WordEncoder

from rightsized.apps.search.adapt.headings import common, plain, run_in, telling
from rightsized.apps.search.adapt.mining import A_HEADING, mine
from rightsized.apps.search.adapt.negatives import mine_negatives
from rightsized.apps.search.adapt.records import AdaptOptions, Pair
from rightsized.apps.search.evaluate.beir import Judged, Row
from rightsized.apps.search.evaluate.collected import collect
from rightsized.apps.search.index.collection import Collection

BODY = "The tenant gives notice in writing three months before the term ends, or {} applies to the lease."


def rows(*texts: tuple[str, str, str]) -> Judged:
    """Of (document, title, text)."""
    made = tuple(Row(f"{name}#{i}", text, title, name, {}) for i, (name, title, text) in enumerate(texts))
    return Judged("made", made, (), {})


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Collection]]:
    held: list[Collection] = []
    yield held
    for one in held:
        one.close()


def collection(tmp_path: Path, held: list[Collection], judged: Judged) -> Collection:
    held.append(collect(tmp_path, f"made{len(held)}", judged, WordEncoder()).collection)
    return held[-1]


def pairs_of(collection: Collection, judged: Sequence[str] = (), **more: int) -> tuple[list[Pair], int]:
    return mine(collection.view(()), judged, AdaptOptions(**more))  # type: ignore[arg-type]  # numbers alone


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("4.2 (a) Notice of\n termination: ", "Notice of termination"),
        ("Section 12. Governing law", "Governing law"),
        ("IV. Payment", "Payment"),
        ("ANNEX B: Prices", "Prices"),
        ("2024 budget", "budget"),
        ("i.e. what is meant", "what is meant"),
        ("", ""),
    ],
)
def test_headings_lose_their_numbers(heading: str, expected: str) -> None:
    assert plain(heading) == expected


@pytest.mark.parametrize("heading", ["Introduction", "General information", "B", "12", "contracts/nda.pdf", "a b c"])
def test_headings_that_say_where_one_is_say_nothing(heading: str) -> None:
    assert not telling(heading)


def test_a_heading_of_many_documents_is_of_none() -> None:
    shared = [(f"d{i}", "Who to ask") for i in range(6)] + [(f"d{i}", f"Own heading {i}") for i in range(20)]
    assert common(shared) == {"who to ask"}


def test_headings_run_into_their_clause() -> None:
    found = run_in("as agreed. 7.1 Term of lease. This ends in May. (b) Early end: The tenant may leave.")
    assert [(one.heading, one.body) for one in found] == [
        ("Term of lease", "This ends in May."),
        ("Early end", "The tenant may leave."),
    ]
    assert run_in("paid 7.1 million. The rest") == []


def test_titles_are_taken_off_what_they_open(tmp_path: Path, opened: list[Collection]) -> None:
    body = BODY.format("clause nine")
    made = collection(tmp_path, opened, rows(("a", "Leaving the flat", f"Leaving the flat. {body}")))
    (pair,), _ = pairs_of(made)
    assert (pair.kind, pair.asks, pair.body) == ("title", "Leaving the flat", body)


def test_what_is_judged_is_never_learnt(tmp_path: Path, opened: list[Collection]) -> None:
    titles = ("Notice before leaving the rented flat", "Painting walls of the flat", "Keeping pets in the flat")
    made = collection(tmp_path, opened, rows(*((t, t, BODY.format(t)) for t in titles)))
    found, left_out = pairs_of(made, ["notice before leaving the rented FLAT?", "May I keep a cat?"])
    assert left_out == 1
    assert sorted(one.asks for one in found) == sorted(titles[1:])


def test_duplicates_count_once_and_a_heading_speaks_for_few(tmp_path: Path, opened: list[Collection]) -> None:
    same = [(f"d{i}", "Leaving the flat", BODY.format("it")) for i in range(3)]
    ids = [("law", f"{1}.{i}", BODY.format(f"rule {i}")) for i in range(1, 15)]
    heads = [Row("1", "Rules of notice", "", "law", {})]
    listed = [Row(number, text, "", name, {}) for name, number, text in ids]
    made = collection(tmp_path, opened, Judged("made", (*heads, *listed, *rows(*same).rows), (), {}))
    found, _ = pairs_of(made)
    assert sum(one.kind == "title" for one in found) == 1
    assert sum(one.kind == "heading" for one in found) == A_HEADING
    assert {one.asks for one in found if one.kind == "heading"} == {"Rules of notice"}


def test_first_sentences_serve_where_nothing_else_does(tmp_path: Path, opened: list[Collection]) -> None:
    text = "We keep what you tell us for a year. " + BODY.format("it")
    bare = collection(tmp_path, opened, rows(*((f"d{i}", "", f"{text} Number {i}.") for i in range(8))))
    found, _ = pairs_of(bare)
    assert {one.kind for one in found} == {"first sentence"}
    titled = collection(tmp_path, opened, rows(*((f"d{i}", f"What we keep of {i}xyz", text) for i in range(8))))
    assert {one.kind for one in pairs_of(titled)[0]} == {"title"}


def test_the_same_seed_draws_the_same_pairs(tmp_path: Path, opened: list[Collection]) -> None:
    made = [(f"d{i}", f"Heading about thing{i}", BODY.format(f"thing {i}")) for i in range(30)]
    one, other = collection(tmp_path, opened, rows(*made)), collection(tmp_path, opened, rows(*made[::-1]))
    (first, _), (again, _) = pairs_of(one, most_pairs=9), pairs_of(other, most_pairs=9)
    second, _ = pairs_of(one, most_pairs=9, seed=1)
    assert [pair.asks for pair in first] == [pair.asks for pair in again] != [pair.asks for pair in second]
    assert len(first) == len(second) == 9


def test_no_negative_may_be_an_answer(tmp_path: Path, opened: list[Collection]) -> None:
    answer = "Notice of leaving is given in writing, and the notice of both is signed before the term ends."
    wrong = "Parking spaces are let by the month; cars left elsewhere after leaving are towed away at once, always."
    texts = [
        ("own", "Notice of leaving", answer),
        ("own", "Notice of leaving", "Never by telephone is leaving told, whoever calls and whenever it may be."),
        ("copy", "", answer.upper()),
        ("near", "", answer + " Please."),
        ("wrong", "", wrong),
    ]
    made = collection(tmp_path, opened, rows(*texts))
    view = made.view(())
    found, _ = pairs_of(made)
    pairs = [one for one in found if one.body == answer]
    assert pairs
    negatives = mine_negatives(view, pairs, WordEncoder(), 0)
    assert [one.body for one in negatives] == [wrong]
    assert mine_negatives(view, pairs, WordEncoder(), 0) == negatives
    assert view.document(negatives[0].document).key == "wrong"


def test_a_find_as_near_as_the_answer_is_no_negative(tmp_path: Path, opened: list[Collection]) -> None:
    near_text = "Notice of leaving, notice of leaving, leaving."
    texts = [("own", "Notice of leaving", BODY.format("it")), ("other", "", near_text)]
    made = collection(tmp_path, opened, rows(*texts))
    pairs, _ = pairs_of(made)
    asks, near, own = (WordEncoder().encode_now(text).vector for text in ("Notice of leaving", near_text, texts[0][2]))
    assert float(asks @ near) > float(asks @ own)
    assert [one.body for one in mine_negatives(made.view(()), pairs, WordEncoder(), 0)] == [""]
