"""Out-of-fold raw scores: each text is scored by models that never saw it, in the arithmetic that serves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Progress
from rightsized.engines.linear import Floats, LinearHead, Margins, NgramModel
from rightsized.engines.outofscope import NeighbourBank
from rightsized.engines.readout import Raw
from rightsized.tune.heads import fit_head
from rightsized.tune.ngrams import NgramTable
from rightsized.tune.training import Numbered

BANK_ROWS = 2048  # training vectors kept for the nearest-neighbour cosine: 0.1 ms a text


@dataclass(frozen=True)
class Choices:
    """Hyperparameters of both models; strengths are scikit-learn's C, the inverse of regularisation."""

    ngram_strength: float = 1.0
    head_strength: float = 10.0
    balanced: bool = False


@dataclass(frozen=True)
class Models:
    """One fit of both models on the same rows."""

    ngram: NgramModel
    head: LinearHead
    bank: NeighbourBank


@dataclass(frozen=True)
class RawScores:
    """Raw scores of n texts: float32 (n, labels) twice; float64 (n,); float64 (n,); bool (n,) text was cut."""

    margins: Floats
    logits: Floats
    unknown: NDArray[np.float64]
    nearest: NDArray[np.float64]
    truncated: NDArray[np.bool_]

    def row(self, i: int) -> Raw:
        """One text's scores as the encoder rung reads them."""
        return Raw(self.margins_of(i), self.logits[i], float(self.nearest[i]))

    def margins_of(self, i: int) -> Margins:
        return Margins(self.margins[i], float(self.unknown[i]), bool(self.truncated[i]))


def fit_models(
    numbered: Numbered, table: NgramTable, rows: NDArray[np.intp], choices: Choices, start: LinearHead | None = None
) -> Models:
    """Fit both models on these rows."""
    targets, vectors = numbered.targets[rows], numbered.vectors[rows]
    ngram = table.fit(rows, targets, C=choices.ngram_strength, balanced=choices.balanced)
    head = fit_head(
        vectors,
        targets,
        C=choices.head_strength,
        balanced=choices.balanced,
        multi_label=numbered.multi_label,
        start=start,
    )
    return Models(ngram, head, NeighbourBank.of(vectors[_spread(len(rows))]))


def _spread(count: int) -> NDArray[np.intp]:
    """At most BANK_ROWS positions, evenly spread."""
    if count <= BANK_ROWS:
        return np.arange(count)
    return np.linspace(0, count - 1, BANK_ROWS).astype(np.intp)


def score_rows(models: Models, numbered: Numbered, rows: NDArray[np.intp], into: RawScores) -> None:
    """Score these rows one at a time and write the results into `into`."""
    for row in rows.tolist():
        margins = models.ngram.margins(numbered.texts[row])
        vector = numbered.vectors[row]
        into.margins[row], into.unknown[row], into.truncated[row] = margins
        into.logits[row] = models.head.logits(vector)
        into.nearest[row] = models.bank.nearest(vector)


def empty_scores(count: int, labels: int) -> RawScores:
    """Room for the raw scores of `count` texts."""
    shape = (count, labels)
    return RawScores(
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(count),
        np.zeros(count),
        np.zeros(count, bool),
    )


def cross_fit(
    numbered: Numbered, table: NgramTable, folds: NDArray[np.intp], choices: Choices, progress: Progress
) -> RawScores:
    """Out-of-fold raw scores of every row."""
    scores = empty_scores(numbered.size, len(numbered.labels))
    count = int(folds.max()) + 1
    for fold in range(count):
        progress("cross-fitting", fold, count)
        models = fit_models(numbered, table, np.flatnonzero(folds != fold), choices)
        score_rows(models, numbered, np.flatnonzero(folds == fold), scores)
    progress("cross-fitting", count, count)
    return scores
