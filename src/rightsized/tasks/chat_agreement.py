"""Whether a tier's check may read further samples: only where the settings have them drawn, and every row holds them.

In service the ladder then draws as many. Rows with fewer, or some rows only, would calibrate a check on other numbers
than it is used on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rightsized.cascade.samples import SamplePlan
from rightsized.tasks.chat_data import ChatRow
from rightsized.tasks.records import Finding


def tiers_with_samples(
    rows: Sequence[ChatRow], tiers: Iterable[str], plans: Mapping[str, SamplePlan]
) -> frozenset[str]:
    """Tiers that draw samples in service, and of which each of these rows has as many."""
    return frozenset(
        tier
        for tier in tiers
        if tier in plans and rows and all(len(row.samples.get(tier, ())) >= plans[tier].count for row in rows)
    )


def only_drawn(rows: Sequence[ChatRow], plans: Mapping[str, SamplePlan], kept: frozenset[str]) -> list[ChatRow]:
    """The rows with the samples of these tiers alone, as many of each as are drawn in service."""
    return [
        msgspec.structs.replace(
            row, samples={t: texts[: plans[t].count] for t, texts in row.samples.items() if t in kept}
        )
        if row.samples
        else row
        for row in rows
    ]


def without_samples(
    rows: Sequence[ChatRow], tiers: Iterable[str], plans: Mapping[str, SamplePlan], kept: frozenset[str]
) -> list[Finding]:
    """What is said of tiers whose samples are not read."""
    found = []
    for tier in tiers:
        some = tuple(row.number for row in rows if row.samples.get(tier))
        if tier in kept or not (some or tier in plans):
            continue
        if tier not in plans:
            words = f"{len(some)} rows have samples of {tier!r}; they were left out, since its settings draw none"
            fix = "set samples under [[tiers]]"
        else:
            words = f"{tier!r} draws {plans[tier].count} samples, but not every row has as many; none were read"
            fix = "draw them: rightsized calibrate collect"
        found.append(Finding("samples-left-out", f"{words} ({fix}).", some[:100]))
    return found
