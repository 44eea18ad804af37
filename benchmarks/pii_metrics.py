"""Counts for personal-data detection: spans exact to the character, spans touched, tokens, and characters left open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.pii_data import Labelled, Span


@dataclass
class Counts:
    """Right, found and real, of one type."""

    right: int = 0  # found spans that are real, to the character
    touched: int = 0  # real spans that a found one of the same type overlaps
    touching: int = 0  # found spans that overlap a real one of the same type
    found: int = 0
    real: int = 0
    covered: int = 0  # real spans all of whose letters and digits lie in findings of whatever type
    tokens: list[int] = field(default_factory=lambda: [0, 0, 0])  # right, found, real

    def figures(self) -> dict[str, Any]:
        """Precision and recall; None where nothing was there to count."""
        found: dict[str, Any] = {"real": self.real, "found": self.found}
        found["recall"] = _share(self.right, self.real)
        found["precision"] = _share(self.right, self.found)
        found["recall_overlap"] = _share(self.touched, self.real)
        found["precision_overlap"] = _share(self.touching, self.found)
        found["covered"] = _share(self.covered, self.real)
        if self.tokens[1] or self.tokens[2]:
            found["token_recall"] = _share(self.tokens[0], self.tokens[2])
            found["token_precision"] = _share(self.tokens[0], self.tokens[1])
        return found


def count(rows: Sequence[Labelled], found: Sequence[Sequence[Span]], types: Iterable[str]) -> dict[str, Counts]:
    """Counts by type. `found` has the types of the data; spans of other types matter for `covered` only."""
    counts: Mapping[str, Counts] = defaultdict(Counts)
    wanted = set(types)
    for row, spans in zip(rows, found, strict=True):
        for kind in wanted:
            real = [s for s in row.spans if s.type == kind]
            said = [s for s in spans if s.type == kind]
            _add(counts[kind], row, real, said, spans)
    return {kind: counts[kind] for kind in sorted(wanted)}


def _add(counts: Counts, row: Labelled, real: list[Span], said: list[Span], every: Sequence[Span]) -> None:
    counts.real += len(real)
    counts.found += len(said)
    counts.right += len({(s.start, s.end) for s in real} & {(s.start, s.end) for s in said})
    counts.touched += sum(any(_overlap(one, other) for other in said) for one in real)
    counts.touching += sum(any(_overlap(one, other) for other in real) for one in said)
    for one in real:
        open_places = (i for i in range(one.start, one.end) if row.text[i].isalnum())
        counts.covered += all(any(s.start <= i < s.end for s in every) for i in open_places)
    for start, end in row.tokens:
        token = Span(start, end, "")
        is_real, is_said = (any(_overlap(token, s) for s in spans) for spans in (real, said))
        counts.tokens[0] += is_real and is_said
        counts.tokens[1] += is_said
        counts.tokens[2] += is_real


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
