"""Which of several overlapping findings stand: decided by score, length and place, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec.structs import replace

from rightsized.core.pii import Finding

NESTED = 0.36  # a finding inside a longer one gives way, unless its score is higher by more than this


def disjoint(found: Iterable[Finding], text: str) -> tuple[Finding, ...]:
    """Findings that do not overlap, by place. Whatever the given ones covered in letters and digits stays covered.

    A finding inside a longer one gives way to it. Otherwise the higher score stands, then the longer, then the earlier;
    what is left of the other on either side stays, where it holds a letter or digit.
    """
    return tuple(one for cluster in _clusters(_outermost(found)) for one in _settled(cluster, text))


def _outermost(found: Iterable[Finding]) -> Iterator[Finding]:
    """Findings by place, without those that give way to a longer one around them."""
    around: list[Finding] = []
    for one in sorted(set(found), key=lambda one: (one.start, -one.end, -one.score, one.type, one.source)):
        around = [other for other in around if other.end > one.start]
        if any(one.end <= other.end and one.score <= other.score + NESTED for other in around):
            continue
        around.append(one)
        yield one


def _clusters(found: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Runs of findings each of which overlaps the one before."""
    cluster: list[Finding] = []
    end = 0
    for one in found:
        if cluster and one.start >= end:
            yield cluster
            cluster = []
        cluster.append(one)
        end = max(end, one.end) if len(cluster) > 1 else one.end
    if cluster:
        yield cluster


def _settled(cluster: Sequence[Finding], text: str) -> Iterator[Finding]:
    """Give each character to the best finding that wants it; each run of one finding's characters is a finding."""
    if len(cluster) == 1:
        yield cluster[0]
        return
    ranked = sorted(cluster, key=lambda one: (-one.score, one.start - one.end, one.start, one.type, one.source))
    first = cluster[0].start
    owners = [-1] * (max(one.end for one in cluster) - first)
    for rank, one in enumerate(ranked):
        for place in range(one.start - first, one.end - first):
            if owners[place] < 0:
                owners[place] = rank
    place = first
    for rank, run in groupby(owners):
        end = place + len(list(run))
        whole = ranked[rank].start == place and ranked[rank].end == end
        part = ranked[rank] if whole else _bare(replace(ranked[rank], start=place, end=end), text)
        if part.end > part.start:
            yield part
        place = end


def _bare(one: Finding, text: str) -> Finding:
    """A finding without the marks and spaces at its ends that a cut has left there; perhaps empty."""
    start, end = one.start, one.end
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return replace(one, start=start, end=end)
