"""Choosing sentences: which are taken, in which order, and what the probability depends on."""

from __future__ import annotations

import numpy as np

from rightsized.apps.search.answer.choosing import MOST, Weights, choose, probability, signals
from rightsized.apps.search.answer.evidence import COLUMNS, Evidence, split
from rightsized.apps.search.types import Document, Found, Hit, Passage

FIRST = "Leave is 25 days. It is asked for in writing. Unused days go on to April. Nothing else is carried over."


def hit(text: str, start: int, document: str = "d1") -> Hit:
    known = Document(document, "folder:x", f"{document}.txt", "c", "T", "text/plain", len(text), 0.0, 0.0)
    return Hit(Found(start, known, Passage(0, start, start + len(text), text, text)), 0.9, {"dense": 0.5})


def evidence(cosines: list[float], hits: tuple[Hit, ...]) -> Evidence:
    found = split(hits)
    matrix = np.zeros((len(found), len(COLUMNS)))
    matrix[:, COLUMNS.index("cosine")] = cosines
    return Evidence(hits, found, matrix)


def test_sentences_keep_the_offsets_of_their_document() -> None:
    found = split([hit(FIRST, 100)])
    assert len(found) == 4
    assert all(FIRST[one.start - 100 : one.end - 100] == one.text for one in found)


def test_a_passage_found_twice_gives_its_sentences_once() -> None:
    assert len(split([hit(FIRST, 100), hit(FIRST, 100)])) == 4


def test_near_sentences_of_the_same_passage_come_in_the_order_of_the_document() -> None:
    hits = hit(FIRST, 0), hit("Another passage says so too.", 500)
    chosen = choose(evidence([0.5, 0.1, 0.6, 0.55, 0.59], hits))
    assert chosen is not None
    assert chosen.places == (0, 2, 3) and chosen.best == 2 and len(chosen.places) <= MOST


def test_a_sentence_far_below_the_best_is_left_out() -> None:
    chosen = choose(evidence([0.9, 0.1, 0.2, 0.1], (hit(FIRST, 0),)))
    assert chosen is not None and chosen.places == (0,)


def test_nothing_is_chosen_of_nothing() -> None:
    assert choose(Evidence((), [], np.zeros((0, len(COLUMNS))))) is None


def test_a_greater_lead_makes_an_answer_likelier() -> None:
    hits = hit(FIRST, 0), hit("Another passage says so too.", 500)
    clear, close = evidence([0.6, 0.1, 0.1, 0.1, 0.1], hits), evidence([0.6, 0.1, 0.1, 0.1, 0.59], hits)
    likely = []
    for found in (clear, close):
        chosen = choose(found)
        assert chosen is not None
        likely.append(chosen.probability)
        assert likely[-1] == probability(signals(found, chosen.scores, chosen.best))
    assert likely[0] > likely[1]


def test_the_digest_names_every_weight() -> None:
    assert Weights().digest == Weights().digest
    assert Weights(order={"cosine": 1.0}).digest != Weights().digest
    assert Weights(confidence={"bias": 0.0}).digest != Weights().digest
