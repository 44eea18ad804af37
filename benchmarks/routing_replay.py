"""Five-fold replay of a routing table: each row is scored by a verifier that was fitted on the other four fifths.

Inside each fold the verifier's own out-of-fold predictions are kept: they are the selection data of the certificate,
and the held-out fifth is its population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.routing_data import Floats, Table
from rightsized.cascade.scores import Bools
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.signals.signal import Exchange
from rightsized.tune.domain import fit_domain
from rightsized.tune.uplift import Labelled, fit_verifier
from rightsized.tune.verifier import make_folds

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold: which rows trained and which were held out, with predictions for both, (rows, 3).

    Columns: right given the answer, right from the prompt alone, the strong model right from the prompt alone.
    `outside_train`, `outside_held` bool (rows,): too unlike the train prompts to be given to a tier that is checked.
    """

    train: Rows
    held: Rows
    chosen: Floats
    scored: Floats
    outside_train: Bools
    outside_held: Bools


@dataclass(frozen=True, eq=False)
class Replay:
    """All folds of a table, and the held-out predictions put together, each float64 (n,)."""

    folds: list[Fold]
    after: Floats
    own: Floats
    better: Floats


def replay(table: Table, vectors: NDArray[np.float32], encoder: OnnxEncoder, seed: int = 0) -> Replay:
    """Fit and score all folds."""
    fold_of = make_folds(len(table.prompts), seed, table.groups)
    folds = []
    for fold in np.unique(fold_of):
        harness.note(f"{table.name}, fold {fold + 1}")
        train, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        folds.append(_fold(table, vectors, encoder, train, held))
    whole = np.zeros((len(table.prompts), 3))
    for part in folds:
        whole[part.held] = part.scored
    return Replay(folds, whole[:, 0], whole[:, 1], whole[:, 2])


def _fold(table: Table, vectors: NDArray[np.float32], encoder: OnnxEncoder, train: Rows, held: Rows) -> Fold:
    exchanges = [Exchange(p, a) for p, a in zip(table.prompts, table.answers, strict=True)]
    groups = table.groups
    data = Labelled(
        exchanges=[exchanges[i] for i in train],
        right=table.weak[train],
        last_right=table.strong[train],
        vectors=vectors[train],
        domains=[table.domains[i] for i in train] if any(table.domains) else (),
        groups=[groups[i] for i in train],
    )
    fitted = fit_verifier(data, "weak", encoder)
    assert fitted.better is not None
    serving = fitted.verifier
    scored = np.array([serving.predict(exchanges[i], vectors[i]) for i in held], np.float64)
    chosen = np.stack([fitted.after, fitted.own, fitted.better], axis=1)
    return Fold(train, held, chosen, scored, *outside(vectors[train], vectors[held], data.groups))


def outside(train: NDArray[np.float32], held: NDArray[np.float32], groups: Sequence[str] = ()) -> tuple[Bools, Bools]:
    """Which prompts lie outside the domain of the train prompts: those themselves, out-of-fold, and the others.

    None does where the train prompts are too few to tell, as in the product.
    """
    fitted = fit_domain(train, groups)
    if fitted is None:
        return np.zeros(len(train), np.bool_), np.zeros(len(held), np.bool_)
    return fitted.outside, np.array([bool(fitted.domain.outside(vector)) for vector in held], np.bool_)
