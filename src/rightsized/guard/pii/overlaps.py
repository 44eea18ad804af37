"""Which of several overlapping findings stand: decided by score, length and place, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from rightsized.core.pii import Finding

NESTED = 0.36  # a finding inside a longer one gives way, unless its score is higher by more than this


def disjoint(found: Iterable[Finding], text: str) -> tuple[Finding, ...]:
    """Findings that do not overlap, by place. Whatever the given ones covered in letters and digits stays covered.

    A finding inside a longer one gives way to it. Otherwise the higher score stands, then the longer, then the earlier;
    what is left of the other on either side stays, where it holds a letter or digit.
    """
    ordered = sorted(set(found), key=lambda one: (one.start, -one.end, -one.score, one.type, one.source))
    stand: list[Finding] = []
    for one in ordered:
        _settle(stand, one, text)
    return tuple(sorted(stand, key=lambda one: one.start))


def _settle(stand: list[Finding], one: Finding, text: str) -> None:
    """Add a finding that begins at or after the beginnings of all that stand."""
    if not stand or stand[-1].end <= one.start:
        stand.append(one)
        return
    last = stand.pop()
    if one.end <= last.end:  # nested: `last` is at least as long
        if one.score <= last.score + NESTED:
            stand.append(last)
            return
        parts = [_bare(replace(last, end=one.start), text), one, _bare(replace(last, start=one.end), text)]
    elif last.score >= one.score:
        parts = [last, _bare(replace(one, start=last.end), text)]
    else:
        parts = [_bare(replace(last, end=one.start), text), one]
    stand += [part for part in parts if part.end > part.start]


def _bare(one: Finding, text: str) -> Finding:
    """A finding without the marks and spaces at its ends that a cut has left there; perhaps empty."""
    start, end = one.start, one.end
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return replace(one, start=start, end=end)
