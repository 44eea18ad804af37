"""Made-up populations of scored rows whose true risks are known, for the tests of the cascade."""

from __future__ import annotations

import numpy as np

from rightsized.cascade.scores import Scores


def population(n: int, rungs: int = 1, *, seed: int = 0, hard: float = 3.0) -> Scores:
    """Rows of differing difficulty: noisy scores, and later rungs are better; `hard` makes all easier."""
    random = np.random.default_rng(seed)
    difficulty = random.random(n)
    scores, correct = [], []
    for rung in range(rungs):
        chance = np.clip(1 - difficulty ** (hard * (rung + 1)) * 0.95, 0, 1)
        scores.append(np.clip(chance + random.normal(0, 0.05, n), 0, 1))
        correct.append(random.random(n) < chance)
    return Scores(np.stack(scores, axis=1), np.stack(correct, axis=1))


def constant_risk(n: int, risk: float, *, seed: int = 0) -> Scores:
    """Scores that say nothing: whatever the threshold, this share of the answers is wrong."""
    random = np.random.default_rng(seed)
    return Scores(random.random((n, 1)), random.random((n, 1)) >= risk)


def draw(rows: Scores, n: int, random: np.random.Generator) -> Scores:
    """A simple random sample with replacement: the pool is the population."""
    return rows.rows(random.integers(0, rows.n, n))


def true_risks(rows: Scores, thresholds: tuple[float | None, ...]) -> tuple[float, float, float]:
    """Selective error, wrong-local rate and local share of a configuration on the whole population."""
    local = np.zeros(rows.n, np.bool_)
    wrong = np.zeros(rows.n, np.bool_)
    for rung, threshold in enumerate(thresholds):
        takes = ~local & (rows.scores[:, rung] >= (np.inf if threshold is None else threshold))
        local |= takes
        wrong |= takes & ~rows.correct[:, rung]
    return float(wrong.sum() / max(1, local.sum())), float(wrong.mean()), float(local.mean())
