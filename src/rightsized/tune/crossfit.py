"""Out-of-fold raw scores: each text is scored by models that never saw it, in the arithmetic that serves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Progress
from rightsized.engines.linear import Floats, LinearHead
from rightsized.engines.ngrams import Margins, NgramModel, NgramSpec
from rightsized.engines.readout import Raw
from rightsized.tune.heads import HeadChoice, HeadFitter
from rightsized.tune.ngrams import NgramTable
from rightsized.tune.training import Numbered, label_words


@dataclass(frozen=True)
class Choices:
    """Hyperparameters of both models. `ngram_strength` is scikit-learn's C, the inverse of regularisation."""

    head: HeadChoice = field(default_factory=HeadChoice)
    ngram_strength: float = 1.0
    label_names: bool = False


@dataclass(frozen=True)
class RawScores:
    """Raw scores of n texts: float32 (n, labels) twice; float64 (n,); float64 (n,); bool (n,) text was cut."""

    margins: Floats
    logits: Floats
    unknown: NDArray[np.float64]
    nearest: NDArray[np.float64]
    truncated: NDArray[np.bool_]

    @classmethod
    def empty(cls, count: int, labels: int) -> RawScores:
        """Room for `count` texts."""
        shape = (count, labels)
        zeros = np.zeros(count)
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float32), zeros, zeros.copy(), np.zeros(count, bool))

    def ngram_row(self, i: int) -> Raw:
        """One text's scores as the n-gram rung reads them."""
        return Raw(Margins(self.margins[i], float(self.unknown[i]), bool(self.truncated[i])))

    def head_row(self, i: int) -> Raw:
        """One text's scores as the encoder rung reads them."""
        return Raw(self.ngram_row(i).margins, self.logits[i], float(self.nearest[i]))

    def copy_ngram(self, of: RawScores, rows: NDArray[np.intp]) -> None:
        """Take over what the n-gram model said of these rows."""
        self.margins[rows], self.unknown[rows] = of.margins[rows], of.unknown[rows]
        self.truncated[rows] = of.truncated[rows]

    def take(self, rows: NDArray[np.intp]) -> RawScores:
        """The scores of these rows."""
        return RawScores(
            self.margins[rows], self.logits[rows], self.unknown[rows], self.nearest[rows], self.truncated[rows]
        )


class Bench:
    """The data with its n-grams counted, ready to fit both models on any part of the rows."""

    def __init__(self, numbered: Numbered, spec: NgramSpec, seed: int) -> None:
        self.numbered, self.seed = numbered, seed
        names = [] if numbered.label_vectors is None else [label_words(label) for label in numbered.labels]
        self._table = NgramTable(numbered.texts + names, spec)

    def fit_ngram(self, rows: NDArray[np.intp], choices: Choices, held: NDArray[np.intp] | None = None) -> NgramModel:
        """Fit the n-gram model on these rows, and on the labels' names where chosen. `held`: all it will score."""
        rows, targets = self._with_names(rows, choices)
        strength, balanced = choices.ngram_strength, choices.head.balanced
        return self._table.fit(rows, targets, strength=strength, balanced=balanced, held=held)

    def head_fitter(self, rows: NDArray[np.intp], choices: Choices) -> HeadFitter:
        """Ready to fit heads on these rows, and on the labels' names where chosen."""
        numbered = self.numbered
        both, targets = self._with_names(rows, choices)
        vectors = numbered.vectors[both[both < numbered.size]]
        if len(both) > len(rows) and numbered.label_vectors is not None:
            vectors = np.vstack([vectors, numbered.label_vectors[both[both >= numbered.size] - numbered.size]])
        return HeadFitter(vectors, targets, multi_label=numbered.multi_label, seed=self.seed)

    def score(self, ngram: NgramModel, head: LinearHead, rows: NDArray[np.intp], into: RawScores) -> None:
        """Score these rows one at a time, as in service, and write the results into `into`."""
        self.score_ngram(ngram, rows, into)
        self.score_head(head, rows, into)

    def score_ngram(self, ngram: NgramModel, rows: NDArray[np.intp], into: RawScores) -> None:
        """The n-gram model's half of `score`."""
        for row in rows.tolist():
            into.margins[row], into.unknown[row], into.truncated[row] = ngram.margins(self.numbered.texts[row])

    def score_head(self, head: LinearHead, rows: NDArray[np.intp], into: RawScores) -> None:
        """The head's half of `score`."""
        for row in rows.tolist():
            into.logits[row], into.nearest[row] = head.logits(self.numbered.vectors[row])

    def _with_names(self, rows: NDArray[np.intp], choices: Choices) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        targets = self.numbered.targets[rows]
        if not choices.label_names or self.numbered.label_vectors is None:
            return rows, targets
        present = np.flatnonzero(targets.any(axis=0))
        own = np.eye(targets.shape[1], dtype=np.bool_)[present]
        return np.concatenate([rows, self.numbered.size + present]), np.vstack([targets, own])


def cross_fit(
    bench: Bench,
    folds: NDArray[np.intp],
    choices: Choices,
    progress: Progress,
    known: tuple[RawScores, tuple[int, ...]],
) -> RawScores:
    """Out-of-fold raw scores of every row. `known` holds scores of these choices and the folds that they cover."""
    numbered = bench.numbered
    scores, covered = known
    if not scores.nearest.size == numbered.size:
        raise ValueError("The known scores are not of these rows.")
    count = int(folds.max()) + 1
    for fold in range(count):
        progress("Cross-fitting", fold, count)
        if fold in covered:
            continue
        rows, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        ngram = bench.fit_ngram(rows, choices, held)
        head = bench.head_fitter(rows, choices).fit(choices.head)
        bench.score(ngram, head, held, scores)
    progress("Cross-fitting", count, count)
    return scores
