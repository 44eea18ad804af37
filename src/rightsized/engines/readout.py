"""From raw scores of the two models to a prediction, its calibrated score and its out-of-scope value.

One text at a time, in the same arithmetic while fitting and while serving. Knows no files and no encoder.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Scored
from rightsized.core.types import Frozen, LabelScore, Prediction
from rightsized.engines.confidence import Confidence
from rightsized.engines.linear import Floats
from rightsized.engines.ngrams import Margins
from rightsized.engines.outofscope import OutOfScope, discounted

Doubles = NDArray[np.float64]
SHOWN = 5  # labels listed with a prediction
FLOOR = 1e-12  # smallest probability in a logarithm


class ReadoutSettings(Frozen, frozen=True):
    """What was fitted for one rung.

    The combined logits are `ngram_scale` x margins + `head_scale` x logits + `offset`: a weighted geometric mean of the
    two models' probabilities, each with its temperature. The n-gram rung has `head_scale` 0. Probabilities are the
    softmax of the combined logits, or the sigmoid of each where a text may have several labels.
    `thresholds` has one entry a label where a text may have several, and is empty otherwise.
    """

    ngram_scale: float
    head_scale: float
    confidence: Confidence
    out_of_scope: OutOfScope
    offset: float = 0.0
    thresholds: tuple[float, ...] = ()


class Raw(NamedTuple):
    """What the models say of one text. `logits` and `nearest` are absent on the n-gram rung."""

    margins: Margins | None
    logits: Floats | None = None
    nearest: float = 0.0


class Evidence(NamedTuple):
    """Combined probabilities float64 (labels,); features in the order of FEATURES; statistics for out-of-scope."""

    probabilities: Doubles
    features: tuple[float, ...]
    statistics: dict[str, float]


class Readout:
    """Turns raw scores into a `Scored`."""

    def __init__(self, labels: tuple[str, ...], settings: ReadoutSettings) -> None:
        self.labels, self.settings = labels, settings
        self.several = bool(settings.thresholds)
        self._thresholds = np.asarray(settings.thresholds, dtype=np.float64)

    def evidence(self, raw: Raw) -> Evidence:
        """Probabilities and features of one text."""
        margins = None if raw.margins is None else raw.margins.values.astype(np.float64)
        logits = None if raw.logits is None else raw.logits.astype(np.float64)
        probabilities, log_odds, margin = self._probabilities(margins, logits)
        unknown = 0.0 if raw.margins is None else raw.margins.unknown
        largest, total = _log_sum(margins if logits is None else logits)  # unscaled: of the rung's best model
        statistics = {
            "energy": largest + math.log(total),
            "softmax": 1.0 / total,
            "probability": float(np.maximum.reduce(probabilities)),
            "nearest": raw.nearest,
            "unknown": unknown,
        }
        agree = 0.0 if margins is None or logits is None else float(int(margins.argmax()) == int(logits.argmax()))
        features = (log_odds, margin, statistics["energy"], raw.nearest, unknown, agree)
        return Evidence(probabilities, features, statistics)

    def read(self, raw: Raw, truncated: bool = False) -> Scored:
        """Prediction and score of one text."""
        evidence = self.evidence(raw)
        outside = self.settings.out_of_scope.value(evidence.statistics)
        return Scored(self.prediction(evidence.probabilities, outside), self.score(evidence, outside), truncated)

    def score(self, evidence: Evidence, outside: float) -> float:
        """s(x): the probability that the answer is right, discounted where the text lies outside all scope."""
        return discounted(self.settings.confidence.score(evidence.features), outside, self.settings.out_of_scope.limit)

    def prediction(self, probabilities: Doubles, outside: float) -> Prediction:
        """The prediction that these probabilities float64 (labels,) stand for."""
        order = np.argsort(-probabilities, kind="stable")[:SHOWN]
        names, values = order.tolist(), probabilities[order].tolist()
        shown = tuple([LabelScore(self.labels[i], value) for i, value in zip(names, values, strict=True)])
        best = self.labels[names[0]]
        return Prediction(best, self.chosen(probabilities) if self.several else (best,), shown, outside)

    def chosen(self, probabilities: Doubles) -> tuple[str, ...]:
        """The labels answered: the best one, or all that clear their thresholds, in the order of the label list."""
        if not self.several:
            return (self.labels[int(probabilities.argmax())],)
        return tuple(self.labels[i] for i in np.flatnonzero(probabilities >= self._thresholds).tolist())

    def _probabilities(self, margins: Doubles | None, logits: Doubles | None) -> tuple[Doubles, float, float]:
        """Probabilities float64 (labels,), the log-odds that the answer is right, and its distance to another."""
        settings = self.settings
        combined = np.zeros(len(self.labels)) if margins is None else settings.ngram_scale * margins
        if logits is not None:
            combined = combined + settings.head_scale * logits
        if not self.several:
            return _single(combined)
        probabilities = _sigmoid(combined + settings.offset)
        return probabilities, *self._several(probabilities)

    def _several(self, probabilities: Doubles) -> tuple[float, float]:
        """Log-odds that every label's decision is right, were they independent; distance to the nearest threshold."""
        inside = np.clip(probabilities, FLOOR, 1.0 - FLOOR)
        right = np.where(inside >= self._thresholds, inside, 1.0 - inside)
        log_all = float(np.log(right).sum())
        thresholds = np.clip(self._thresholds, FLOOR, 1.0 - FLOOR)
        distance = np.abs(np.log(inside / (1.0 - inside)) - np.log(thresholds / (1.0 - thresholds)))
        return log_all - float(np.log(max(-np.expm1(log_all), FLOOR))), float(distance.min())


# ufunc.reduce instead of the arrays' own sum and max, which take twice as long on a hundred numbers.


def _log_sum(logits: Doubles | None) -> tuple[float, float]:
    """The largest logit, and the sum of exponentials of all less the largest: at least 1."""
    if logits is None:
        return 0.0, 1.0
    largest = float(np.maximum.reduce(logits))
    return largest, float(np.add.reduce(np.exp(logits - largest)))


def _single(combined: Doubles) -> tuple[Doubles, float, float]:
    """Softmax; log-odds of the best label; its log-ratio to the second best."""
    best = int(combined.argmax())
    powers = np.exp(combined - combined[best])
    total = float(np.add.reduce(powers))
    probabilities = powers / total
    powers[best] = 0.0  # what is left are the others; taking the best from the total would round them away
    rest, second = float(np.add.reduce(powers)) / total, float(np.maximum.reduce(powers)) / total
    top = -math.log(total)
    return probabilities, top - math.log(max(rest, FLOOR)), top - math.log(max(second, FLOOR))


def _sigmoid(values: Doubles) -> Doubles:
    positive = np.exp(-np.abs(values))
    result: Doubles = np.where(values >= 0, 1.0 / (1.0 + positive), positive / (1.0 + positive))
    return result
