"""Rows and the tiers that the rules of service keep them from: marked, told about, and without a score there.

A row may lack the answer of a tier that it would not be given to. From the first such tier on it has no score: what
answers after a veto is not on the path that is tested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError
from rightsized.tasks.chat_admission import Admission, tiers_to_look_at
from rightsized.tasks.chat_data import ChatData, ChatRow
from rightsized.tasks.chat_records import ChatPlan
from rightsized.tasks.records import Finding


def admission_of(plan: ChatPlan, tiers: Sequence[str]) -> Admission | None:
    """The rules of service; None where no settings were given. Raises ConfigError, MissingExtraError."""
    if plan.settings is None:
        return None
    opened = tiers_to_look_at(plan.settings, tiers)
    return Admission(plan.settings, opened, plan.name, undeclared=plan.data_class)


def mark(data: ChatData, admission: Admission | None) -> None:
    """Mark each row with the tiers that would be vetoed for it.

    Raises DataError where a row lacks the answer of a tier that would be asked.
    """
    if admission is not None:
        looked = admission.look([(row.generation, row.declared) for row in data.rows])
        data.rows = [
            msgspec.structs.replace(row, barred=one.vetoes) if one.vetoes else row
            for row, one in zip(data.rows, looked, strict=True)
        ]
    for row in data.rows:
        for tier in data.tiers:
            if tier not in row.answers and tier not in row.barred and not row.train_only:
                raise DataError(
                    f"{data.name}, row {row.number}: there is no answer of tier {tier!r}; it has:"
                    f" {', '.join(row.answers)}.",
                    fix="Every row needs the answer of every tier that the settings let it be sent to. Name the tiers"
                    " with --tiers small,large",
                )


def told(data: ChatData, kind: str) -> list[Finding]:
    """What is said of rows that rules keep from tiers; `kind` is the slice's name."""
    found = []
    for tier in data.tiers:
        kept = [row for row in data.rows if tier in row.barred]
        if not kept:
            continue
        why, _ = Counter(row.barred[tier] for row in kept).most_common(1)[0]
        message = (
            f"{len(kept):,} of {len(data.rows):,} {kind} rows would not be given to {tier!r} in service (such as:"
            f" {why}). From that tier on they count as passed up."
        )
        found.append(Finding("vetoed", message, tuple(row.number for row in kept[:100])))
    if len(found) and all(data.tiers[0] in row.barred for row in data.rows):
        message = (
            "No request like these is given to the first tier. Say what the rows hold: data_class, or --data-class."
        )
        found.append(Finding("all-vetoed", message))
    return found


def unsaid(data: ChatData, admission: Admission | None) -> list[Finding]:
    """What rules of the policy look at and no row says."""
    asked = admission.asks_for() if admission is not None else []
    field = {"tenants": "tenant", "keys": "key", "roles": "roles"}
    silent = [field[fact] for fact in asked if not any(getattr(row.declared, field[fact]) for row in data.rows)]
    if not silent:
        return []
    words = ", ".join(silent)
    message = f"The policy has rules about {words}, and no row says it: add the fields as requests have them."
    return [Finding("unsaid", message)]


def barred_from(rows: Sequence[ChatRow], tiers: Sequence[str]) -> NDArray[np.bool_]:
    """Where rows have no score: bool (rows, tiers), from the first tier on that a rule keeps the row from."""
    vetoed = np.array([[tier in row.barred for tier in tiers] for row in rows], np.bool_).reshape(len(rows), len(tiers))
    return np.logical_or.accumulate(vetoed, axis=1)
