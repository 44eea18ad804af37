"""Fits one tier's verifier: uplift before answering, probability of being right after it.

Uplift is how much better the last tier does than this one on the same prompt, not how hard the prompt is: what neither
can answer is hard and yet no reason to move up. It is predicted as the difference of two probabilities, each fitted on
its own tier's labels; all predictions for training rows are out-of-fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.engines.fusion import DomainHead, Floats
from rightsized.engines.signals import catalogue
from rightsized.engines.signals.signal import Exchange
from rightsized.engines.verifier import Features, Verifier, VerifierSettings
from rightsized.tune.verifier import FittedHead, Rows, fit_head, make_folds

OF_SAMPLES = ("likeness",)  # signals left out where no row has further samples to read
DOMAIN_STRENGTH = 1.0  # inverse of regularisation of the domain recogniser; domains are easy to tell apart
DOMAIN_STEPS = 60  # steps of its fit: the last digits of a likeness change nothing


@dataclass(frozen=True, eq=False)
class Labelled:
    """Exchanges of one tier with labels, row by row.

    Args:
        exchanges: prompt and this tier's answer (empty where only the prompt is known).
        right: float64 (n,) in [0, 1]: this tier's answer is right, or its score.
        last_right: the same of the last tier's answer, NaN where it is not known; None where there is no bigger tier.
        vectors: float32 (n, dimension) of the prompts, or None without an encoder.
        domains: a declared domain a row, or empty: it teaches to tell domains apart; serving needs none.
        groups: conversation of each row, or empty; folds keep them whole.
    """

    exchanges: Sequence[Exchange]
    right: Floats
    last_right: Floats | None = None
    vectors: NDArray[np.float32] | None = None
    domains: Sequence[str] = ()
    groups: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class FittedVerifier:
    """A verifier, and its out-of-fold predictions for the training rows, float64 (n,) each.

    `after` is the probability of being right given the answer, `own` the same from the prompt alone, `better` that of
    the last tier (NaN where its label was not known); `uplift` = better - own.
    """

    verifier: Verifier
    after: Floats
    own: Floats
    better: Floats | None
    folds: Rows

    def first(self, count: int) -> FittedVerifier:
        """The same with the predictions of the first `count` rows alone."""
        better = self.better[:count] if self.better is not None else None
        return FittedVerifier(self.verifier, self.after[:count], self.own[:count], better, self.folds[:count])

    @property
    def uplift(self) -> Floats:
        """Expected gain of the last tier over this one, in [-1, 1]; nought where there is no bigger tier."""
        return self.better - self.own if self.better is not None else np.zeros(len(self.own))


@dataclass(frozen=True, eq=False)
class Rowed:
    """Features of all rows: `prompt` float64 (n, p), `answer` float64 (n, a + p), and the domains' recogniser."""

    features: Features
    prompt: Floats
    answer: Floats
    tree_prompt: Rows
    tree_answer: Rows


def rows_of(data: Labelled, seed: int = 0) -> Rowed:
    """Turn texts into rows, by the very code that serves."""
    domains, likeness = _domains(data, seed)
    sampled = any(exchange.samples for exchange in data.exchanges)
    answered = [signal for signal in catalogue.of_side("answer") if sampled or signal.name not in OF_SAMPLES]
    features = Features(catalogue.names(catalogue.of_side("prompt")), catalogue.names(answered), domains)
    vectors: list[Any] = [None] * len(data.exchanges) if data.vectors is None else list(data.vectors)
    prompt = np.stack([features.prompt_row(e.prompt, v) for e, v in zip(data.exchanges, vectors, strict=True)])
    wide = likeness.shape[1]
    if wide:  # what the recogniser says of rows it was not fitted on, as in service
        prompt[:, -wide:] = likeness
    answer = np.stack([features.answer_row(e, row) for e, row in zip(data.exchanges, prompt, strict=True)])
    signals, vector = len(features.prompt_features), 0 if data.vectors is None else data.vectors.shape[1]
    kept = np.concatenate([np.arange(signals), np.arange(signals + vector, prompt.shape[1])])
    ahead = len(features.answer_features)
    return Rowed(features, prompt, answer, kept, np.concatenate([np.arange(ahead), ahead + kept]))


