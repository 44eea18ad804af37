"""What a fit is given and how: texts, labels, vectors, options; and the checks that name bad rows.

Numbers the labels and assigns folds. Fits nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.linear import Floats
from rightsized.engines.ngrams import NgramSpec
from rightsized.tune.duplicates import clusters

UNIT_TOLERANCE = 0.01  # how far from 1 the length of a vector may be


@dataclass(frozen=True)
class TrainingData:
    """Labelled texts and their vectors.

    `labels` holds one string a text, or for several labels a sequence of strings a text.
    `vectors` is float32 (n, dimension), unit vectors computed by the encoder that will serve; `encoder` is its digest.
    `label_vectors` maps labels to the vectors of `label_words(label)`: with few examples a label's name serves as one
    more, where validation says so.
    """

    texts: Sequence[str]
    labels: Sequence[str] | Sequence[Sequence[str]]
    vectors: Floats
    encoder: str = ""
    label_vectors: dict[str, Floats] | None = None


@dataclass(frozen=True)
class FitOptions:
    """How to fit. `folds` = 0 takes 5, or 10 where there are fewer than 2,000 texts.

    `recheck`: where scores are taken over from a previous fit, so many rows at least are scored anew all the same.
    """

    seed: int = 0
    multi_label: bool = False
    folds: int = 0
    progress: Progress = no_progress
    spec: NgramSpec = field(default_factory=NgramSpec)
    recheck: int = 0


@dataclass(frozen=True)
class Numbered:
    """Checked data: `targets` is bool (n, labels); `best` int (n,) numbers the label (-1 where several may apply).

    `label_vectors` float32 (labels, dimension) are the vectors of the labels' names, where they were given.
    """

    texts: list[str]
    labels: tuple[str, ...]
    targets: NDArray[np.bool_]
    best: NDArray[np.intp]
    vectors: Floats
    groups: NDArray[np.intp]
    multi_label: bool
    label_vectors: Floats | None = None

    @property
    def size(self) -> int:
        return len(self.texts)


def number(data: TrainingData, options: FitOptions) -> Numbered:
    """Check the data and number its labels in sorted order.

    Raises:
        DataError: no rows, fewer than two labels, lengths that differ, an empty label, or vectors that are not finite.
    """
    texts = list(data.texts)
    sets = [frozenset(row) if options.multi_label else frozenset([row]) for row in _rows(data, options)]
    _check_vectors(data.vectors, len(texts))
    labels = tuple(sorted(frozenset().union(*sets)))
    if len(labels) < 2:
        only = f"only {labels[0]!r}" if labels else "none"
        raise DataError(f"At least two labels are needed; the data holds {only}.", fix="Add examples of another label.")
    position = {label: i for i, label in enumerate(labels)}
    targets = np.zeros((len(texts), len(labels)), dtype=np.bool_)
    for row, members in enumerate(sets):
        targets[row, [position[label] for label in members]] = True
    best = np.full(len(texts), -1, dtype=np.intp) if options.multi_label else targets.argmax(axis=1)
    named = _label_vectors(data, labels)
    return Numbered(texts, labels, targets, best, data.vectors, _groups(texts), options.multi_label, named)


def label_words(label: str) -> str:
    """A label's name as words.

    >>> label_words("Refund_not_showingUp")
    'refund not showing up'
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label)
    return re.sub(r"[\W_]+", " ", spaced).strip().lower()


def _label_vectors(data: TrainingData, labels: tuple[str, ...]) -> Floats | None:
    given = data.label_vectors or {}
    if any(label not in given for label in labels):
        return None
    vectors = np.stack([given[label] for label in labels]).astype(np.float32)
    if vectors.shape[1:] != data.vectors.shape[1:]:
        raise DataError(f"The labels' vectors have {vectors.shape[1]} numbers, the texts' {data.vectors.shape[1]}.")
    return vectors


def _rows(data: TrainingData, options: FitOptions) -> list[Any]:
    rows = list(data.labels)
    if not rows:
        raise DataError("There are no examples to learn from.")
    if len(rows) != len(data.texts):
        raise DataError(f"There are {len(data.texts)} texts but {len(rows)} labels.")
    for row, value in enumerate(rows):
        if options.multi_label == isinstance(value, str):
            wanted = "a sequence of labels" if options.multi_label else "one label, a string"
            raise DataError(f"Row {row}: the label is {value!r}; {wanted} is needed.")
        if any(not label or not label.strip() for label in ([value] if isinstance(value, str) else value)):
            raise DataError(f"Row {row}: the label is empty.", fix="Remove the row or give it a label.")
    return rows


def _check_vectors(vectors: Floats, count: int) -> None:
    if vectors.ndim != 2 or len(vectors) != count or vectors.dtype != np.float32:
        raise DataError(f"Vectors must be float32 ({count}, dimension), not {vectors.dtype} {vectors.shape}.")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DataError(f"The vectors of {len(bad)} rows are not finite; the first is row {bad[0]}.")
    lengths = np.linalg.norm(vectors, axis=1)
    bad = np.flatnonzero(np.abs(lengths - 1.0) > UNIT_TOLERANCE)
    if len(bad):
        raise DataError(f"Row {bad[0]}: the vector has length {lengths[bad[0]]:.3g}; unit vectors are needed.")


def _groups(texts: list[str]) -> NDArray[np.intp]:
    """Rows that repeat or nearly repeat each other share a group: they must share a fold."""
    return np.array(clusters(texts), dtype=np.intp)


def assign_folds(numbered: Numbered, count: int, seed: int) -> NDArray[np.intp]:
    """Fold of each row, int (n,) in [0, count): labels spread evenly, repeats of a text together.

    Groups are shuffled, sorted by their (rarest) label and dealt out in turn.
    """
    generator = np.random.default_rng(seed)
    frequency = numbered.targets.sum(axis=0)
    rarest = np.where(numbered.targets, frequency[None, :], numbered.size + 1).argmin(axis=1)
    first: dict[int, int] = {}
    for row, group in enumerate(numbered.groups.tolist()):
        first.setdefault(group, row)
    order = generator.permutation(len(first))
    label_of = np.array([rarest[first[group]] for group in range(len(first))])
    dealt = order[np.argsort(label_of[order], kind="stable")]
    fold_of_group = np.empty(len(first), dtype=np.intp)
    fold_of_group[dealt] = np.arange(len(first)) % count
    return fold_of_group[numbered.groups]


def rare_labels(numbered: Numbered) -> list[str]:
    """Labels that a single text carries: they are learned, but never measured out-of-fold."""
    counts: Counter[int] = Counter()
    for column in range(len(numbered.labels)):
        counts[column] = len(set(numbered.groups[numbered.targets[:, column]].tolist()))
    return [label for column, label in enumerate(numbered.labels) if counts[column] == 1]
