"""Whether a tier's check may read log probabilities: only where every row that measures has them.

In service the ladder then asks the tier for them. Rows that have some without that rule would train a check on numbers
that are missing when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from rightsized.tasks.chat_data import ChatRow
from rightsized.tasks.records import Finding


def tiers_with_logprobs(rows: Sequence[ChatRow], tiers: Iterable[str]) -> frozenset[str]:
    """Tiers of which each of these rows has log probabilities."""
    return frozenset(tier for tier in tiers if rows and all(row.logprobs.get(tier) for row in rows))


def only(rows: Sequence[ChatRow], kept: frozenset[str]) -> list[ChatRow]:
    """The rows without the log probabilities of other tiers."""
    return [
        msgspec.structs.replace(row, logprobs={t: v for t, v in row.logprobs.items() if t in kept})
        if any(tier not in kept for tier in row.logprobs)
        else row
        for row in rows
    ]


def left_out(rows: Sequence[ChatRow], tiers: Iterable[str], kept: frozenset[str]) -> list[Finding]:
    """What is said of tiers of which some rows only have log probabilities."""
    found = []
    for tier in tiers:
        some = tuple(row.number for row in rows if row.logprobs.get(tier))
        if some and tier not in kept:
            words = f"{len(some)} of {len(rows)} rows have log probabilities of {tier!r}; they were left out, since the"
            found.append(Finding("some-logprobs", f"{words} check must find them in every answer.", some[:100]))
    return found
