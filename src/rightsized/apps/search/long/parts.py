"""A document's passages as a few parts: its sections at the depth that gives a readable number, else even stretches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from math import ceil
from typing import NamedTuple

from rightsized.apps.search.types import Found

MOST_PARTS = 24  # of one document: more are no outline
STRETCH = 8  # passages of a part where there are no headings, about 1,600 tokens
Path = tuple[str, ...]


class PassageRun(NamedTuple):
    """Passages `first` to `last` (excluded) under the headings that all of them have."""

    path: Path
    first: int
    last: int


def parts(found: Sequence[Found]) -> list[PassageRun]:
    """The parts of one document in order: together all of its passages."""
    paths = [one.passage.path for one in found]
    deepest = max(map(len, paths), default=0)
    chosen = _stretches(paths)
    for depth in range(1, deepest + 1):
        runs = _at(paths, depth)
        if len(runs) > MOST_PARTS:
            return chosen if depth > 1 and len(chosen) > 1 else _joined(runs)
        if len(runs) > 1:
            chosen = runs
    return chosen


def _at(paths: Sequence[Path], depth: int) -> list[PassageRun]:
    """Runs of passages with the same first `depth` headings."""
    runs: list[PassageRun] = []
    for at, path in enumerate(paths):
        if runs and runs[-1].path == path[:depth]:
            runs[-1] = runs[-1]._replace(last=at + 1)
        else:
            runs.append(PassageRun(path[:depth], at, at + 1))
    return runs


def _joined(runs: Sequence[PassageRun]) -> list[PassageRun]:
    """Neighbours joined until MOST_PARTS are left, of about equally many passages."""
    aim = ceil(runs[-1].last / MOST_PARTS)
    joined: list[PassageRun] = []
    for run in runs:
        last = joined[-1] if joined else None
        if last is not None and run.last - last.first <= aim:
            joined[-1] = PassageRun(_common(last.path, run.path), last.first, run.last)
        else:
            joined.append(run)
    if len(joined) > MOST_PARTS:  # many runs of more than half the aim
        pairs = [joined[at : at + 2] for at in range(0, len(joined), 2)]
        joined = [PassageRun(_common(some[0].path, some[-1].path), some[0].first, some[-1].last) for some in pairs]
    return joined


def _common(first: Path, second: Path) -> Path:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return tuple(name for name, _ in pairs)


def _stretches(paths: Sequence[Path]) -> list[PassageRun]:
    count = min(MOST_PARTS, ceil(len(paths) / STRETCH))
    bounds = [round(at * len(paths) / count) for at in range(count + 1)] if count else [0]
    return [PassageRun((), first, last) for first, last in pairwise(bounds)]
