"""Validity and coverage of certificates on a routing table: the machinery of `certificate_validity`, fold by fold.

The held-out fifth of a fold is the population: draws of n rows with replacement, the true risk on all of it. The
verifier is fixed; selection data are its out-of-fold predictions on the other four fifths. There are two tiers: local
means that the weak answer stands; all else goes to the strong model, prompts too unlike the train prompts included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.certificate_validity import FAMILY_ERROR, Simulation
from benchmarks.certificate_validity import Table as Population
from benchmarks.routing_data import Floats, Table
from benchmarks.routing_replay import Fold, Replay
from rightsized.cascade.scores import Bools, Scores
from rightsized.core.types import Loss, Promise

EPSILONS = (0.01, 0.02, 0.05, 0.10)
DELTA = 0.05
COSTS = (0.1, 1.0)  # of a call to the weak and to the strong model: only their order matters with one threshold
LOSSES: tuple[Loss, ...] = ("error", "regret")


@dataclass(frozen=True)
class Asked:
    """Which cells to run."""

    promise: Promise
    loss: Loss
    sizes: tuple[int, ...]
    draws: int
    right_at: float = 1.0


def scores_of(predicted: Floats, weak: Floats, strong: Floats, loss: Loss, right_at: float = 1.0) -> Scores:
    """Scores and correctness of the weak tier for one loss.

    Args:
        predicted: float64 (n, 3): right given the answer, right from the prompt, strong right from the prompt.
        weak, strong: scores in [0, 1].
        loss: `regret` counts a weak answer as wrong only where the strong one scores higher.
        right_at: the least score that counts as right, for `error`.
    """
    if loss == "regret":
        score = 1 - (1 - predicted[:, 0]) * predicted[:, 2]
        return Scores(score[:, None], _column(weak >= strong))
    return Scores(predicted[:, 0][:, None], _column(weak >= right_at - 1e-12))


def inside(predicted: Floats, outside: Bools) -> Floats:
    """The predictions, NaN where a prompt is not given to the weak tier: NaN goes up."""
    return np.where(outside[:, None], np.nan, predicted)


def cells(table: Table, replay: Replay, asked: Asked) -> list[dict[str, Any]]:
    """One cell for each size and budget, over all folds together."""
    found = []
    for n in asked.sizes:
        parts = [Simulation(_population(table, fold, asked), n, asked.draws) for fold in replay.folds]
        for epsilon in EPSILONS:
            found.append(_cell([part.cell(asked.promise, epsilon, DELTA) for part in parts], asked, n, epsilon))
    return found


def _population(table: Table, fold: Fold, asked: Asked) -> Population:
    held, chosen = (
        scores_of(inside(part, out), table.weak[rows], table.strong[rows], asked.loss, asked.right_at)
        for part, rows, out in (
            (fold.scored, fold.held, fold.outside_held),
            (fold.chosen, fold.train, fold.outside_train),
        )
    )
    return Population(table.name, 1, held, chosen, COSTS)


def _cell(parts: list[dict[str, Any]], asked: Asked, n: int, epsilon: float) -> dict[str, Any]:
    def mean(name: str) -> float:
        return float(np.mean([part[name] for part in parts]))

    return {
        "promise": asked.promise,
        "loss": asked.loss,
        "n": n,
        "epsilon": epsilon,
        "delta": DELTA,
        "draws": asked.draws * len(parts),
        "violation_rate": mean("violations"),
        "largest_in_a_fold": float(max(part["violations"] for part in parts)),
        "p": min(1.0, len(parts) * min(part["p"] for part in parts)),
        "certified": mean("certified"),
        "coverage": mean("kept"),
        "oracle_coverage": mean("oracle"),
        "naive_violation_rate": mean("naive_violations"),
        "naive_coverage": mean("naive_kept"),
    }


def headline(found: list[dict[str, Any]], n: int) -> dict[str, dict[str, Any]]:
    """`{epsilon: cell}` of one size."""
    return {f"{cell['epsilon']:g}": cell for cell in found if cell["n"] == n}


def verdict(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Are violations within delta in every cell, given so many?"""
    limit = FAMILY_ERROR / max(len(found), 1)
    worst = max(found, key=lambda cell: float(cell["violation_rate"]))
    return {
        "cells": len(found),
        "cells_above_delta": sum(float(cell["p"]) < limit for cell in found),
        "largest_violation_rate": worst["violation_rate"],
        "largest_at": {name: worst[name] for name in ("promise", "loss", "n", "epsilon")},
    }


def _column(right: Bools) -> Bools:
    return np.asarray(right, np.bool_)[:, None]
