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
from rightsized.tune.crossfit import Bench, Choices, cross_fit
from rightsized.tune.readouts import fit_readouts
from rightsized.tune.scope import choose_scopes
from rightsized.tune.search import search
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
    tried: dict[str, float] = field(default_factory=dict)
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
    options.progress("Counting n-grams", 0, 1)
    bench = Bench(numbered, options.spec, options.seed)
    folds = assign_folds(numbered, options.folds or (5 if numbered.size >= MANY else 10), options.seed)
    choices, losses = search(bench, folds, options.progress)
    scores = cross_fit(bench, folds, choices, options.progress)
    scopes = choose_scopes(bench, folds, choices, options.progress)
    options.progress("Calibrating", 0, 1)
    ngram, head, remarks = fit_readouts(numbered, scores, folds, scopes)
    options.progress("Final fit", 0, 1)
    rows = np.arange(numbered.size)
    settings = ClassifierSettings(
        labels=numbered.labels,
        multi_label=numbered.multi_label,
        encoder=data.encoder,
        spec=options.spec,
        ngram=ngram.readout.settings,
        head=head.readout.settings,
    )
    models = bench.fit_ngram(rows, choices), bench.head_fitter(rows, choices).fit(choices.head)
    return Fitted(
        Classifier(settings, *models),
        oof_scores=np.stack([ngram.scores, head.scores], axis=1),
        oof_correct=np.stack([ngram.right, head.right], axis=1),
        oof_predicted=list(zip(ngram.labels, head.labels, strict=True)),
        oof_probabilities=head.probabilities.astype(np.float32),
        oof_out_of_scope=np.stack([ngram.outside, head.outside], axis=1),
        folds=folds,
        chosen=_described(choices, settings),
        tried=losses | scopes.auroc,
        findings=_findings(numbered) + remarks,
        cpu_seconds=time.process_time() - started,
    )


def _described(choices: Choices, settings: ClassifierSettings) -> dict[str, str]:
    head, ngram = settings.head, settings.ngram
    return {
        "head C": f"{choices.head.strength:g}",
        "head features": "vector and kernel" if choices.head.kernel else "vector",
        "label names as examples": "yes" if choices.label_names else "no",
        "balanced weights": "yes" if choices.head.balanced else "no",
        "n-gram C": f"{choices.ngram_strength:g}",
        "scale of n-gram margins and head logits": f"{head.ngram_scale:.3g}, {head.head_scale:.3g}",
        "score calibrators": f"{ngram.confidence.kind}, {head.confidence.kind}",
        "out-of-scope statistics": f"{ngram.out_of_scope.statistic}, {head.out_of_scope.statistic}",
    }


def _findings(numbered: Numbered) -> tuple[str, ...]:
    return tuple(
        f"The label {label!r} stands on a single text: it is learned, but never measured out-of-fold."
        for label in rare_labels(numbered)
    )
