"""Fits a classifier: hyperparameters, out-of-fold scores, calibration, and the final models on all rows.

Selection and score calibration use out-of-fold predictions on the training rows only; calibration labels are never
seen here. The certificate is earned elsewhere (`cascade`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.classifier import Classifier, ClassifierSettings
from rightsized.engines.readout import Readout
from rightsized.tune.crossfit import Choices, RawScores, cross_fit, fit_models
from rightsized.tune.ngrams import NgramTable
from rightsized.tune.readouts import fit_readouts, raw_row, right_rows
from rightsized.tune.training import FitOptions, Numbered, TrainingData, assign_folds, number, rare_labels

MANY = 2_000  # from this many texts on, 5 folds; below, 10
LABELS = tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """A classifier and its out-of-fold results. Columns and pairs stand for (n-gram rung, encoder rung).

    `oof_scores` float64 (n, 2): s(x); `oof_correct` bool (n, 2); `oof_predicted`: the labels answered, a pair a row;
    `oof_probabilities` float32 (n, labels) of the encoder rung; `oof_out_of_scope` float64 (n, 2).
    """

    classifier: Classifier
    oof_scores: NDArray[np.float64]
    oof_correct: NDArray[np.bool_]
    oof_predicted: list[tuple[LABELS, LABELS]]
    oof_probabilities: NDArray[np.float32]
    oof_out_of_scope: NDArray[np.float64]
    folds: NDArray[np.intp]
    chosen: dict[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    cpu_seconds: float = 0.0


def fit_classifier(data: TrainingData, options: FitOptions | None = None, previous: Classifier | None = None) -> Fitted:
    """Fit both rungs and their score calibrators.

    Args:
        data: texts, labels and the vectors of the encoder that will serve.
        options: seed, several labels or one, folds, progress.
        previous: a classifier fitted before on nearly the same rows; its choices are kept and its head is the start.
    Raises:
        DataError: the rows cannot be learned from; says which and why.
    """
    options = options or FitOptions()
    started = time.process_time()
    numbered = number(data, options)
    options.progress("counting n-grams", 0, 1)
    table = NgramTable(numbered.texts, options.spec)
    folds = assign_folds(numbered, options.folds or (5 if numbered.size >= MANY else 10), options.seed)
    choices = Choices()
    scores = cross_fit(numbered, table, folds, choices, options.progress)
    options.progress("calibrating", 0, 1)
    readouts = fit_readouts(numbered, scores, folds)
    options.progress("final fit", 0, 1)
    start = previous.head if previous is not None and previous.labels == numbered.labels else None
    models = fit_models(numbered, table, np.arange(numbered.size), choices, start)
    settings = ClassifierSettings(
        labels=numbered.labels,
        multi_label=numbered.multi_label,
        encoder=data.encoder,
        spec=options.spec,
        ngram=readouts[0].settings,
        head=readouts[1].settings,
    )
    classifier = Classifier(settings, models.ngram, models.head, models.bank)
    chosen = {
        "head C": f"{choices.head_strength:g}",
        "n-gram C": f"{choices.ngram_strength:g}",
        "n-gram share": f"{settings.head.ngram_share:g}",
        "confidence": f"{settings.ngram.confidence.kind}, {settings.head.confidence.kind}",
    }
    ngram, head = (_read_all(r, numbered, scores) for r in (classifier.ngram_readout, classifier.head_readout))
    return Fitted(
        classifier,
        oof_scores=np.stack([ngram.scores, head.scores], axis=1),
        oof_correct=np.stack([ngram.right, head.right], axis=1),
        oof_predicted=list(zip(ngram.labels, head.labels, strict=True)),
        oof_probabilities=head.probabilities.astype(np.float32),
        oof_out_of_scope=np.stack([ngram.outside, head.outside], axis=1),
        folds=folds,
        chosen=chosen,
        findings=tuple(f"Label {label!r} stands on one text only." for label in rare_labels(numbered)),
        cpu_seconds=time.process_time() - started,
    )


@dataclass(frozen=True)
class _Read:
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    outside: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    labels: list[LABELS]


def _read_all(readout: Readout, numbered: Numbered, scores: RawScores) -> _Read:
    settings = readout.settings
    evidence = [readout.evidence(raw_row(readout, scores, row)) for row in range(numbered.size)]
    probabilities = np.array([e.probabilities for e in evidence])
    return _Read(
        np.array([settings.confidence.score(e.features) for e in evidence]),
        right_rows(readout, probabilities, numbered.targets),
        np.array([settings.out_of_scope.value(e.statistics) for e in evidence]),
        probabilities,
        [readout.chosen(e.probabilities) for e in evidence],
    )
