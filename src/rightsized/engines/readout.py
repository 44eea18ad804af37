"""From raw scores of the two models to a prediction, its calibrated score and its out-of-scope value.

One text at a time, in the same arithmetic while fitting and while serving. Knows no files and no encoder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Scored
from rightsized.core.types import Frozen, LabelScore, Prediction
from rightsized.engines.confidence import Confidence
from rightsized.engines.linear import Floats, Margins
from rightsized.engines.outofscope import OutOfScope, discounted, energy

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
    """Combined probabilities float64 (labels,); features float64 (6,); statistics for out-of-scope."""

    probabilities: NDArray[np.float64]
    features: NDArray[np.float64]
    statistics: dict[str, float]


class Readout:
    """Turns raw scores into a `Scored`."""

    def __init__(self, labels: tuple[str, ...], settings: ReadoutSettings) -> None:
        self.labels, self.settings = labels, settings
        self.several = bool(settings.thresholds)
        self._thresholds = np.asarray(settings.thresholds, dtype=np.float64)
        self._offsets = np.full(len(labels), settings.offset, dtype=np.float64)

    def evidence(self, raw: Raw) -> Evidence:
        """Probabilities and features of one text."""
        probabilities = self._probabilities(raw)
        statistics = _statistics(raw, probabilities)
        log_odds, margin = self._several(probabilities) if self.several else _single(probabilities)
        agree = 0.0
        if raw.logits is not None and raw.margins is not None:
            agree = float(int(raw.margins.values.argmax()) == int(raw.logits.argmax()))
        named = (log_odds, margin, statistics["energy"], statistics["nearest"], statistics["unknown"], agree)
        return Evidence(probabilities, np.array(named, dtype=np.float64), statistics)

    def read(self, raw: Raw, truncated: bool = False) -> Scored:
        """Prediction and score of one text."""
        evidence = self.evidence(raw)
        outside = self.settings.out_of_scope.value(evidence.statistics)
        return Scored(self.prediction(evidence.probabilities, outside), self.score(evidence, outside), truncated)

    def score(self, evidence: Evidence, outside: float) -> float:
        """s(x): the probability that the answer is right, discounted where the text lies outside all scope."""
        return discounted(self.settings.confidence.score(evidence.features), outside, self.settings.out_of_scope.limit)

    def prediction(self, probabilities: NDArray[np.float64], outside: float) -> Prediction:
        """The prediction that these probabilities float64 (labels,) stand for."""
        order = np.argsort(-probabilities, kind="stable")
        shown = tuple(LabelScore(self.labels[i], float(probabilities[i])) for i in order[:SHOWN].tolist())
        labels = self.chosen(probabilities)
        return Prediction(self.labels[int(order[0])], labels, shown, outside)

    def chosen(self, probabilities: NDArray[np.float64]) -> tuple[str, ...]:
        """The labels answered: the best one, or all that clear their thresholds, in the order of the label list."""
        if not self.several:
            return (self.labels[int(probabilities.argmax())],)
        return tuple(self.labels[i] for i in np.flatnonzero(probabilities >= self._thresholds).tolist())

    def _probabilities(self, raw: Raw) -> NDArray[np.float64]:
        settings = self.settings
        combined = self._offsets.copy()
        if raw.margins is not None:
            combined += settings.ngram_scale * raw.margins.values.astype(np.float64)
        if raw.logits is not None:
            combined += settings.head_scale * raw.logits.astype(np.float64)
        if self.several:
            return _sigmoid(combined)
        powers = np.exp(combined - combined.max())
        probabilities: NDArray[np.float64] = powers / powers.sum()
        return probabilities

    def _several(self, probabilities: NDArray[np.float64]) -> tuple[float, float]:
        """Log-odds that every label's decision is right, were they independent; distance to the nearest threshold."""
        inside = np.clip(probabilities, FLOOR, 1.0 - FLOOR)
        right = np.where(inside >= self._thresholds, inside, 1.0 - inside)
        log_all = float(np.log(right).sum())
        thresholds = np.clip(self._thresholds, FLOOR, 1.0 - FLOOR)
        distance = np.abs(np.log(inside / (1.0 - inside)) - np.log(thresholds / (1.0 - thresholds)))
        return log_all - float(np.log(max(-np.expm1(log_all), FLOOR))), float(distance.min())


def _statistics(raw: Raw, probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Statistics for out-of-scope; the first two from the unscaled logits of the rung's best model."""
    logits = raw.logits if raw.logits is not None else raw.margins.values if raw.margins is not None else None
    values = np.zeros(1, dtype=np.float32) if logits is None else logits
    unscaled = np.exp(values.astype(np.float64) - float(values.max()))
    return {
        "energy": energy(values),
        "softmax": float(unscaled.max() / unscaled.sum()),
        "probability": float(probabilities.max()),
        "nearest": raw.nearest,
        "unknown": raw.margins.unknown if raw.margins is not None else 0.0,
    }


def _single(probabilities: NDArray[np.float64]) -> tuple[float, float]:
    """Log-odds of the best label, and its log-ratio to the second best."""
    if len(probabilities) == 1:
        return float(-np.log(FLOOR)), float(-np.log(FLOOR))
    best = int(probabilities.argmax())
    others = np.concatenate((probabilities[:best], probabilities[best + 1 :]))  # np.delete takes four times as long
    top = max(float(probabilities[best]), FLOOR)
    rest, second = max(float(others.sum()), FLOOR), max(float(others.max()), FLOOR)
    return float(np.log(top) - np.log(rest)), float(np.log(top) - np.log(second))


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = np.exp(-np.abs(values))
    result: NDArray[np.float64] = np.where(values >= 0, 1.0 / (1.0 + positive), positive / (1.0 + positive))
    return result
