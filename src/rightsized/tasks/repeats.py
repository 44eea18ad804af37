"""Says which training rows repeat each other, and which of those disagree about the label. Nothing is changed by it."""

from __future__ import annotations

from collections.abc import Sequence

from rightsized.tasks.dataset import Dataset
from rightsized.tasks.records import Finding
from rightsized.tune.duplicates import conflicts, same_text

SHOWN = 100  # row numbers kept with a finding
NAMED = 3  # conflicts spelled out


def repeats(data: Dataset) -> list[Finding]:
    """Findings about rows with the same text, case and punctuation aside; rows are numbered as in the file."""
    found = []
    again = [row for rows in same_text(data.texts) for row in rows[1:]]
    if again:
        message = f"{_count(len(again), 'train row repeats', 'train rows repeat')} the text of an earlier row."
        found.append(Finding("repeat", message, _rows(data, again)))
    clashes = conflicts(data.texts, data.labels)
    if clashes:
        named = "; ".join(" or ".join(clash.labels) for clash in clashes[:NAMED]) + (
            "; …" if len(clashes) > NAMED else ""
        )
        message = (
            f"{_count(len(clashes), 'text carries', 'texts carry')} different labels ({named}). One of them is wrong."
        )
        found.append(Finding("conflict", message, _rows(data, [row for clash in clashes for row in clash.rows])))
    return found


def _count(n: int, one: str, several: str) -> str:
    return f"{n:,} {one if n == 1 else several}"


def _rows(data: Dataset, at: Sequence[int]) -> tuple[int, ...]:
    return tuple(data.rows[i] for i in sorted(at)[:SHOWN])
