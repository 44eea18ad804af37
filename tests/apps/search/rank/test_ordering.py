"""Ordering over a real collection: what is read, what stays behind, examples that only those see who may."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from judged_samples import judged
from word_encoder import WordEncoder

from rightsized.apps.search.evaluate.collected import Collected, collect
from rightsized.apps.search.query.candidates import Query, gather
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.rank.examples import Examples
from rightsized.apps.search.rank.fusion import WeightedFusion
from rightsized.apps.search.rank.ordering import DEPTH, Asked, Ordering, feedback
from rightsized.apps.search.types import Filters

QUESTION = "Which law governs?"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    found = collect(tmp_path_factory.mktemp("home"), "made", judged(), WordEncoder())
    yield found
    found.collection.close()


def test_a_collection_of_corpus_rows_can_be_read_back(collected: Collected) -> None:
    data, view = judged(), collected.collection.view(())
    texts = {row.id: row.text for row in data.rows}
    seen = 0
    for document in view.documents(Filters()):
        whole = view.text(document.id)
        for found in view.passages(document.id):
            assert found.passage.text == texts[collected.id_of(found)]
            assert whole[found.passage.start : found.passage.end] == found.passage.text
            seen += 1
    assert seen == len(data.rows)


def test_the_first_are_read_and_stand_before_the_others(collected: Collected) -> None:
    view, vector = collected.collection.view(()), WordEncoder().encode_now(QUESTION).vector
    found = gather(view, Query(Terms(QUESTION), vector, False, Filters()), 200).candidates
    fused = WeightedFusion().scores(found)
    scores = Ordering().scores(view, Asked(QUESTION, vector), found, fused)
    assert len(found.rows) > DEPTH and scores.min() >= 0 and scores.max() <= 1
    read = set(np.argsort(-fused, kind="stable")[:DEPTH].tolist())
    assert set(np.argsort(-scores, kind="stable")[:DEPTH].tolist()) == read
    behind = [i for i in np.argsort(-scores, kind="stable").tolist() if i not in read]
    assert behind == [i for i in np.argsort(-fused, kind="stable").tolist() if i not in read]


def test_without_a_vector_words_alone_order(collected: Collected) -> None:
    view = collected.collection.view(())
    found = gather(view, Query(Terms(QUESTION), None, False, Filters()), 50).candidates
    scores = Ordering().scores(view, Asked(QUESTION, None), found, WeightedFusion().scores(found))
    assert np.isfinite(scores).all() and len(scores) == len(found.rows)


def test_nothing_to_order(collected: Collected) -> None:
    view = collected.collection.view(())
    found = gather(view, Query(Terms("zzzz"), None, False, Filters()), 50).candidates
    assert Ordering().scores(view, Asked("zzzz", None), found, WeightedFusion().scores(found)).shape == (0,)


def test_an_example_pulls_up_what_answered_it_for_those_who_see_it(collected: Collected) -> None:
    view, encoder = collected.collection.view(()), WordEncoder()
    documents = {one.key: one.id for one in view.documents(Filters())}
    question, answer = encoder.encode_now(QUESTION).vector, encoder.encode_now(judged().rows[2].text).vector
    target, vector = documents["c05"], question
    filters = Filters(documents=(target,))
    found = gather(view, Query(Terms(QUESTION), vector, False, filters), 50).candidates
    fused = WeightedFusion().scores(found)
    best = {}
    for seen_by in (documents["c00"], "gone"):
        examples = Examples(question[None], answer[None], ((seen_by,),))
        ordering = Ordering({"example": 1.0}, examples)
        scores = ordering.scores(view, Asked(QUESTION, vector), found, fused, filters)
        (first,) = view.found([int(found.rows[int(np.argmax(scores))])])
        best[seen_by] = first.passage.text, float(scores.std())
    assert "statutes of province" in best[documents["c00"]][0]
    assert best["gone"][1] == 0.0  # the example's document is not there for this asker: it changes nothing


def test_the_digest_follows_weights_and_examples() -> None:
    one = np.ones((1, 4), np.float32)
    digests = {
        Ordering().digest,
        Ordering({"lexical": 1.0}).digest,
        Ordering(examples=Examples(one, one, (("d",),))).digest,
        Ordering(examples=Examples(one, -one, (("d",),))).digest,
    }
    assert len(digests) == 4 and all(one.startswith("sha256:") for one in digests)
    assert Ordering().digest == Ordering().digest


def test_feedback_moves_towards_the_first() -> None:
    axes = np.eye(4, dtype=np.float32)
    vectors = np.stack([axes[0], axes[1], axes[1], axes[2], axes[3]])
    scores = feedback(axes[0], vectors)
    assert scores[0] == 1.0 and scores[1] == scores[2] > scores[3] == scores[4] == 0.0
