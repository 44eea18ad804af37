"""Keeps a list of results free of repeats: passages that say the same, and where asked for, one hit a document."""

from __future__ import annotations

import math
import re
from collections import defaultdict

from rightsized.apps.search.types import Found

SAME = 0.9  # share of five-word runs that two passages must have in common
RUN = 5  # words
Runs = frozenset[int]
_WORD = re.compile(r"[^\W_]+")


class Folder:
    """Takes hits best first and says which of them open a new place in the list."""

    def __init__(self, *, fold: bool, by_document: bool) -> None:
        self._fold, self._by_document = fold, by_document
        self._documents: dict[str, int] = {}
        self._runs: list[Runs] = []
        self._having: dict[int, list[int]] = defaultdict(list)
        self.behind: list[list[Found]] = []

    def add(self, found: Found) -> bool:
        """Whether the passage opens a place; one that does not stands behind the one it repeats."""
        own: Runs = runs(found.passage.text) if self._fold else frozenset()
        at = self._documents.get(found.document.id) if self._by_document else None
        if at is None:
            at = self._repeated(own)
        if at is not None:
            self.behind[at].append(found)
            return False
        self._documents.setdefault(found.document.id, len(self._runs))
        for run in _first(own):
            self._having[run].append(len(self._runs))
        self._runs.append(own)
        self.behind.append([])
        return True

    def _repeated(self, own: Runs) -> int | None:
        """The first place that says the same: it shares one of the least runs (prefix filtering, Chaudhuri 2006)."""
        near = sorted({at for run in _first(own) for at in self._having.get(run, ())})
        return next((at for at in near if same(self._runs[at], own)), None)


def runs(text: str) -> Runs:
    """Hashes of all runs of RUN words; none of what is shorter, such as headings, which many documents share."""
    words = [match[0].casefold() for match in _WORD.finditer(text)]
    return frozenset(hash(tuple(words[at : at + RUN])) for at in range(len(words) - RUN + 1))


def _first(own: Runs) -> list[int]:
    """So many of the least runs that passages which share SAME of all share one of these."""
    return sorted(own)[: len(own) - math.ceil(SAME * len(own)) + 1] if own else []


def same(a: Runs, b: Runs) -> bool:
    """Whether two passages say the same."""
    if not a or not b or min(len(a), len(b)) < SAME * max(len(a), len(b)):
        return False
    shared = len(a & b)
    return shared >= SAME * (len(a) + len(b) - shared)
