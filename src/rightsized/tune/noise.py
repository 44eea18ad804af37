"""Rows whose label looks wrong, by confident learning (Northcutt, Jiang and Chuang, 2021) on out-of-fold probabilities.

Nothing is changed because of it: the rows are shown to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError


class Suspicion(NamedTuple):
    """A row, the label it has, the label it seems to want, and the out-of-fold probability of the latter."""

    row: int
    given: str
    suggested: str
    probability: float


def suspicious_rows(
    labels: Sequence[str | Sequence[str]], names: Sequence[str], probabilities: NDArray[np.float32]
) -> list[Suspicion]:
    """Rows outside the diagonal of the confident joint, the most suspicious first.

    A label's threshold is the mean probability it gets on the rows that carry it. A row counts for the most probable
    label among those that reach their threshold; where that is not its own label, the row is suspicious. Where a text
    may have several labels, each label is looked at by itself, and `suggested` reads "not X" where X seems too much.

    Args:
        labels: n given labels, or n sequences of labels.
        names: the labels in the order of the columns.
        probabilities: out-of-fold, float32 (n, labels).
    Raises:
        DataError: the lengths differ, or a label is not among the names.
    """
    if probabilities.shape != (len(labels), len(names)):
        raise DataError(
            f"Probabilities of shape {probabilities.shape} do not fit {len(labels)} rows, {len(names)} labels."
        )
    given = _matrix(labels, names)
    if (given.sum(axis=1) == 1).all():
        found = _one_label(given.argmax(axis=1), names, probabilities.astype(np.float64))
    else:
        found = _several(given, names, probabilities.astype(np.float64))
    return [suspicion for _, suspicion in sorted(found, key=lambda pair: (-pair[0], pair[1].row))]


def _matrix(labels: Sequence[str | Sequence[str]], names: Sequence[str]) -> NDArray[np.bool_]:
    position = {name: column for column, name in enumerate(names)}
    given = np.zeros((len(labels), len(names)), dtype=np.bool_)
    for row, value in enumerate(labels):
        for label in [value] if isinstance(value, str) else value:
            if label not in position:
                raise DataError(f"Row {row} has the label {label!r}, which the classifier does not know.")
            given[row, position[label]] = True
    return given


def _one_label(
    given: NDArray[np.intp], names: Sequence[str], probabilities: NDArray[np.float64]
) -> list[tuple[float, Suspicion]]:
    own = probabilities[np.arange(len(given)), given]
    counts = np.bincount(given, minlength=len(names))
    sums = np.bincount(given, weights=own, minlength=len(names))
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    wanted = reached.argmax(axis=1)
    rows = np.flatnonzero((reached.max(axis=1) > 0) & (wanted != given))
    return [
        (
            float(probabilities[row, wanted[row]] - own[row]),
            Suspicion(int(row), names[given[row]], names[wanted[row]], float(probabilities[row, wanted[row]])),
        )
        for row in rows
    ]


def _several(
    given: NDArray[np.bool_], names: Sequence[str], probabilities: NDArray[np.float64]
) -> list[tuple[float, Suspicion]]:
    found = []
    for column, name in enumerate(names):
        has, p = given[:, column], probabilities[:, column]
        if not has.any() or has.all():
            continue
        yes, no = float(p[has].mean()), float((1.0 - p[~has]).mean())
        for row in np.flatnonzero(~has & (p >= yes) & (p > 0.5)).tolist():
            listed = "|".join(n for n, member in zip(names, given[row], strict=True) if member)
            found.append((float(2 * p[row] - 1), Suspicion(row, listed, name, float(p[row]))))
        for row in np.flatnonzero(has & (1.0 - p >= no) & (p < 0.5)).tolist():
            found.append((float(1 - 2 * p[row]), Suspicion(row, name, f"not {name}", float(1.0 - p[row]))))
    return found