def fit_verifier(
    data: Labelled, tier: str, encoder: Encoder | None = None, *, seed: int = 0, progress: Progress = no_progress
) -> FittedVerifier:
    """Fit the heads of one tier.

    Raises:
        DataError: too few rows, or shapes that do not fit.
    """
    if len(data.exchanges) < 2 or len(data.exchanges) != len(data.right):
        raise DataError(f"{len(data.exchanges)} exchanges with {len(data.right)} labels cannot train a verifier.")
    rowed, folds = rows_of(data, seed), make_folds(len(data.right), seed, data.groups)

    def told(stage: str, done: int, total: int) -> None:
        progress(f"{stage} {tier}", done, total)

    own = fit_head(rowed.prompt, data.right, folds, tree_columns=rowed.tree_prompt, seed=seed)
    if any(exchange.answer for exchange in data.exchanges):
        after = fit_head(rowed.answer, data.right, folds, tree_columns=rowed.tree_answer, seed=seed, progress=told)
    else:  # nothing to read but the prompt
        after = FittedHead(own.head.behind(len(rowed.features.answer_features)), own.out_of_fold)
    better: FittedHead | None = None
    told_of_last: Floats | None = None
    if data.last_right is not None:
        known = ~np.isnan(data.last_right)
        better = fit_head(
            rowed.prompt[known], data.last_right[known], folds[known], tree_columns=rowed.tree_prompt, seed=seed
        )
        told_of_last = np.full(len(known), np.nan)
        told_of_last[known] = better.out_of_fold
    settings = VerifierSettings(
        tier=tier,
        prompt_features=rowed.features.prompt_features,
        answer_features=rowed.features.answer_features,
        encoder=encoder.digest if encoder is not None and data.vectors is not None else "",
        domains=tuple(sorted({d for d in data.domains if d})) if rowed.features.domains else (),
        after=after.head.settings,
        own=own.head.settings,
        better=better.head.settings if better else None,
    )
    verifier = Verifier(settings, rowed.features, after.head, own.head, better.head if better else None, encoder)
    return FittedVerifier(verifier, after.out_of_fold, own.out_of_fold, told_of_last, folds)


def _domains(data: Labelled, seed: int) -> tuple[DomainHead | None, Floats]:
    """The recogniser of declared domains, and its out-of-fold probabilities (n, domains); nothing without domains."""
    known = sorted({domain for domain in data.domains if domain})
    if len(known) < 2 or data.vectors is None or len(data.domains) != len(data.exchanges):
        return None, np.zeros((len(data.exchanges), 0))
    labels = np.array([known.index(domain) if domain else -1 for domain in data.domains])
    vectors = data.vectors.astype(np.float64)
    folds, likeness = make_folds(len(labels), seed, data.groups), np.empty((len(labels), len(known)))
    for fold in np.unique(folds):
        held = folds == fold
        head = _recogniser(vectors, labels, len(known), ~held & (labels >= 0))
        likeness[held] = [head.probabilities(vector) for vector in vectors[held]]
    return _recogniser(vectors, labels, len(known), labels >= 0), likeness


def _recogniser(vectors: Floats, labels: NDArray[Any], count: int, rows: NDArray[np.bool_]) -> DomainHead:
    from sklearn.linear_model import LogisticRegression

    weights, bias = np.zeros((count, vectors.shape[1])), np.full(count, -30.0)
    present = np.unique(labels[rows])
    if len(present) == 1:
        bias[present] = 0.0
        return DomainHead(weights, bias)
    model: Any = LogisticRegression(C=DOMAIN_STRENGTH, max_iter=DOMAIN_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # steps ran out
        model.fit(vectors[rows], labels[rows])
    if len(present) == 2:
        weights[present[1]], bias[present] = model.coef_[0], (0.0, model.intercept_[0])
    else:
        weights[present], bias[present] = model.coef_, model.intercept_
    return DomainHead(weights, bias)
