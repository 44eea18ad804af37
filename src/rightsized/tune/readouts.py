"""Fits what lies between raw scores and s(x): temperatures, the average, thresholds, confidence, out-of-scope.

Everything here is fitted on out-of-fold raw scores. SciPy and scikit-learn are imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.confidence import Confidence
from rightsized.engines.linear import Floats
from rightsized.engines.outofscope import OutOfScope
from rightsized.engines.readout import Raw, Readout, ReadoutSettings
from rightsized.tune.crossfit import RawScores
from rightsized.tune.training import Numbered

Doubles = NDArray[np.float64]
LOG_TEMPERATURES = (-4.0, 3.0)  # natural logarithms of the lowest and highest temperature tried
SHARES = tuple(i / 10 for i in range(8))  # parts of the n-gram model in the average
IN_SCOPE_KEPT = 0.95  # share of in-scope texts whose out-of-scope value is below 0.5
NO_SCOPE = OutOfScope("none", (), (), 0.0)


def probabilities(raw: Floats, temperature: float, multi_label: bool) -> Doubles:
    """softmax(raw / temperature) by row, or sigmoid(raw / temperature) where several labels may apply."""
    values = raw.astype(np.float64) / temperature
    if multi_label:
        return 1.0 / (1.0 + np.exp(-np.clip(values, -500, 500)))
    values = np.exp(values - values.max(axis=1, keepdims=True))
    result: Doubles = values / values.sum(axis=1, keepdims=True)
    return result


def log_loss(predicted: Doubles, targets: NDArray[np.bool_], multi_label: bool) -> float:
    """Mean negative log-likelihood; summed over labels where several may apply."""
    inside = np.clip(predicted, 1e-6, 1.0 - 1e-6 if multi_label else 1.0)
    if multi_label:
        return float(-np.where(targets, np.log(inside), np.log1p(-inside)).sum(axis=1).mean())
    return float(-np.log(inside[np.arange(len(inside)), targets.argmax(axis=1)]).mean())


def fit_temperature(raw: Floats, targets: NDArray[np.bool_], multi_label: bool) -> float:
    """The temperature with the least log-loss (Guo et al., 2017)."""
    return _least(lambda t: log_loss(probabilities(raw, t, multi_label), targets, multi_label))


def _least(loss: Callable[[float], float]) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda x: loss(float(np.exp(x))), bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 0.01}
    )
    return float(np.exp(found.x))


def fit_thresholds(predicted: Doubles, targets: NDArray[np.bool_]) -> tuple[float, ...]:
    """For each label the threshold with the best F1 out-of-fold, drawn towards 0.5 where a label is rare."""
    grid = np.arange(0.2, 0.81, 0.05)
    chosen = []
    for column in range(targets.shape[1]):
        answered = predicted[:, column, None] >= grid
        right = (answered & targets[:, column, None]).sum(axis=0)
        f1 = 2.0 * right / np.maximum(answered.sum(axis=0) + targets[:, column].sum(), 1)
        penalty = 0.2 * np.abs(grid - 0.5) / np.sqrt(max(int(targets[:, column].sum()), 1))
        chosen.append(float(round(grid[int((f1 - penalty).argmax())], 2)))
    return tuple(chosen)


def fit_readouts(numbered: Numbered, scores: RawScores, folds: NDArray[np.intp]) -> tuple[Readout, Readout]:
    """Read-outs of the n-gram rung and the encoder rung."""
    several, targets = numbered.multi_label, numbered.targets
    ngram_t = fit_temperature(scores.margins, targets, several)
    head_t = fit_temperature(scores.logits, targets, several)
    ngram_p = probabilities(scores.margins, ngram_t, several)
    head_p = probabilities(scores.logits, head_t, several)
    share = choose_share(ngram_p, head_p, targets, several)
    built = []
    for part, mixed in ((1.0, ngram_p), (share, share * ngram_p + (1.0 - share) * head_p)):
        settings = ReadoutSettings(
            ngram_share=part,
            ngram_temperature=ngram_t,
            head_temperature=head_t,
            confidence=Confidence(),
            out_of_scope=NO_SCOPE,
            thresholds=fit_thresholds(mixed, targets) if several else (),
        )
        built.append(_with_confidence(Readout(numbered.labels, settings), numbered, scores, folds))
    return built[0], built[1]


def choose_share(ngram: Doubles, head: Doubles, targets: NDArray[np.bool_], multi_label: bool) -> float:
    """The n-gram model's part of the average with the least log-loss."""
    losses = [log_loss(share * ngram + (1.0 - share) * head, targets, multi_label) for share in SHARES]
    return SHARES[int(np.argmin(losses))]


def raw_row(readout: Readout, scores: RawScores, row: int) -> Raw:
    """One text's raw scores, as the rung of this read-out is given them."""
    return Raw(scores.margins_of(row)) if readout.settings.ngram_share == 1.0 else scores.row(row)


def right_rows(readout: Readout, predicted: Doubles, targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row's answer is right: the label itself, or exactly the set of labels."""
    if readout.several:
        answered = predicted >= np.asarray(readout.settings.thresholds)
        return np.asarray((answered == targets).all(axis=1))
    return np.asarray(targets[np.arange(len(targets)), predicted.argmax(axis=1)])


def _with_confidence(readout: Readout, numbered: Numbered, scores: RawScores, folds: NDArray[np.intp]) -> Readout:
    from rightsized.tune.calibrators import fit_confidence, fit_scope

    evidence = [readout.evidence(raw_row(readout, scores, row)) for row in range(numbered.size)]
    predicted = np.array([e.probabilities for e in evidence])
    features = np.array([e.features for e in evidence])
    right = right_rows(readout, predicted, numbered.targets)
    settings = readout.settings
    replaced = ReadoutSettings(
        ngram_share=settings.ngram_share,
        ngram_temperature=settings.ngram_temperature,
        head_temperature=settings.head_temperature,
        confidence=fit_confidence(features, right, folds),
        out_of_scope=fit_scope([e.statistics for e in evidence]),
        thresholds=settings.thresholds,
    )
    return Readout(readout.labels, replaced)
