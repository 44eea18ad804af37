"""A text as a game: coalitions of its parts to the score of what is left of it. Counts, caches and times the calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import InputError
from rightsized.explain.segments import Node
from rightsized.explain.shapley import Coalition, Game

Score = Callable[[Sequence[str]], NDArray[np.float64]]


@dataclass(frozen=True)
class Options:
    """How much an explanation may cost.

    Args:
        pairs: antithetic pairs of permutations; more is less noise.
        max_evaluations: most texts scored by the model; repeated texts count once.
        budget_ms: wall-clock limit in milliseconds, kept by estimate from the calls so far; None sets none. With a
            limit the number of pairs depends on the machine's speed; without, the result is a function of the text.
        mask: what stands for an absent part; empty removes it.
        clock: seconds, for tests.
    """

    pairs: int = 4
    max_evaluations: int = 256
    budget_ms: float | None = None
    mask: str = ""
    clock: Callable[[], float] = field(default=time.perf_counter)


def render(text: str, parts: Sequence[Node], present: Coalition, mask: str = "") -> str:
    """`text` without its absent parts: gaps between neighbours stay as they are, wider ones shrink to one space."""
    if all(present) or not any(present):
        return text if any(present) else ""
    pieces: list[str] = []
    last = -1
    for index, (part, kept) in enumerate(zip(parts, present, strict=True)):
        piece = text[part.start : part.end] if kept else mask
        if not piece:
            continue
        if last >= 0:
            gap = text[parts[last].end : part.start]
            if index > last + 1:
                gap = " " if any(sign.isspace() for sign in gap) else ""
            pieces.append(gap)
        pieces.append(piece)
        last = index
    return "".join(pieces)


class TextGame:
    """Scores texts through a cache and keeps count of what may still be spent."""

    def __init__(self, text: str, score: Score, options: Options) -> None:
        self._text, self._score, self._options = text, score, options
        self._known: dict[str, float] = {}
        self._start = options.clock()

    @property
    def evaluations(self) -> int:
        """Texts scored so far, each once."""
        return len(self._known)

    def elapsed_ms(self) -> float:
        return (self._options.clock() - self._start) * 1000.0

    def left(self) -> float:
        """How many more texts may be scored, by count and by the time that the calls so far took."""
        by_count = self._options.max_evaluations - self.evaluations
        if self._options.budget_ms is None:
            return by_count
        spent = self.elapsed_ms()
        each = spent / max(1, self.evaluations)
        by_time = (self._options.budget_ms - spent) / each if each > 0 else inf
        return max(0.0, min(by_count, by_time))

    def ends(self) -> tuple[float, float]:
        """The score of the empty text and of the whole one; the same where the text is white space."""
        if not self._text.strip():
            whole = float(self.scores([self._text])[0])
            return whole, whole
        base, full = self.scores(["", self._text])
        return float(base), float(full)

    def over(self, parts: Sequence[Node]) -> Game:
        """The game played by these parts of the text."""

        def value(coalitions: Sequence[Coalition]) -> NDArray[np.float64]:
            return self.scores([render(self._text, parts, present, self._options.mask) for present in coalitions])

        return value

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Scores of `texts`, float64 (n,); those seen before come from the cache. Raises InputError if not finite."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            values = np.asarray(self._score(new), np.float64)
            if values.shape != (len(new),) or not np.isfinite(values).all():
                raise InputError(
                    f"The score function gave {values.shape} values for {len(new)} texts, or one that is not finite.",
                    fix="An explanation needs one finite log-odds a text.",
                )
            self._known.update(zip(new, values.tolist(), strict=True))
        return np.array([self._known[text] for text in texts], np.float64)
