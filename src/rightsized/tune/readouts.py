"""Fits what lies between raw scores and s(x): the combination, thresholds, confidence and out-of-scope.

Everything here is fitted on out-of-fold raw scores, one text at a time in the arithmetic that serves.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.engines.confidence import Confidence
from rightsized.engines.outofscope import OutOfScope
from rightsized.engines.readout import Evidence, Raw, Readout, ReadoutSettings
from rightsized.tune.calibrators import fit_confidence
from rightsized.tune.combine import Doubles, combined, fit_scales
from rightsized.tune.crossfit import RawScores
from rightsized.tune.scope import Scopes, fit_scope
from rightsized.tune.training import Numbered

NO_SCOPE = OutOfScope("none", (), (), 0.0)


class Read:
    """Every training text through one read-out, out-of-fold.

    `of_row` gives the read-out that reads a row: where a text may have several labels its thresholds were chosen
    without the row's fold. Chosen with it, they would make the sets look right more often than new ones are.
    """

    def __init__(
        self,
        readout: Readout,
        raw_row: Callable[[int], Raw],
        targets: NDArray[np.bool_],
        of_row: Callable[[int], Readout],
    ) -> None:
        self.readout, self._of_row = readout, of_row
        self.evidence: list[Evidence] = [of_row(row).evidence(raw_row(row)) for row in range(len(targets))]
        self.probabilities = np.array([e.probabilities for e in self.evidence])
        self.features = np.array([e.features for e in self.evidence])
        self.right = self._right(targets)

    def _right(self, targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each answer is right: the label itself, or exactly the set of labels."""
        if self.readout.several:
            limits = np.array([self._of_row(row).settings.thresholds for row in range(len(targets))])
            answered = self.probabilities >= limits
            return np.asarray((answered == targets).all(axis=1))
        return np.asarray(targets[np.arange(len(targets)), self.probabilities.argmax(axis=1)])

    def finished(self, readout: Readout) -> Read:
        """The same evidence under the final read-out (calibrators leave evidence as it is)."""
        self.readout = readout
        return self

    @property
    def scores(self) -> Doubles:
        outside = self.outside
        return np.array([self.readout.score(e, o) for e, o in zip(self.evidence, outside.tolist(), strict=True)])

    @property
    def outside(self) -> Doubles:
        scope = self.readout.settings.out_of_scope
        return np.array([scope.value(e.statistics) for e in self.evidence])

    @property
    def labels(self) -> list[tuple[str, ...]]:
        return [self._of_row(row).chosen(e.probabilities) for row, e in enumerate(self.evidence)]


def fit_readouts(numbered: Numbered, scores: RawScores, folds: NDArray[np.intp], scopes: Scopes) -> tuple[Read, Read]:
    """Out-of-fold readings of the n-gram rung and the encoder rung, with their fitted read-outs."""
    several = numbered.multi_label
    ngram, head = fit_scales(scores.margins, scores.logits, numbered.targets, several)
    read = []
    for scales, raw_row, chosen in ((ngram, scores.ngram_row, scopes.ngram), (head, scores.head_row, scopes.head)):
        probabilities = combined(scales, scores.margins, scores.logits, several)
        thresholds = fit_thresholds(probabilities, numbered.targets) if several else ()
        settings = ReadoutSettings(scales.ngram, scales.head, Confidence(), NO_SCOPE, scales.offset, thresholds)
        whole = Readout(numbered.labels, settings)
        own = _without_fold(whole, probabilities, numbered.targets, folds) if several else {}
        first = Read(whole, raw_row, numbered.targets, _reader(own, whole, folds))
        fitted = msgspec.structs.replace(
            settings,
            confidence=fit_confidence(first.features, first.right, folds),
            out_of_scope=fit_scope(chosen, [e.statistics for e in first.evidence]),
        )
        read.append(first.finished(Readout(numbered.labels, fitted)))
    return read[0], read[1]


def _without_fold(
    whole: Readout, predicted: Doubles, targets: NDArray[np.bool_], folds: NDArray[np.intp]
) -> dict[int, Readout]:
    """For each fold the read-out with thresholds chosen on the others."""
    chosen = {int(fold): fit_thresholds(predicted[folds != fold], targets[folds != fold]) for fold in np.unique(folds)}
    return {
        fold: Readout(whole.labels, msgspec.structs.replace(whole.settings, thresholds=thresholds))
        for fold, thresholds in chosen.items()
    }


def _reader(own: dict[int, Readout], whole: Readout, folds: NDArray[np.intp]) -> Callable[[int], Readout]:
    return lambda row: own.get(int(folds[row]), whole)


def fit_thresholds(predicted: Doubles, targets: NDArray[np.bool_]) -> tuple[float, ...]:
    """For each label the threshold with the best F1 out-of-fold, drawn towards 0.5 where the label is rare."""
    grid = np.arange(0.2, 0.81, 0.05)
    chosen = []
    for column in range(targets.shape[1]):
        answered = predicted[:, column, None] >= grid
        right = (answered & targets[:, column, None]).sum(axis=0)
        f1 = 2.0 * right / np.maximum(answered.sum(axis=0) + targets[:, column].sum(), 1)
        penalty = 0.2 * np.abs(grid - 0.5) / np.sqrt(max(int(targets[:, column].sum()), 1))
        chosen.append(float(round(grid[int((f1 - penalty).argmax())], 2)))
    return tuple(chosen)
