"""Fits the n-gram model: counts once, then a linear SVM on any part of the rows.

Vocabulary and document frequencies come from the rows fitted on only, so that a held-out text brings nothing of itself.
scikit-learn and SciPy are imported inside functions.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.engines.linear import Floats
from rightsized.engines.ngrams import NgramModel, NgramSpec, grams, units

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_FEATURES = 100_000  # int8 weights: 100 KB a label
ONCE_IS_ENOUGH = 2_000  # below this many texts an n-gram seen in one text is kept
LONG_WORDS = 50  # texts of so many words on average: their n-grams are counted over the whole text
ABSENT = -10.0  # margin of a label that the rows fitted on do not have


def suited(spec: NgramSpec, texts: list[str]) -> NgramSpec:
    """The spec with `whole_text` where the texts are long.

    On issue reports of 200 words counting a word cost 3 points of accuracy; on messages of 6 to 12 words nothing.
    """
    words = sum(len(text.split()) for text in texts)
    return msgspec.structs.replace(spec, whole_text=True) if words > LONG_WORDS * len(texts) else spec


class NgramTable:
    """The units of all texts and the n-grams of all units, as sparse matrices (see `engines.ngrams.NgramModel`)."""

    def __init__(self, texts: list[str], spec: NgramSpec) -> None:
        counted, self._names = _counted(units(text, spec) for text in texts)
        counted.data = np.log(counted.data) + np.float32(1.0)
        self.units: csr_matrix = counted  # (n, units): 1 + log(count)
        self.grams, vocabulary = _counted(grams(unit, spec) for unit in self._names)  # (units, n-grams): count
        self.texts: csr_matrix = (counted @ self.grams).tocsr()  # (n, n-grams)
        self.spec = spec
        self.vocabulary = np.array(vocabulary, dtype=object)

    def fit(
        self,
        rows: NDArray[np.intp],
        targets: NDArray[np.bool_],
        *,
        strength: float,
        balanced: bool,
        held: NDArray[np.intp] | None = None,
    ) -> NgramModel:
        """A linear SVM, one label against the rest, on these rows.

        Args:
            rows: int (m,) rows of the table.
            targets: bool (m, labels).
            strength: inverse of regularisation (scikit-learn's C).
            balanced: weigh labels by the inverse of their frequency.
            held: int (k,) the only rows that will be scored, where that is known: it saves time.
        """
        texts = self.texts[rows]
        frequency = np.bincount(texts.indices, minlength=texts.shape[1])
        kept = self._kept(frequency, len(rows))
        idf = (np.log((1.0 + len(rows)) / (1.0 + frequency[kept])) + 1.0).astype(np.float32)
        coefficients, bias = _svm(self._normalised(rows, kept, idf), targets, strength, balanced)
        ahead = None if held is None else [self._names[unit] for unit in np.unique(self.units[held].indices)]
        return NgramModel.quantised(self.vocabulary[kept].tolist(), idf, coefficients, bias, self.spec, ahead)

    def _normalised(self, rows: NDArray[np.intp], kept: NDArray[np.intp], idf: Floats) -> Any:
        """The n-grams of these rows as they are served, but for rounding: sparse (m, kept)."""
        brought = self.grams[:, kept]
        brought.data = (brought.data * idf[brought.indices]) ** 2
        squares = self.units[rows].power(2) @ np.asarray(brought.sum(axis=1)).ravel()
        lengths = np.sqrt(np.where(squares > 0, squares, 1.0))
        matrix = self.texts[rows][:, kept]
        matrix.data = (matrix.data * idf[matrix.indices] / np.repeat(lengths, np.diff(matrix.indptr))).astype(
            np.float32
        )
        return matrix

    def _kept(self, frequency: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        kept = np.flatnonzero(frequency >= (1 if count < ONCE_IS_ENOUGH else 2))
        if len(kept) > MAX_FEATURES:
            kept = np.sort(kept[np.argsort(-frequency[kept], kind="stable")[:MAX_FEATURES]])
        return kept


def _counted(bags: Iterable[list[str]]) -> tuple[csr_matrix, list[str]]:
    """How often each string stands in each bag, float32 (bags, strings), and the strings in order of appearance."""
    from scipy.sparse import csr_matrix

    numbers: dict[str, int] = {}
    columns: list[int] = []
    counts: list[int] = []
    starts = [0]
    for bag in bags:
        for text, count in Counter(bag).items():
            columns.append(numbers.setdefault(text, len(numbers)))
            counts.append(count)
        starts.append(len(columns))
    values, places = np.asarray(counts, dtype=np.float32), np.asarray(columns, dtype=np.int32)
    return csr_matrix((values, places, np.asarray(starts)), shape=(len(starts) - 1, len(numbers))), list(numbers)


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
