"""Chooses hyperparameters by held-out log-loss of what would be served: both models combined.

A few folds are held out, each once; nothing here sees calibration rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Progress
from rightsized.tune.combine import combined, fit_scales, log_loss
from rightsized.tune.crossfit import Bench, Choices, RawScores
from rightsized.tune.heads import HeadChoice

MANY_ROWS = 2_000  # from here on one fold is held out for the search, below three
FEW_A_LABEL = 30  # below this many texts a label (on average) the labels' names are tried as examples
UNEVEN = 5.0  # largest over median label count from which balanced weights are tried
BALANCED_GAIN = 0.01  # macro-F1 that balanced weights must gain


class Found(NamedTuple):
    """The best choices, the log-loss of each that was tried, and the scores of the best on the folds `held`."""

    choices: Choices
    losses: dict[str, float]
    scores: RawScores
    held: tuple[int, ...]


def search(bench: Bench, folds: NDArray[np.intp], progress: Progress) -> Found:
    """Try heads with and without kernel features, then the labels' names and balanced weights where they may help."""
    trial = _Trial(bench, folds, progress)
    best = trial.best(_candidates(bench), Choices())
    if bench.numbered.label_vectors is not None and _texts_a_label(bench) < FEW_A_LABEL:
        named = trial.best([best.head], replace(best, label_names=True))
        best = min((best, named), key=lambda choices: trial.losses[describe(choices)])
    if _unevenness(bench) >= UNEVEN:
        even = trial.best([replace(best.head, balanced=True)], best)
        if trial.macro_f1[describe(even)] > trial.macro_f1[describe(best)] + BALANCED_GAIN:
            best = even
    return Found(best, trial.losses, trial.scores[describe(best)], tuple(trial.held))


def _candidates(bench: Bench) -> list[HeadChoice]:
    if bench.numbered.multi_label:  # one fit a label: fewer choices
        return [HeadChoice(3.0), HeadChoice(10.0), HeadChoice(30.0), HeadChoice(10.0, kernel=True)]
    if bench.numbered.size >= MANY_ROWS:
        return [HeadChoice(10.0), HeadChoice(10.0, kernel=True), HeadChoice(30.0, kernel=True)]
    return [HeadChoice(strength, kernel) for kernel in (False, True) for strength in (10.0, 30.0, 100.0)]


def _texts_a_label(bench: Bench) -> float:
    return bench.numbered.size / len(bench.numbered.labels)


def _unevenness(bench: Bench) -> float:
    counts = bench.numbered.targets.sum(axis=0)
    return float(counts.max() / max(np.median(counts), 1.0))


def describe(choices: Choices) -> str:
    """Choices in words."""
    head = choices.head
    parts = [f"C={head.strength:g}", *(["kernel"] * head.kernel), *(["balanced"] * head.balanced)]
    return ", ".join(parts + ["label names"] * choices.label_names)


class _Trial:
    """Tries choices on the held-out folds and keeps what each achieved."""

    def __init__(self, bench: Bench, folds: NDArray[np.intp], progress: Progress) -> None:
        self.bench, self.folds, self.progress = bench, folds, progress
        self.held = range(1 if bench.numbered.size >= MANY_ROWS else min(3, int(folds.max()) + 1))
        self.scores: dict[str, RawScores] = {}
        self.losses: dict[str, float] = {}
        self.macro_f1: dict[str, float] = {}

    def best(self, heads: list[HeadChoice], base: Choices) -> Choices:
        """The head with the least loss, the rest as in `base`."""
        tried = [replace(base, head=head) for head in heads]
        numbered = self.bench.numbered
        scores = {describe(choices): RawScores.empty(numbered.size, len(numbered.labels)) for choices in tried}
        self.scores |= scores
        for step, fold in enumerate(self.held):
            self.progress("Choosing", step, len(self.held))
            rows, held = np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)
            first = scores[describe(tried[0])]
            self.bench.score_ngram(self.bench.fit_ngram(rows, tried[0], held), held, first)
            fitter = self.bench.head_fitter(rows, base)
            for choices in tried:
                scores[describe(choices)].copy_ngram(first, held)
                self.bench.score_head(fitter.fit(choices.head), held, scores[describe(choices)])
        rows = np.flatnonzero(np.isin(self.folds, list(self.held)))
        for choices in tried:
            self._judge(describe(choices), scores[describe(choices)].take(rows), numbered.targets[rows])
        return min(tried, key=lambda choices: self.losses[describe(choices)])

    def _judge(self, name: str, scores: RawScores, targets: NDArray[np.bool_]) -> None:
        several = self.bench.numbered.multi_label
        _, scales = fit_scales(scores.margins, scores.logits, targets, several)
        probabilities = combined(scales, scores.margins, scores.logits, several)
        self.losses[name] = log_loss(probabilities, targets, several)
        answered = probabilities >= 0.5 if several else np.eye(targets.shape[1], dtype=bool)[probabilities.argmax(1)]
        self.macro_f1[name] = macro_f1(answered, targets)


def macro_f1(answered: NDArray[np.bool_], targets: NDArray[np.bool_]) -> float:
    """Mean F1 over the labels that occur."""
    right = (answered & targets).sum(axis=0)
    total = answered.sum(axis=0) + targets.sum(axis=0)
    occurs = targets.any(axis=0)
    return float((2.0 * right / np.maximum(total, 1))[occurs].mean()) if occurs.any() else 0.0
