"""Parts of the traffic that get a promise of their own: what is declared, and which calibrate rows belong to which.

A part is a function of the request (a column of the file) or of the predicted label, never of the true label, which
nobody knows in service. All parts are named before the calibrate rows are scored. The test itself is in `cascade`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from rightsized.cascade.bounds import smallest_trials
from rightsized.cascade.plan import PREDICTED_LABEL, SegmentPlan
from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Frozen, Promise, Targets
from rightsized.tasks.dataset import Dataset
from rightsized.tasks.evaluate import ScoredRows
from rightsized.tasks.records import Finding
from rightsized.tasks.tables import as_text, read_rows

BY_LABEL = "label"  # the word for "by predicted label"; the name of the label column means the same
MOST = 100  # parts that are not named one by one; a column with more is no kind of request but an id
SHARE = 0.5  # of delta for all parts together


class SegmentRule(Frozen, frozen=True):
    """What the user declares.

    Args:
        by: `label` for the predicted label, else a column of the file; empty for no parts.
        names: the parts to test; empty takes every label, or every value the training rows have.
        share: the part of delta that all parts share equally, in (0, 1).
        values: instead of a column, the value of each row and of each calibrate row (calls from Python).
    """

    by: str = ""
    names: tuple[str, ...] = ()
    share: float = SHARE
    values: tuple[tuple[str, ...], tuple[str, ...]] | None = None


class Declared(msgspec.Struct):
    """Parts as they will be tested. `values`: of each calibrate row by its number; None where the label decides."""

    by: str
    names: tuple[str, ...]
    share: float
    values: Mapping[int, str] | None

    @property
    def digest_of(self) -> tuple[object, ...]:
        """What makes a test of other parts another attempt."""
        return self.by, self.names, self.share, sorted(self.values.items()) if self.values else None


def check_rule(rule: SegmentRule, promise: Promise, label_column: str) -> None:
    """Raises InputError where the declaration cannot be tested, whatever the data."""
    if not rule.by:
        if rule.names:
            raise InputError(
                f"The parts {', '.join(rule.names)} were named, but not what divides the traffic into parts.",
                fix="Say --segment-by label, or --segment-by COLUMN.",
            )
        return
    if not 0 < rule.share < 1:
        raise InputError(
            f"The parts' share of delta, {rule.share:g}, must lie between 0 and 1: some is left for all messages."
        )
    if len(set(rule.names)) < len(rule.names):
        raise InputError(f"A part was named twice: {', '.join(rule.names)}.")
    if by_label(rule, label_column) and promise == "wrong_local_rate":
        raise InputError(
            "Parts by predicted label go with the promise selective_error: how many requests of a label there are is"
            " not known before they are answered.",
            fix="Use --promise selective_error, or --segment-by a column of the requests.",
        )


def by_label(rule: SegmentRule, label_column: str) -> bool:
    """Whether the predicted label decides. The true one cannot: nobody knows it in service."""
    return rule.values is None and rule.by in (BY_LABEL, label_column)


def column_values(path: Path, name: str) -> dict[int, str]:
    """The values of a column by row number, empty where missing. Raises DataError, NotFoundError."""
    return {number: as_text(row[name]) or "" for number, row in read_rows(path, (name,))}


def numbered(values: Sequence[str]) -> dict[int, str]:
    """Values given row by row, numbered as the rows are: from 1."""
    return dict(enumerate(values, start=1))


def by_prediction(rule: SegmentRule, labels: Sequence[str]) -> Declared:
    """Parts by predicted label. Raises InputError for a name that is no label."""
    unknown = [name for name in rule.names if name not in labels]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no label of this task.", fix=f"It has: {', '.join(labels)}.")
    return Declared(PREDICTED_LABEL, rule.names or tuple(labels), rule.share, None)


def by_request(rule: SegmentRule, train: set[str], calibrate: Mapping[int, str], findings: list[Finding]) -> Declared:
    """Parts by a value of the request, named or taken from the training rows. Raises DataError for too many.

    Args:
        train: the values that the training rows have.
        calibrate: the value of each calibrate row by its number.
        findings: what the user should know is added here.
    """
    names = rule.names or tuple(sorted(value for value in train if value))
    if not names or len(names) > MOST:
        raise DataError(
            f"{rule.by!r} has {len(names):,} values among the training rows; parts can be 1 to {MOST}.",
            fix="Name the parts that matter: --segment VALUE, repeated.",
        )
    rest = [row for row, value in calibrate.items() if value not in names]
    if rest:
        message = f"{len(rest)} calibrate rows belong to no part: their {rule.by!r} is none of {', '.join(names[:5])}"
        findings.append(Finding("segment", f"{message}{', ...' if len(names) > 5 else ''}.", tuple(rest[:100])))
    return Declared(rule.by, names, rule.share, calibrate)


def power_finding(declared: Declared, targets: Targets) -> Finding:
    """How much each part needs to pass: said beforehand, since many parts leave little delta to each."""
    delta = (1 - targets.confidence) / 2 * declared.share / len(declared.names)
    least = smallest_trials(targets.max_error, delta)
    trials = "answers" if targets.promise == "selective_error" else "calibrate rows"
    return Finding(
        "segment",
        f"{len(declared.names)} parts by {declared.by} share {declared.share:.0%} of delta equally. To pass on its own,"
        f" a part needs at least {least:,} {trials} without an error (at a first attempt).",
    )


def segment_plans(declared: Declared, rows: Dataset, scored: ScoredRows, multi_label: bool) -> tuple[SegmentPlan, ...]:
    """Which calibrate rows belong to each part; of predicted labels, by the answer of each rung."""
    share = declared.share / len(declared.names)
    return tuple(
        SegmentPlan(name, share, _member(declared, name, rows, scored, multi_label)) for name in declared.names
    )


def _member(
    declared: Declared, name: str, rows: Dataset, scored: ScoredRows, multi_label: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if declared.values is not None:
        return np.array([declared.values.get(row, "") == name for row in rows.rows], np.bool_)
    said = [[name in p.labels if multi_label else p.label == name for p in rung] for rung in scored.predicted]
    return np.array(said, np.bool_).T
