"""Searching a real collection: order, scope, filters, marks, folding, corrections, paging, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from query_samples import Sample, collection_of

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Correction, Ranking, Results, Settings
from rightsized.apps.search.query.search import search
from rightsized.apps.search.query.similar import similar
from rightsized.apps.search.query.suggesting import suggestions
from rightsized.apps.search.types import Filters
from rightsized.core.errors import InputError, NotFoundError
from rightsized.engines.fake import FakeEncoder

FUSED = Ranking(ordering=None)  # the order does not depend on learned weights


class Asker:
    def __init__(self, view: View, encoder: FakeEncoder) -> None:
        self.view, self.encoder = view, encoder

    def __call__(self, question: str, **more: Any) -> Results:
        more.setdefault("ranking", FUSED)
        return asyncio.run(search(self.view, question, encoder=self.encoder, **more))

    def keys(self, question: str, **more: Any) -> list[str]:
        return [hit.found.document.key for hit in self(question, **more).hits]

    def id(self, key: str) -> str:
        return next(one.id for one in self.view.documents(Filters()) if one.key == key)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, FakeEncoder]]:
    made, encoder = collection_of(tmp_path_factory.mktemp("home"))
    yield made, encoder
    made.close()


@pytest.fixture
def ask(collection: tuple[Any, FakeEncoder]) -> Asker:
    return Asker(collection[0].view([]), collection[1])


@pytest.fixture
def board(collection: tuple[Any, FakeEncoder]) -> Asker:
    return Asker(collection[0].view(["group:board"]), collection[1])


def test_the_best_passage_comes_first_with_its_parts(ask: Asker) -> None:
    results = ask("Are flights approved?")
    first = results.hits[0]
    assert first.found.passage.text.startswith("Trains are paid in full.")
    assert set(first.scores) >= {"lexical", "dense"}
    assert all(0 <= hit.score <= 1 for hit in results.hits)
    assert [hit.score for hit in results.hits] == sorted((hit.score for hit in results.hits), reverse=True)
    assert set(results.seconds) == {"prepare", "encode", "rank", "rerank", "show"}


def test_marks_are_exact_and_the_best_sentence_is_marked(ask: Asker) -> None:
    hit = ask("approval of a flight").hits[0]
    text = ask.view.text(hit.found.document.id)
    assert [text[mark.start : mark.end] for mark in hit.highlights] == ["Flights", "approval"]
    assert hit.sentence is not None
    assert text[hit.sentence.start : hit.sentence.end] == "Flights need approval."


def test_a_party_named_is_the_scope_and_can_be_lifted(ask: Asker) -> None:
    scoped = ask("termination notice of Castrovia Steel")
    assert scoped.scope.names == ("Castrovia Steel",)
    assert {hit.found.document.key for hit in scoped.hits} == {"contracts/steel.txt"}
    assert scoped.filters.documents == scoped.scope.documents
    lifted = ask("termination notice of Castrovia Steel", settings=Settings(scope=False))
    assert lifted.scope.documents == ()
    assert "contracts/motors.txt" in {hit.found.document.key for hit in lifted.hits}


@pytest.mark.parametrize("question", ["terminate -Castrovia", "terminate NOT Castrovia", "notice parties:Castrovia"])
def test_what_is_ruled_out_or_a_field_is_no_scope(ask: Asker, question: str) -> None:
    assert ask(question).scope.documents == ()


def test_filters_that_are_given_hold_whatever_is_named(ask: Asker) -> None:
    motors = ask.id("contracts/motors.txt")
    assert set(ask.keys("notice of Castrovia Steel", filters=Filters(documents=(motors,)))) == {"contracts/motors.txt"}
    assert set(ask.keys("Castrovia Steel notice", filters=Filters(fields={"folder": ("hr",)}))) <= {
        "hr/leave.txt", "hr/leave-copy.txt", "hr/travel.txt"
    }  # fmt: skip


def test_a_question_that_repeats_a_title_finds_that_document_first(ask: Asker) -> None:
    assert ask.keys("TRAVEL-POLICY")[0] == "hr/travel.txt"
    assert ask.keys("Leave Policy")[0] == "hr/leave.txt"


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        ('"ninety days"', {"contracts/steel.txt"}),
        ("terminate -ninety", {"contracts/motors.txt"}),
        ("trains OR payment", {"hr/travel.txt", "contracts/motors.txt"}),
        ("terminate AND thirty", {"contracts/motors.txt"}),
        ("notice author:berg", {"contracts/steel.txt"}),
        ("notice author:'nobody'", set()),
        ("days title:leave", {"hr/leave.txt", "hr/leave-copy.txt"}),
        ("days folder:contracts", {"contracts/steel.txt", "contracts/motors.txt"}),
        ("days parties:pellmont", {"contracts/motors.txt"}),
        ("notice -author:berg author:lind", {"contracts/motors.txt"}),
        ("days after:2025-05", {"contracts/motors.txt"}),
        ("days before:2023-06", {"hr/leave-copy.txt"}),
    ],
)
def test_what_must_hold_holds(ask: Asker, question: str, keys: set[str]) -> None:
    settings = Settings(fold=False)
    assert set(ask.keys(question, settings=settings, limit=100)) == keys


def test_a_word_that_nothing_has_is_corrected_and_said(ask: Asker) -> None:
    results = ask("aproval of fligths")
    assert set(results.corrections) == {Correction("aproval", "approval"), Correction("fligths", "flights")}
    assert results.hits[0].found.document.key == "hr/travel.txt"
    assert ask("approval of flights").corrections == ()
    assert ask("aproval", settings=Settings(correct=False)).corrections == ()


def test_passages_that_say_the_same_are_folded(ask: Asker) -> None:
    question = "how many days of annual leave"
    folded = ask(question)
    assert sum(hit.found.passage.text.startswith("Staff have") for hit in folded.hits) == 1
    first = next(hit for hit in folded.hits if hit.found.passage.text.startswith("Staff have"))
    assert [one.passage.text for one in first.folded] == ["Staff have thirty days of annual leave."]
    unfolded = ask(question, settings=Settings(fold=False))
    assert sum(hit.found.passage.text.startswith("Staff have") for hit in unfolded.hits) == 2


def test_one_hit_a_document(ask: Asker) -> None:
    keys = ask.keys("days of notice", settings=Settings(by_document=True), limit=50)
    assert len(keys) == len(set(keys)) == 5


def test_new_documents_come_first_where_age_counts(ask: Asker) -> None:
    question = "either party may terminate with days of notice"
    even = {hit.found.row: hit.score for hit in ask(question, settings=Settings(fold=False)).hits}
    aged = ask(question, settings=Settings(fold=False, half_life_days=30.0))
    assert aged.hits[0].found.document.key == "contracts/motors.txt"
    old = next(hit for hit in aged.hits if hit.found.document.key == "contracts/steel.txt")
    assert old.score < even[old.found.row]


def test_filters_without_words_list_the_newest_documents_first(ask: Asker) -> None:
    assert ask.keys("folder:hr before:2023") == ["hr/leave-copy.txt"]
    assert ask.keys("folder:contracts") == ["contracts/motors.txt", "contracts/steel.txt"]
    assert ask("folder:contracts", limit=1).more
    assert ask.keys("", filters=Filters(fields={"author": ("Bo Lind",)})) == ["contracts/motors.txt"]


def test_a_long_title_in_prose_is_no_filter(tmp_path: Path) -> None:
    title = "effects of pressure on the buckling of thin shells"
    samples = [Sample("paper.txt", f"{title}\n\nShells buckle."), Sample("b.txt", "Other\n\nThe pressure on shells.")]
    collection, encoder = collection_of(tmp_path, samples)
    asked = Asker(collection.view([]), encoder)
    assert asked(f"who studied the {title}").scope.documents == ()
    assert asked(f"who studied the {title.title()}").scope.titles == (title,)
    collection.close()


def test_pages_follow_each_other_without_gaps(ask: Asker) -> None:
    whole = [hit.found.row for hit in ask("days of notice", limit=9).hits]
    parts = [hit.found.row for at in (0, 3, 6) for hit in ask("days of notice", limit=3, offset=at).hits]
    assert parts == whole
    assert ask("days of notice", limit=3, offset=900).hits == ()


def test_facets_count_documents_among_the_candidates(ask: Asker) -> None:
    results = ask("terminate AND notice", settings=Settings(facets=("author", "folder")))
    counted = {(facet.field, facet.value): facet.count for facet in results.facets}
    assert counted == {("author", "Anna Berg"): 1, ("author", "Bo Lind"): 1, ("folder", "contracts"): 2}


@pytest.mark.parametrize("question", ["", "   ", "(((", "-", "?!", "type:", "NOT", "\0", "x" * 5000])
def test_odd_questions_are_answered(ask: Asker, question: str) -> None:
    assert isinstance(ask(question), Results)


def test_without_its_encoder_words_are_searched_and_that_is_said(ask: Asker) -> None:
    for encoder in (None, FakeEncoder(dimension=16)):
        results = asyncio.run(search(ask.view, "flights approval", encoder=encoder))
        assert results.hits[0].found.document.key == "hr/travel.txt"
        assert "dense" not in results.hits[0].scores
        assert any("encoder" in note for note in results.notes)


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (-1, 0), (10, -1), (1000, 1)])
def test_pages_out_of_range_are_refused(ask: Asker, limit: int, offset: int) -> None:
    with pytest.raises(InputError, match="out of range"):
        ask("leave", limit=limit, offset=offset)


class Backwards:
    """A reranker that prefers what came last."""

    model = "sha256:0"

    async def scores(self, question: str, passages: Any) -> Any:
        return np.arange(len(passages), dtype=np.float32)


def test_a_reranker_orders_the_first_candidates_anew(ask: Asker) -> None:
    settings = Settings(fold=False)
    before = [hit.found.row for hit in ask("days of notice", limit=50, settings=settings).hits]
    after = ask("days of notice", limit=50, settings=settings, ranking=FUSED._replace(reranker=Backwards()))
    assert [hit.found.row for hit in after.hits] == before[::-1]
    assert after.hits[0].scores["reranker"] == len(before) - 1


def test_suggestions_complete_words_and_titles(ask: Asker, board: Asker) -> None:
    assert [(one.text, one.kind) for one in suggestions(ask.view, "trav")] == [
        ("Travel Policy", "title"),
        ("travel", "word"),
    ]
    assert ("when does the merger", "word") in [
        (one.text, one.kind) for one in suggestions(board.view, "when does the merg")
    ]
    assert suggestions(ask.view, "travel ") == ()
    assert suggestions(ask.view, "") == ()


def test_more_like_this_leaves_out_the_document_and_what_says_the_same(ask: Asker) -> None:
    steel = ask.id("contracts/steel.txt")
    keys = [hit.found.document.key for hit in similar(ask.view, steel)]
    assert keys[0] == "contracts/motors.txt"
    assert "contracts/steel.txt" not in keys
    leave = similar(ask.view, ask.id("hr/leave.txt"), ordinal=1)
    assert "Staff have thirty days of annual leave." not in [hit.found.passage.text for hit in leave]
    with pytest.raises(NotFoundError):
        similar(ask.view, steel, ordinal=99)


def test_what_is_hidden_neither_scopes_nor_corrects_nor_is_suggested(ask: Asker, board: Asker) -> None:
    hidden = board.id("board/plan.txt")
    assert board("closing with Zorvex Holdings").scope.titles == ("Merger Plan",)
    assert ask("closing with Zorvex Holdings").scope.documents == ()
    assert board("jubilaton").corrections == (Correction("jubilaton", "jubilation"),)
    assert ask("jubilaton").corrections == ()
    assert suggestions(ask.view, "jubil") == suggestions(ask.view, "merg") == ()
    with pytest.raises(NotFoundError) as told:
        similar(ask.view, hidden)
    with pytest.raises(NotFoundError) as unknown:
        similar(ask.view, "0" * len(hidden))
    assert str(told.value).replace(hidden, "") == str(unknown.value).replace("0" * len(hidden), "")
    assert ask.keys("Merger Plan", filters=Filters(documents=(hidden,))) == []


def test_what_was_hidden_meanwhile_does_not_scope(tmp_path: Path) -> None:
    from query_samples import SAMPLES, Source

    from benchmarks.search_acl_corpus import chunk, parse
    from rightsized.apps.search.sync.run import sync
    from rightsized.apps.search.sync.steps import Steps

    collection, encoder = collection_of(tmp_path)
    before = Asker(collection.view([]), encoder)
    assert before("notice of Castrovia Steel").scope.titles == ("Supply Agreement",)
    changed = [one._replace(principals=("group:board",)) if "steel" in one.key else one for one in SAMPLES]
    sync(collection, Source(changed), Steps(parse, chunk, "samples-1"))
    for view in (before.view, collection.view([])):  # one made before the change, one made after
        asked = Asker(view, encoder)
        assert asked("notice of Castrovia Steel").scope.documents == ()
        assert "contracts/steel.txt" not in asked.keys("notice of Castrovia Steel", limit=100)
    collection.close()
