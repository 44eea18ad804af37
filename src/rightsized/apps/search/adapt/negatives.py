"""A passage for each pair that shares its words and does not answer: found by BM25, without what may well answer.

A find may be right although nobody said so (a false negative, which teaches the wrong thing). So none is taken of the
partner's own document, none that says the same, and none that the encoder at hand puts as near as the partner, or
nearly (positive-aware mining, Moreira et al. 2024).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from rightsized.apps.search.adapt.records import Negative, Pair
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.types import Filters
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.tune.duplicates import normalise

DEPTH = 30  # passages that BM25 finds for each pair
NEAR = 0.95  # of the partner's cosine, at and above which a passage is left out
SAME_WORDS = 0.8  # Jaccard similarity of words at which two passages say the same
AMONG = 5  # of the best that are left, of which one is drawn
NOTHING = Negative()


def mine_negatives(
    view: View, pairs: Sequence[Pair], encoder: Encoder, seed: int, progress: Progress = no_progress
) -> list[Negative]:
    """A negative for each pair. `encoder` is the one whose vectors serve."""
    found = []
    for done, pair in enumerate(pairs):
        progress("Mining negatives", done, len(pairs))
        found.append(_negative(view, pair, encoder, random.Random(f"{seed}\0{pair.asks}\0{pair.row}")))  # noqa: S311 - the same draw for the same seed
    progress("Mining negatives", len(pairs), len(pairs))
    return found


def _negative(view: View, pair: Pair, encoder: Encoder, drawn: random.Random) -> Negative:
    rows = view.lexical(Terms(pair.asks), Filters(), DEPTH).rows
    documents = view.documents_of(rows.tolist())
    rows = rows[[documents[row].id != pair.document if row in documents else False for row in rows.tolist()]]
    if not len(rows):
        return NOTHING
    cosines = view.cosines(encoder.encode_now(pair.asks).vector, [pair.row, *rows.tolist()])
    rows = rows[cosines[1:] < NEAR * cosines[0]] if cosines[0] > 0 else rows[:0]
    own = frozenset(normalise(pair.body).split())
    found = view.found(rows[: 2 * AMONG].tolist())
    apart = [one for one in found if not _same(own, frozenset(normalise(one.passage.text).split()))]
    if not apart:
        return NOTHING
    chosen = drawn.choice(apart[:AMONG])
    return Negative(chosen.passage.text, chosen.document.id)


def _same(first: frozenset[str], second: frozenset[str]) -> bool:
    return bool(np.less_equal(SAME_WORDS * len(first | second), len(first & second)))
