"""Accuracy and F1 of answered labels with bootstrap intervals; differences of two methods are paired by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = (2.5, 97.5)
Labels = tuple[str, ...]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Answers:
    """What was answered and what was right: bool (rows, labels) twice."""

    said: Bools
    true: Bools

    @classmethod
    def of(cls, said: Sequence[Labels], true: Sequence[Labels], names: Sequence[str]) -> Answers:
        """From labels by name; a label that no train row has gets a column of its own."""
        every = sorted({*names, *(label for row in true for label in row), *(label for row in said for label in row)})
        position = {name: column for column, name in enumerate(every)}
        return cls(*(_matrix(rows, position) for rows in (said, true)))

    def take(self, rows: NDArray[np.intp]) -> Answers:
        """Some of the rows."""
        return Answers(self.said[rows], self.true[rows])


def _matrix(rows: Sequence[Labels], position: dict[str, int]) -> Bools:
    found = np.zeros((len(rows), len(position)), dtype=np.bool_)
    for row, labels in enumerate(rows):
        found[row, [position[label] for label in labels]] = True
    return found


def figures(answers: Answers) -> dict[str, dict[str, float]]:
    """Exact accuracy, macro and micro F1 with 95% bootstrap intervals over rows."""
    own, drawn = _figures(answers, np.ones((1, len(answers.true)))), _figures(answers, _weights(len(answers.true)))
    return {name: _with_interval(own[name][0], drawn[name]) for name in own}


def difference(first: Answers, second: Answers) -> dict[str, dict[str, float]]:
    """First minus second on the same rows, each resample the same rows of both."""
    ones, weights = np.ones((1, len(first.true))), _weights(len(first.true))
    own = [_figures(answers, ones) for answers in (first, second)]
    drawn = [_figures(answers, weights) for answers in (first, second)]
    return {name: _with_interval(own[0][name][0] - own[1][name][0], drawn[0][name] - drawn[1][name]) for name in own[0]}


def _weights(rows: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).multinomial(rows, np.full(rows, 1 / rows), size=RESAMPLES).astype(np.float64)


def _figures(answers: Answers, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Each figure under each row of weights. Macro F1 is the mean over labels that occur in the rows drawn."""
    said, true = answers.said.astype(np.float64), answers.true.astype(np.float64)
    exact = (answers.said == answers.true).all(axis=1).astype(np.float64)
    hits, answered, present = weights @ (said * true), weights @ said, weights @ true
    f1 = 2 * hits / np.maximum(answered + present, 1e-12)
    occurs = present > 0
    total = answered.sum(axis=1) + present.sum(axis=1)
    return {
        "accuracy": weights @ exact / weights.sum(axis=1),
        "macro_f1": (f1 * occurs).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1),
        "micro_f1": 2 * hits.sum(axis=1) / np.maximum(total, 1e-12),
    }


def _with_interval(value: float, drawn: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.percentile(drawn, LEVEL)
    return {"value": float(value), "low": float(low), "high": float(high)}
