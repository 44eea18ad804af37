"""Fits a classifier: hyperparameters, out-of-fold scores, calibration, and the final models on all rows.

Selection and score calibration use out-of-fold predictions on the training rows only; calibration labels are never
seen here. The certificate is earned elsewhere (`cascade`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.classifier import Classifier, ClassifierSettings
from rightsized.tune.crossfit import Bench, Choices, RawScores, cross_fit
from rightsized.tune.ngrams import suited
from rightsized.tune.previous import Previous, carried_over, keys_of, texts_of
from rightsized.tune.readouts import fit_readouts
from rightsized.tune.scope import Scopes, choose_scopes
from rightsized.tune.search import search
from rightsized.tune.training import FitOptions, Numbered, TrainingData, assign_folds, number, rare_labels

MANY = 2_000  # from this many texts on, 5 folds; below, 10
LABELS = tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """A classifier and its out-of-fold results. Columns and pairs stand for (n-gram rung, encoder rung).

    `oof_scores` float64 (n, 2): s(x); `oof_correct` bool (n, 2); `oof_predicted`: the labels answered, a pair a row;
    `oof_probabilities` float32 (n, labels) of the encoder rung; `oof_out_of_scope` float64 (n, 2). `chosen` says
    in words what was chosen, `tried` the log-loss of each choice and the AUROC of each out-of-scope statistic.
    """

    classifier: Classifier
    oof_scores: NDArray[np.float64]
    oof_correct: NDArray[np.bool_]
    oof_predicted: list[tuple[LABELS, LABELS]]
    oof_probabilities: NDArray[np.float32]
    oof_out_of_scope: NDArray[np.float64]
    folds: NDArray[np.intp]
    left: Previous
    chosen: dict[str, str] = field(default_factory=dict)
    tried: dict[str, float] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    cpu_seconds: float = 0.0

    def save(self, folder: Path) -> None:
        """Write the classifier, and what the next fit may start from."""
        self.left.save(folder)


def fit_classifier(data: TrainingData, options: FitOptions | None = None, previous: Previous | None = None) -> Fitted:
    """Fit both rungs and their score calibrators.

    Args:
        data: texts, labels and the vectors of the encoder that will serve.
        options: seed, several labels or one, folds, progress.
        previous: what a fit on nearly the same rows left (`Previous.open(folder)`); its choices and its out-of-fold
            scores are kept. Where more than a tenth of the rows or any label is new, it is passed over.
    Raises:
        DataError: the rows cannot be learned from; says which and why.
    """
    options = options or FitOptions()
    started = time.process_time()
    numbered = number(data, options)
    options.progress("Counting n-grams", 0, 1)
    spec = suited(options.spec, numbered.texts)
    bench = Bench(numbered, spec, options.seed)
    held_out = _from_previous(previous, bench, data, options) or _in_full(bench, options)
    options.progress("Calibrating", 0, 1)
    ngram, head = fit_readouts(numbered, held_out.scores, held_out.folds, held_out.scopes)
    options.progress("Final fit", 0, 1)
    rows, choices = np.arange(numbered.size), held_out.choices
    settings = ClassifierSettings(
        labels=numbered.labels,
        multi_label=numbered.multi_label,
        encoder=data.encoder,
        spec=spec,
        ngram=ngram.readout.settings,
        head=head.readout.settings,
    )
    if previous is not None and held_out.same:
        models = previous.classifier.ngram_model, previous.classifier.head
    else:
        models = bench.fit_ngram(rows, choices), bench.head_fitter(rows, choices).fit(choices.head)
    classifier = Classifier(settings, *models)
    return Fitted(
        classifier,
        oof_scores=np.stack([ngram.scores, head.scores], axis=1),
        oof_correct=np.stack([ngram.right, head.right], axis=1),
        oof_predicted=list(zip(ngram.labels, head.labels, strict=True)),
        oof_probabilities=head.probabilities.astype(np.float32),
        oof_out_of_scope=np.stack([ngram.outside, head.outside], axis=1),
        folds=held_out.folds,
        left=Previous(
            classifier,
            choices,
            keys_of(numbered),
            held_out.scores,
            held_out.folds,
            texts_of(numbered),
            held_out.since,
        ),
        chosen=_described(choices, settings),
        tried=held_out.tried,
        findings=_findings(numbered),
        cpu_seconds=time.process_time() - started,
    )


@dataclass(frozen=True)
class _HeldOut:
    """Out-of-fold scores, and what was chosen on them; `same` and `since` as in `Carried`."""

    choices: Choices
    scores: RawScores
    folds: NDArray[np.intp]
    scopes: Scopes
    tried: dict[str, float]
    same: bool = False
    since: int = 0


def _in_full(bench: Bench, options: FitOptions) -> _HeldOut:
    folds = assign_folds(bench.numbered, options.folds or (5 if bench.numbered.size >= MANY else 10), options.seed)
    found = search(bench, folds, options.progress)
    scores = cross_fit(bench, folds, found.choices, options.progress, (found.scores, found.held))
    scopes = choose_scopes(bench, folds, found.choices, options.progress)
    return _HeldOut(found.choices, scores, folds, scopes, found.losses | scopes.auroc)


def _from_previous(previous: Previous | None, bench: Bench, data: TrainingData, options: FitOptions) -> _HeldOut | None:
    kept = carried_over(previous, bench.numbered, data, options)
    if previous is None or kept is None:
        return None
    settings, choices = previous.classifier.settings, previous.choices
    scopes = Scopes(settings.ngram.out_of_scope.statistic, settings.head.out_of_scope.statistic)
    scores = kept.scores
    if kept.new and options.recheck:
        anew = _first_folds(kept.folds, options.recheck)
        others = set(range(int(kept.folds.max()) + 1)) - anew
        scores = cross_fit(bench, kept.folds, choices, options.progress, (scores, tuple(others)))
    return _HeldOut(choices, scores, kept.folds, scopes, {}, kept.same, kept.since)


def _first_folds(folds: NDArray[np.intp], rows: int) -> set[int]:
    """The first folds that hold so many rows. Always the first: what they are compared with was scored anew as well."""
    enough = int(np.searchsorted(np.bincount(folds).cumsum(), rows)) + 1
    return set(range(min(enough, int(folds.max()) + 1)))


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
