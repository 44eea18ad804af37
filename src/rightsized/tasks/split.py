"""Train, calibrate, report: who sees which row. The rules are in docs/explanation/data-discipline.md.

The calibrate rows are a simple random sample of a size fixed before any model is fitted; nothing about them is chosen.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

CALIBRATE_SHARE, CALIBRATE_MOST = 0.40, 2000
REPORT_SHARE, REPORT_MOST = 0.10, 1000
MIN_TRAIN_PER_LABEL = 10  # below this, rows are worth more as training data than as evidence
POWER_FACTOR = 2.0  # calibrate rows wanted, as a multiple of the fewest that could ever certify


class Split(Struct, frozen=True):
    """Positions of the rows in each slice; `mode` says how they were chosen."""

    train: tuple[int, ...]
    calibrate: tuple[int, ...]
    report: tuple[int, ...]
    mode: Literal["random", "file", "cross-fitted"]
    note: str


def fewest(epsilon: float, delta: float) -> int:
    """The fewest accepted rows, all of them right, that can certify `epsilon` at 1 - `delta`."""
    return math.ceil(math.log(delta) / math.log1p(-epsilon)) if 0 < epsilon < 1 else 1


def split_rows(
    groups: Sequence[str], labels: int, epsilon: float, delta: float, seed: int, also_train: int = 0
) -> Split:
    """Split rows at random, groups whole; everything trains where a certificate is out of reach.

    Slices are sized in groups, since the test takes one row of each: filling them up to a number of rows would let the
    sizes of the groups decide how many are tested, and which is the last.

    Args:
        groups: the conversation of each row; empty strings stand alone.
        labels: number of labels.
        epsilon: error budget; `delta`: 1 - confidence level.
        seed: the same seed gives the same split.
        also_train: rows beside these that train in any case; they count where too few rows would be left to train.
    """
    n, blocks = len(groups), _shuffled(groups, seed)
    n_calibrate = min(round(len(blocks) * CALIBRATE_SHARE), CALIBRATE_MOST)
    n_report = min(round(len(blocks) * REPORT_SHARE), REPORT_MOST)
    needed = math.ceil(POWER_FACTOR * fewest(epsilon, delta))
    n_train = also_train + (round(n * (1 - (n_calibrate + n_report) / len(blocks))) if blocks else 0)
    if n_calibrate < needed or n_train < labels * MIN_TRAIN_PER_LABEL:
        return Split(tuple(range(n)), (), (), "cross-fitted", _few(n, needed, n_train, labels))
    calibrate, report, train = _cut(blocks, n_calibrate, n_report)
    return Split(
        train=tuple(sorted(train)),
        calibrate=tuple(sorted(calibrate)),
        report=tuple(sorted(report)),
        mode="random",
        note=f"{len(train)} rows train, {len(calibrate)} calibrate and {len(report)} report: random, seed {seed}.",
    )


def _few(n: int, needed: int, n_train: int, labels: int) -> str:
    return (
        f"All {n} rows train. A certificate would need about {needed} rows set aside and "
        f"{MIN_TRAIN_PER_LABEL} rows a label to train on ({labels} labels; {max(n_train, 0)} rows would be left). "
        "Figures are cross-fitted."
    )


def _shuffled(groups: Sequence[str], seed: int) -> list[list[int]]:
    """Positions by group, the groups in random order; a row without a group is one of its own."""
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group or f"\0{i}", []).append(i)
    keys = list(members)
    random.Random(seed).shuffle(keys)  # noqa: S311 - a split, not a secret
    return [members[key] for key in keys]


def _cut(blocks: list[list[int]], first: int, second: int) -> list[list[int]]:
    """The rows of the first so many blocks, of the next so many, and of the rest."""
    parts = (blocks[:first], blocks[first : first + second], blocks[first + second :])
    return [[row for block in part for row in block] for part in parts]
