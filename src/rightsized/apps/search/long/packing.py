"""Packs the passages that matter to a question into a budget of tokens: what a model reads in place of the documents.

Chosen one by one by relevance (where asked for, less what is there already: maximal marginal relevance, Carbonell and
Goldstein 1998), with a bonus beside what was chosen and nothing twice; shown in the order of the documents, under their
headings, with gaps marked. Which passages are relevant is for `scoring` to say. Equal input gives an equal context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.long.counting import Counter
from rightsized.apps.search.long.laying import Laid, laid_out, segments
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
SAME = 0.98  # cosine from which a passage says what is there already, and is left out
LEAST_RUN = 12  # tokens of sentences that are worth a place of their own
Floats = NDArray[np.float32]


class Packing(Frozen, frozen=True):
    """How passages are chosen. The defaults were chosen on one half of CUAD's contracts.

    `novelty` is the share of the value that goes with being unlike what is there, in [0, 1); repeats are left out
    whatever it is. `beside`: what a passage gains from a chosen neighbour, times that neighbour's score. `sentences`:
    fill the rest with sentences of what no longer fits.
    """

    novelty: float = 0.0
    beside: float = 0.15
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
    sizes = _Sizes(counter)
    pool = _pool(scored, budget, sizes)
    chooser = _Chooser(scored, pool, _likeness(view, scored, pool), packing)
    context = _Context(budget, sizes)
    missed = 0
    while missed < MOST_MISSES and context.room >= LEAST_RUN and (at := chooser.next()) is not None:
        one = Laid(scored.found[at], 0, len(scored.found[at].passage.text))
        if context.add(at, one) or (packing.sentences and _add_sentences(context, at, one, scored.words, sizes)):
            chooser.take(at)
            missed = 0
        else:
            missed += 1
    text, tokens = context.finished()
    parts = tuple(_part(context.taken[at], float(scored.scores[at])) for at in sorted(context.taken))
    return Packed(text, tokens, budget, counter.exact, parts, len(scored.found) - len(parts), scored.notes)


class _Sizes:
    """Tokens of texts, each counted once: most of a context stays as it is while it grows."""

    def __init__(self, counter: Counter) -> None:
        self._of, self._known = counter.of, dict[str, int]()

    def __call__(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = self._of(text)
        return self._known[text]


class _Context:
    """Pieces by their place, and what they take. While it grows its parts are counted, at the end the whole."""

    def __init__(self, budget: int, sizes: _Sizes) -> None:
        self._budget, self._sizes = budget, sizes
        self.taken: dict[int, Laid] = {}
        self.room = budget

    def add(self, at: int, one: Laid) -> bool:
        """Take a piece in, if it fits."""
        if self._sizes(one.text) > self.room:
            return False
        grown = {**self.taken, at: one}
        tokens = sum(map(self._sizes, segments([grown[place] for place in sorted(grown)])))
        if tokens > self._budget:
            return False
        self.taken, self.room = grown, self._budget - tokens
        return True

    def finished(self) -> tuple[str, int]:
        """The text and its tokens, counted whole: what was taken last goes where joints cost more than their parts."""
        while True:
            text = laid_out([self.taken[place] for place in sorted(self.taken)])
            tokens = self._sizes(text)
            if tokens <= self._budget:
                return text, tokens
            self.taken.popitem()


def _add_sentences(context: _Context, at: int, one: Laid, words: str, sizes: _Sizes) -> bool:
    """Take in the best sentences of a passage that fit, if any do."""
    room = context.room
    while room >= LEAST_RUN:
        span = best_run(one.text, words, room, sizes)
        if span is None or sizes(one.text[slice(*span)]) < LEAST_RUN:
            return False
        if context.add(at, one._replace(start=span[0], end=span[1])):
            return True
        room = min(room, sizes(one.text[slice(*span)])) - LEAST_RUN  # headings took what was missing
    return False


def _pool(scored: Scored, budget: int, sizes: _Sizes) -> list[int]:
    """The best passages, as many as hold POOL times the budget; best first, earlier ones first among equals."""
    order = np.argsort(-scored.scores, kind="stable").tolist()
    pool, tokens = list[int](), 0
    for at in order:
        if tokens >= POOL * budget:
            break
        pool.append(at)
        tokens += sizes(scored.found[at].passage.text)
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
        self._open &= self._alike < SAME
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
