"""How often a promotion certifies a candidate that breaks its budget: by the rules in force, and by looser ones.

    python -m benchmarks.triage_promotion --json

Candidates are wrong just above the budget (5%) on whatever they answer, at every threshold, so that each certificate is
a violation; delta is 5%, of which a first attempt spends half. Thresholds walk the path that out-of-fold scores of a
better model chose, as in `calibrate`. Scenarios: a number of audits fixed beforehand, or chosen once the errors are
known; five candidates in turn on the same audits, each at its share of delta, or each at a first attempt's; a wrong
template in 4% of the traffic, kept in or left out as seen before; and an outage whose near-copies, all answered right,
are half of the audits while the rest of the traffic is wrong in 7%, counted as they come or once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.harness import note
from rightsized.apps.triage.learning.bursts import counted_once
from rightsized.cascade import bounds
from rightsized.cascade.attempts import share_of_delta
from rightsized.cascade.path import outcomes
from rightsized.cascade.scores import Scores
from rightsized.cascade.selection import Path, Test, choose_path, walk
from rightsized.core.types import Promise

EPSILON, DELTA, JUST_ABOVE = 0.05, 0.05, 0.0501
AUDITS, PROMOTIONS, QUICK = 300, 1_200, 200
FEWEST, MOST = 100, 400  # audits that whoever knows the errors chooses from
CANDIDATES = 5
TEMPLATE, OTHERS = 0.04, 0.012  # share of a wrong template, and the error rate of all else: 5.15% together
STORM, OUTSIDE = 0.5, 0.07  # share of an outage among the audits, and the error rate of the traffic without it
PROMISE: Promise = "selective_error"
COSTS, MONTH = (1.0, 1_000.0), 30 * 86_400.0

Bools = NDArray[np.bool_]
Random = np.random.Generator


def path_of(n: int, random: Random) -> Path:
    """Grid, order and start, from out-of-fold scores of a model whose doubt tells its errors."""
    scores = random.random(2_000)
    correct = random.random(2_000) >= 0.15 * (1 - scores)
    selection = Scores(scores[:, None], correct[:, None])
    test = Test(PROMISE, EPSILON, DELTA * share_of_delta(1), n)
    return choose_path(test, selection, COSTS, seed=0, bootstraps=300)


def certifies(path: Path, scores: NDArray[np.float64], wrong: Bools, attempt: int = 1) -> bool:
    """Whether the walk along the path certifies anything."""
    test = Test(PROMISE, EPSILON, DELTA * share_of_delta(attempt), len(wrong))
    passes = test.passes(*outcomes(path.configurations, Scores(scores[:, None], ~wrong[:, None])).count())
    last = walk(passes, path.start)
    return last >= 0 and bool(np.isfinite(path.configurations[last]).any())


def fixed(path: Path, random: Random) -> dict[str, bool]:
    """The number fixed beforehand, beside one chosen by who knows the errors."""
    scores, wrong = random.random(MOST), random.random(MOST) < JUST_ABOVE
    chosen = any(certifies(path, scores[:n], wrong[:n]) for n in range(FEWEST, MOST + 1, 10))
    return {"number fixed": certifies(path, scores[:AUDITS], wrong[:AUDITS]), "number chosen in hindsight": chosen}


def candidates(path: Path, random: Random) -> dict[str, bool]:
    """Several candidates in turn on the same audits; whether any was certified."""
    found = {"five candidates, shares of delta": False, "five candidates, each a first attempt": False}
    for attempt in range(1, CANDIDATES + 1):
        scores, wrong = random.random(AUDITS), random.random(AUDITS) < JUST_ABOVE
        found["five candidates, shares of delta"] |= certifies(path, scores, wrong, attempt)
        found["five candidates, each a first attempt"] |= certifies(path, scores, wrong)
    return found


def repeats(path: Path, random: Random) -> dict[str, bool]:
    """A second test on traffic that repeats a wrong text: with it, and without since a test has seen it."""
    scores, template = random.random(2 * AUDITS), random.random(2 * AUDITS) < TEMPLATE
    wrong = template | (random.random(2 * AUDITS) < OTHERS)
    rest = np.flatnonzero(~template)[:AUDITS]
    kept = certifies(path, scores[:AUDITS], wrong[:AUDITS])
    return {"repeated texts kept": kept, "repeated texts left out": certifies(path, scores[rest], wrong[rest])}


def storm(path: Path, random: Random) -> dict[str, bool]:
    """Half of the audits tell of one outage, within hours of a month: as they come, and once."""
    told = random.random(AUDITS) < STORM
    times = np.where(told, 12 * 86_400.0 + random.random(AUDITS) * 7_200, random.random(AUDITS) * MONTH)
    words = random.integers(0, 10**9, AUDITS)
    texts = [
        f"The payment page has shown an error since ten, I cannot pay order {word % 100}" if one else f"message {word}"
        for one, word in zip(told, words, strict=True)
    ]
    scores, wrong = random.random(AUDITS), ~told & (random.random(AUDITS) < OUTSIDE)
    plain = certifies(path, scores, wrong)
    once = np.array(counted_once(texts, times.tolist(), [str(word) for word in words]))
    return {
        "outage counted as it comes": plain,
        "outage counted once": plain and certifies(path, scores[once], wrong[once]),
    }


SCENARIOS: tuple[Callable[[Path, Random], dict[str, bool]], ...] = (fixed, candidates, repeats, storm)


def main(arguments: Sequence[str] | None = None) -> int:
    """All scenarios."""
    given = harness.options("triage_promotion", __doc__ or "", arguments=arguments)
    promotions = QUICK if given.quick else PROMOTIONS
    path = path_of(AUDITS, np.random.default_rng(0))
    result: dict[str, Any] = {"epsilon": EPSILON, "delta": DELTA, "audits": AUDITS, "promotions": promotions}
    for scenario in SCENARIOS:
        note(scenario.__name__)
        random = np.random.default_rng([1, len(result)])
        seen = [scenario(path, random) for _ in range(promotions)]
        for name in seen[0]:
            rate = bounds.clopper_pearson(sum(one[name] for one in seen), promotions)
            result[name] = {"violations": rate.value, "low": rate.low, "high": rate.high}
    cells = [(name, cell) for name, cell in result.items() if isinstance(cell, dict)]
    lines = [f"{name:40} {cell['violations']:.4f} ({cell['low']:.4f} to {cell['high']:.4f})" for name, cell in cells]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
