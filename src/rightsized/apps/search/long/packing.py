"""Packs the passages that matter to a question into a budget of tokens: what a model reads in place of the documents.

Chosen one by one by relevance less what is there already (maximal marginal relevance, Carbonell and Goldstein 1998),
with a bonus beside what was chosen; shown in the order of the documents, under their headings, with gaps marked. Which
passages are relevant is for `scoring` to say. Equal input gives an equal context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.long.counting import Counter
from rightsized.apps.search.long.laying import Laid, laid_out
from rightsized.apps.search.long.records import Packed, Part
from rightsized.apps.search.long.scoring import FUSED, Scored, score
from rightsized.apps.search.long.trimming import best_run
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Ranking
from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Encoder

LEAST_BUDGET = 32  # tokens; in less there is no room for a sentence under its heading
POOL = 8  # times the budget: so many tokens of the best passages are looked at, which bounds memory and time
MOST_MISSES = 8  # passages in a row of which nothing fits: then the context is full
LEAST_RUN = 12  # tokens of sentences that are worth a place of their own
Floats = NDArray[np.float32]


class Packing(Frozen, frozen=True):
    """How passages are chosen. The defaults were chosen on one half of CUAD's contracts.

    `novelty` is the share of the value that goes with being unlike what is there, in [0, 1). `beside`: what a passage
    gains from a chosen neighbour, times that neighbour's score. `sentences`: fill the rest with sentences of what no
    longer fits.
    """

    novelty: float = 0.1
    beside: float = 0.1
    sentences: bool = True


DEFAULT = Packing()


async def pack(
    view: View,
    question: str,
    documents: Sequence[str],
    budget: int,
    *,
    counter: Counter,
    encoder: Encoder | None,
    ranking: Ranking = FUSED,
    packing: Packing = DEFAULT,
) -> Packed:
    """A context of at most `budget` tokens, headings and marks of gaps included.

    Args:
        view: the asker's.
        documents: ids, in the order in which they are wanted.
        counter: of the model that will read it.
        encoder: the collection's; without it only words are compared.
    Raises:
        NotFoundError, InputError, BusyError: as `score`; InputError too for a budget below LEAST_BUDGET.
    """
    if budget < LEAST_BUDGET:
        raise InputError(f"A budget of {budget} tokens is too small.", fix=f"Give at least {LEAST_BUDGET}.")
    scored = await score(view, question, documents, encoder=encoder, ranking=ranking)
    return await asyncio.to_thread(packed, view, scored, budget, counter, packing)


def packed(view: View, scored: Scored, budget: int, counter: Counter, packing: Packing = DEFAULT) -> Packed:
    """The same for passages that are scored already."""
    pool = _pool(scored, budget, counter)
    chooser = _Chooser(scored, pool, _likeness(view, scored, pool), packing)
    taken: dict[int, Laid] = {}
    tokens = missed = 0
    while missed < MOST_MISSES and budget - tokens >= LEAST_RUN and (at := chooser.next()) is not None:
        one = Laid(scored.found[at], 0, len(scored.found[at].passage.text))
        grown = _grown(taken, at, one, budget, counter)
        if grown is None and packing.sentences:
            one, grown = _cut(scored, taken, at, budget - tokens, budget, counter)
        if grown is None:
            missed += 1
            continue
        taken[at], tokens, missed = one, grown, 0
        chooser.take(at)
    text = laid_out([taken[at] for at in sorted(taken)])
    parts = tuple(_part(taken[at], float(scored.scores[at])) for at in sorted(taken))
    left_out = len(scored.found) - len(parts)
    return Packed(text, counter.of(text), budget, counter.exact, parts, left_out, scored.notes)


def _grown(taken: dict[int, Laid], at: int, one: Laid, budget: int, counter: Counter) -> int | None:
    """Tokens of the context with one more piece; None where it no longer fits. Counted whole: joints cost too."""
    with_it = {**taken, at: one}
    tokens = counter.of(laid_out([with_it[place] for place in sorted(with_it)]))
    return tokens if tokens <= budget else None


def _cut(
    scored: Scored, taken: dict[int, Laid], at: int, room: int, budget: int, counter: Counter
) -> tuple[Laid, int | None]:
    """The best sentences of a passage that fit, and the tokens of the context with them."""
    found = scored.found[at]
    whole = Laid(found, 0, len(found.passage.text))
    while room >= LEAST_RUN:
        span = best_run(found.passage.text, scored.words, room, counter.of)
        if span is None:
            return whole, None
        one = Laid(found, *span)
        if (grown := _grown(taken, at, one, budget, counter)) is not None:
            return one, grown
        room = min(room, counter.of(found.passage.text[span[0] : span[1]])) - LEAST_RUN
    return whole, None


def _pool(scored: Scored, budget: int, counter: Counter) -> list[int]:
    """The best passages, as many as hold POOL times the budget; best first, earlier ones first among equals."""
    order = np.argsort(-scored.scores, kind="stable").tolist()
    pool, tokens = list[int](), 0
    for at in order:
        if tokens >= POOL * budget:
            break
        pool.append(at)
        tokens += counter.of(scored.found[at].passage.text)
    return pool


def _likeness(view: View, scored: Scored, pool: Sequence[int]) -> Floats:
    """Unit vectors of the pool's passages, float32 (n, dimension); zeros without any, so that none is alike."""
    if view.encoder and pool:
        try:
            return view.vectors([scored.found[at].row for at in pool])
        except NotFoundError:  # some are not embedded yet
            pass
    return np.zeros((len(pool), 1), np.float32)


class _Chooser:
    """Gives passages by falling value; a value falls when something alike is taken, and grows beside what is."""

    def __init__(self, scored: Scored, pool: Sequence[int], vectors: Floats, packing: Packing) -> None:
        self._scored, self._packing, self._vectors = scored, packing, vectors
        self._pool = np.array(pool, dtype=np.int64)
        self._open = np.ones(len(pool), dtype=np.bool_)
        self._relevance = scored.scores[self._pool].astype(np.float64) if len(pool) else np.empty(0)
        self._alike = np.zeros(len(pool))
        self._beside = np.zeros(len(pool))
        self._place = {at: place for place, at in enumerate(pool)}

    def next(self) -> int | None:
        """The place of the passage that is worth most now; each is given once."""
        if not self._open.any():
            return None
        novelty = self._packing.novelty
        values = (1 - novelty) * self._relevance - novelty * self._alike + self._packing.beside * self._beside
        best = int(np.argmax(np.where(self._open, values, -np.inf)))
        self._open[best] = False
        return int(self._pool[best])

    def take(self, at: int) -> None:
        """Note that a passage is in the context."""
        place = self._place[at]
        self._alike = np.maximum(self._alike, self._vectors @ self._vectors[place])
        for neighbour in (at - 1, at + 1):
            other = self._place.get(neighbour)
            if other is not None and self._same_document(at, neighbour):
                self._beside[other] = max(self._beside[other], self._relevance[place])

    def _same_document(self, at: int, neighbour: int) -> bool:
        found = self._scored.found
        return found[at].document.id == found[neighbour].document.id


def _part(one: Laid, score: float) -> Part:
    passage = one.found.passage
    whole = one.start == 0 and one.end == len(passage.text)
    return Part(one.found, passage.start + one.start, passage.start + one.end, round(score, 6), whole)
