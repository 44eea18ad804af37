"""The ways to fit a contract into a budget of tokens, ours and plain ones: each gives stretches of the contract's text.

All count with the same tokenizer, and none is given what stands between its stretches. Ours pays for the title,
headings and marks of gaps that it puts in; the others put nothing in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from benchmarks.long_data import Asked, Contract, Span
from rightsized.apps.search.long.counting import Counter
from rightsized.apps.search.long.scoring import Scored

SEED = 7


class Sizes:
    """Tokens of the contract's words, so that any stretch is counted without reading it again."""

    def __init__(self, text: str, counter: Counter) -> None:
        self._ends, self._totals, total, at = [0], [0], 0, 0
        for word in text.split(" "):
            total += counter.of(word)
            at += len(word) + 1
            self._ends.append(at)
            self._totals.append(total)

    def first(self, budget: int) -> int:
        """The end of as many words from the beginning as fit."""
        return self._ends[int(np.searchsorted(self._totals, budget, side="right")) - 1]

    def last(self, budget: int) -> int:
        """The start of as many words at the end as fit."""
        return self._ends[int(np.searchsorted(self._totals, self._totals[-1] - budget, side="left"))]


def lead(sizes: Sizes, contract: Contract, budget: int) -> list[Span]:
    """The beginning: what a model keeps that cuts off what it cannot read."""
    return [(0, min(sizes.first(budget), len(contract.text)))]


def head_and_tail(sizes: Sizes, contract: Contract, budget: int) -> list[Span]:
    """Half of the budget from the beginning, half from the end."""
    first, last = sizes.first(budget // 2), sizes.last(budget - budget // 2)
    return [(0, min(first, len(contract.text))), (max(first, last), len(contract.text))]


def filled(order: Iterable[int], places: Sequence[Span], tokens: Sequence[int], budget: int) -> list[Span]:
    """Stretches in this order as long as they fit; one that does not is passed over."""
    taken, used = list[Span](), 0
    for at in order:
        if used + tokens[at] <= budget:
            taken.append(places[at])
            used += tokens[at]
    return taken


def orders(scored: Scored, asked: Asked) -> dict[str, Callable[[], list[int]]]:
    """Orders of our passages that nothing but the budget cuts off."""
    return {
        "random passages": lambda: _shuffled(len(scored.found), asked.id),
        "BM25 alone": lambda: _falling(np.nan_to_num(scored.lexical, nan=-1.0)),
        "meaning alone": lambda: _falling(np.nan_to_num(scored.dense, nan=-1.0)),
        "order of the search": lambda: _falling(scored.scores),
    }


def _shuffled(count: int, seed: str) -> list[int]:
    order = list(range(count))
    random.Random(f"{SEED} {seed}").shuffle(order)
    return order


def _falling(values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[int]:
    order: list[int] = np.argsort(-values, kind="stable").tolist()
    return order


def coverage(text: str, spans: Sequence[Span], wanted: Sequence[Span]) -> tuple[float, float]:
    """Of the clauses asked for, the share that stands in the context whole, and the share of their characters.

    Blanks do not count.
    """
    held = np.zeros(len(text), dtype=np.bool_)
    for start, end in spans:
        held[start:end] = True
    whole = characters = total = 0
    for start, end in wanted:
        told = np.array([not character.isspace() for character in text[start:end]])
        have = int((held[start:end] & told).sum())
        whole += have == int(told.sum())
        characters += have
        total += int(told.sum())
    return whole / len(wanted), characters / max(1, total)
