"""Fits the n-gram model: counts once, then a linear SVM on any part of the rows.

Vocabulary and document frequencies come from the rows fitted on only, so that a held-out text brings nothing of itself.
scikit-learn and SciPy are imported inside functions.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rightsized.engines.linear import Floats, NgramModel, NgramSpec, grams

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_FEATURES = 100_000  # int8 weights: 100 KB a label
ONCE_IS_ENOUGH = 2_000  # below this many texts an n-gram seen in one text is kept
ABSENT = -10.0  # margin of a label that the rows fitted on do not have


class NgramTable:
    """The n-gram counts of all texts, as a sparse matrix (n, n-grams)."""

    def __init__(self, texts: list[str], spec: NgramSpec) -> None:
        from scipy.sparse import csr_matrix

        numbers: dict[str, int] = {}
        columns: list[int] = []
        counts: list[int] = []
        starts = [0]
        for text in texts:
            for gram, count in Counter(grams(text, spec)).items():
                columns.append(numbers.setdefault(gram, len(numbers)))
                counts.append(count)
            starts.append(len(columns))
        self.spec = spec
        self.vocabulary = np.array(list(numbers), dtype=object)
        values = np.log(np.asarray(counts, dtype=np.float32)) + np.float32(1.0)
        self.counts: csr_matrix = csr_matrix(
            (values, np.asarray(columns, dtype=np.int32), np.asarray(starts)), shape=(len(texts), len(numbers))
        )

    def fit(self, rows: NDArray[np.intp], targets: NDArray[np.bool_], *, strength: float, balanced: bool) -> NgramModel:
        """A linear SVM, one label against the rest, on these rows.

        Args:
            rows: int (m,) rows of the table.
            targets: bool (m, labels).
            strength: inverse of regularisation (scikit-learn's C).
            balanced: weigh labels by the inverse of their frequency.
        """
        counts = self.counts[rows]
        frequency = np.bincount(counts.indices, minlength=counts.shape[1])
        kept = self._kept(frequency, len(rows))
        idf = (np.log((1.0 + len(rows)) / (1.0 + frequency[kept])) + 1.0).astype(np.float32)
        matrix = _normalised(counts[:, kept], idf)
        coefficients, bias = _svm(matrix, targets, strength, balanced)
        return NgramModel.quantised(self.vocabulary[kept].tolist(), idf, coefficients, bias, self.spec)

    def _kept(self, frequency: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        kept = np.flatnonzero(frequency >= (1 if count < ONCE_IS_ENOUGH else 2))
        if len(kept) > MAX_FEATURES:
            kept = np.sort(kept[np.argsort(-frequency[kept], kind="stable")[:MAX_FEATURES]])
        return kept


def _normalised(counts: csr_matrix, idf: Floats) -> Any:
    matrix = counts.tocsr(copy=True)
    matrix.data = matrix.data * idf[matrix.indices]
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    lengths[lengths == 0] = 1.0
    matrix.data /= np.repeat(lengths, np.diff(matrix.indptr)).astype(np.float32)
    return matrix


def _svm(matrix: Any, targets: NDArray[np.bool_], C: float, balanced: bool) -> tuple[Floats, Floats]:
    """Coefficients float32 (features, labels) and bias (labels,)."""
    coefficients = np.zeros((matrix.shape[1], targets.shape[1]), dtype=np.float32)
    bias = np.full(targets.shape[1], ABSENT, dtype=np.float32)
    positives = targets.sum(axis=0)
    bias[positives == len(targets)] = -ABSENT
    varied = np.flatnonzero((positives > 0) & (positives < len(targets)))
    if len(varied) > 2 and (targets.sum(axis=1) == 1).all():  # one label each: all labels in one call
        model = _fitted(matrix, np.searchsorted(varied, targets.argmax(axis=1)), C, balanced)
        coefficients[:, varied], bias[varied] = model.coef_.T, model.intercept_
        return coefficients, bias
    for column in varied.tolist():
        model = _fitted(matrix, targets[:, column], C, balanced)
        coefficients[:, column], bias[column] = model.coef_[0], model.intercept_[0]
    return coefficients, bias


def _fitted(matrix: Any, target: NDArray[Any], C: float, balanced: bool) -> Any:
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=C, tol=0.1, class_weight="balanced" if balanced else None, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged to the last digit; held-out rows are the judge
        return model.fit(matrix, target)
