"""Do messages still look like the calibration sample? A conformal test martingale on a number each message has.

Ranks each new value among all before it; while all are exchangeable the ranks are uniform, and betting against that
(the jumper of Vovk et al. 2021) wins only by luck: 1 / level with probability at most level. Inputs may drift
without harm, so this is a warning, never an alarm. No labels are needed.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Iterable, Sequence

from rightsized.core.errors import DataError
from rightsized.core.types import Frozen

SLOPES = (-2.0, -1.0, 0.0, 1.0, 2.0)  # bets 1 + slope (p - 1/2): negative slopes win on values larger than before
JUMP = 0.01  # share of the money moved between slopes at each step, so that a late change is still seen
WINDOW = 20_000  # values after which the ranking starts over from the sample
LEVEL = 0.01  # chance of a false warning in one window, over all numbers watched


class DriftState(Frozen, frozen=True):
    """A test as it stands: values seen since the window began, and the money on each slope."""

    seen: tuple[float, ...]
    money: tuple[float, ...]
    scale: float
    highest: float
    windows: int


class DriftTest:
    """Watches one number a message.

    Args:
        reference: its values on the calibration sample; finite, at least one.
        seed: for breaking ties between equal values by lot.
    Raises:
        DataError: no reference values, or one is not finite.
    """

    def __init__(self, reference: Sequence[float], seed: int = 0) -> None:
        if not reference or not all(map(math.isfinite, reference)):
            raise DataError(f"Drift is measured against finite values of a sample; {len(reference)} were given.")
        self._reference = sorted(reference)
        self._random = random.Random(seed)  # noqa: S311 - ties, not secrets
        self._windows = 0
        self._highest, self._scale = 1.0, 0.0
        self._ranked: list[float] = []
        self._seen: list[float] = []
        self._money: list[float] = []
        self._begin()

    @property
    def highest(self) -> float:
        """The largest evidence against "these messages are like the sample" so far; 1 is none."""
        return self._highest

    def see(self, value: float) -> float:
        """Take in the next message's value; returns the evidence now. A value that is not finite is passed over."""
        if not math.isfinite(value):
            return self._now()
        p = self._p_value(value)
        shared = sum(self._money) * JUMP / len(SLOPES)
        self._money = [
            (m * (1 - JUMP) + shared) * (1 + s * (p - 0.5)) for m, s in zip(self._money, SLOPES, strict=True)
        ]
        total = sum(self._money)
        self._scale += math.log(total)
        self._money = [m / total for m in self._money]
        bisect.insort(self._ranked, value)
        self._seen.append(value)
        self._highest = max(self._highest, self._now())
        if len(self._seen) >= WINDOW:
            self._windows += 1
            self._begin()
        return self._now()

    def _p_value(self, value: float) -> float:
        """Where the value stands among all before it, from 0 (largest) to 1, ties by lot: uniform without drift."""
        below, upto = bisect.bisect_left(self._ranked, value), bisect.bisect_right(self._ranked, value)
        larger, equal = len(self._ranked) - upto, upto - below + 1  # itself among its equals
        return (larger + self._random.random() * equal) / (len(self._ranked) + 1)

    def _begin(self) -> None:
        self._ranked = list(self._reference)
        self._seen = []
        self._money = [1 / len(SLOPES)] * len(SLOPES)
        self._scale = 0.0

    def _now(self) -> float:
        return math.exp(min(self._scale, 700.0))

    def state(self) -> DriftState:
        """For keeping; `restore` takes it back."""
        return DriftState(tuple(self._seen), tuple(self._money), self._scale, self._highest, self._windows)

    def restore(self, state: DriftState) -> None:
        """Go on from a kept state of a test with the same reference."""
        self._ranked = sorted([*self._reference, *state.seen])
        self._seen, self._money = list(state.seen), list(state.money)
        self._scale, self._highest, self._windows = state.scale, state.highest, state.windows


class DriftWatch:
    """Watches several numbers a message at once, such as out-of-scope energy and each rung's score."""

    def __init__(self, reference: dict[str, Sequence[float]], level: float = LEVEL) -> None:
        self._tests = {name: DriftTest(values, seed) for seed, (name, values) in enumerate(sorted(reference.items()))}
        self._limit = len(self._tests) / level

    def see(self, values: Iterable[tuple[str, float]]) -> None:
        """Take in one message's values by name."""
        for name, value in values:
            self._tests[name].see(value)

    def warning(self) -> str:
        """In words, which numbers no longer look like the sample; empty where none is shown to."""
        moved = [name for name, test in self._tests.items() if test.highest >= self._limit]
        if not moved:
            return ""
        return (
            f"Messages no longer look like the calibration sample ({', '.join(moved)})."
            " The error rate may or may not have changed; audits tell."
        )

    def state(self) -> dict[str, DriftState]:
        """For keeping; `restore` takes it back."""
        return {name: test.state() for name, test in self._tests.items()}

    def restore(self, state: dict[str, DriftState]) -> None:
        """Go on from a kept state; names that are new start afresh."""
        for name, kept in state.items():
            if name in self._tests:
                self._tests[name].restore(kept)
