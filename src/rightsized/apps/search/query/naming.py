"""Which documents the names in a question stand for: exact names first, then parts of names that nothing else uses.

A name counts by how few documents it belongs to, so that what many share ("agreement", "policy") never decides. Only
documents that the asker may see are known here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from rightsized.apps.search.query import names
from rightsized.apps.search.query.vocabulary import COMMON, LEGAL_FORMS, ROLES
from rightsized.apps.search.types import Document

FIELDS = ("parties", "author", "from", "to", "subject", "file")  # metadata that holds names
MARGIN = 0.8  # of the best document's evidence: what has less is not meant
MOST_DOCUMENTS = 20  # one name may stand for; a name of more is no name
MOST_SHARE = 0.2  # of all documents, where that is more than
FEW_DOCUMENTS = 3
CONCENTRATED = 0.6  # of the passages that have a single word must be of the documents it names
PARTIAL = 0.6  # what a part of a name counts, beside a whole one
TYPO = 0.8  # what a misspelt word counts
SHORTEST_TYPO = 5  # letters


class Mention(NamedTuple):
    """Words `first` to `last` (excluded) of the question name the documents, by position; `weight` is its evidence."""

    first: int
    last: int
    documents: frozenset[int]
    weight: float
    words: str
    whole: bool


class Usage(Protocol):
    """How visible passages use a word."""

    def known(self, word: str) -> bool:
        """Whether any has it."""
        ...

    def share(self, word: str, documents: Sequence[str]) -> float:
        """The share of the passages with the word that are of these documents."""
        ...


class NameIndex:
    """The names of some documents. Immutable once made."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = tuple(documents)
        self._whole: dict[str, set[int]] = defaultdict(set)  # a name's words run together
        self._parts: dict[str, set[int]] = defaultdict(set)  # words of names of people and parties
        self.titles: dict[str, set[int]] = defaultdict(set)
        for at, document in enumerate(documents):
            self._add(at, document)
        self._longest = min(40, max((len(name) for name in self._whole), default=0))
        self._near: dict[str, set[str]] = {}

    def mentions(self, asked: Sequence[str], usage: Usage) -> list[Mention]:
        """The names in the words of a question (of `names.words`), from left to right, no two of which overlap."""
        found, at = [], 0
        while at < len(asked):
            one = self._whole_at(asked, at, usage) or self._part_at(asked, at, usage)
            if one:
                found.append(one)
            at = one.last if one else at + 1
        return found

    def meant(self, mentions: Iterable[Mention]) -> tuple[int, ...]:
        """The documents that the mentions together stand for, by position; none where they decide nothing."""
        evidence: dict[int, float] = defaultdict(float)
        decided: set[int] = set()
        for one in {mention.words: mention for mention in mentions}.values():
            for at in one.documents:
                evidence[at] += one.weight
            if len(one.documents) <= self._few:
                decided |= one.documents
        if not decided:
            return ()
        best = max(evidence[at] for at in decided)
        return tuple(sorted(at for at in decided if evidence[at] >= MARGIN * best))

    @property
    def _few(self) -> int:
        """The most documents that one name may stand for."""
        share = int(MOST_SHARE * len(self.documents))
        return min(MOST_DOCUMENTS, max(FEW_DOCUMENTS, share))

    def _add(self, at: int, document: Document) -> None:
        title = names.words(document.title)
        whole = {names.core(title)} if len(title) > 1 else set()
        whole |= {one for one in names.of_file(document.key) if len(one) > 1}
        people: set[tuple[str, ...]] = set()
        for field in FIELDS:
            for value in document.metadata.get(field, "").split(names.PARTED.strip()):
                if field == "file":
                    whole |= set(names.of_file(value))
                elif names.usable(key := names.core(names.words(value))):
                    people.add(key)
        self.titles["".join(title)].add(at)
        for key in whole | people:
            if telling(key):
                self._whole["".join(key)].add(at)
        for key in people:
            for word in key:
                if len(word) > 2 and word not in ROLES and word not in LEGAL_FORMS and word not in COMMON:
                    self._parts[word].add(at)

    def _weight(self, documents: set[int]) -> float:
        return math.log1p(len(self.documents) / max(1, len(documents)))

    def _whole_at(self, asked: Sequence[str], at: int, usage: Usage) -> Mention | None:
        """The longest name that begins here."""
        best, run = None, ""
        for last in range(at + 1, min(len(asked), at + 2 * names.LONGEST_NAME + 16) + 1):
            run += asked[last - 1]
            held = self._whole.get(run)
            if held and (last > at + 1 or self._own(run, held, usage)):
                words = asked[at:last]
                while last < len(asked) and asked[last] in LEGAL_FORMS:
                    last += 1
                best = Mention(at, last, frozenset(held), self._weight(held), " ".join(words), True)
        return best

    def _own(self, word: str, held: set[int], usage: Usage) -> bool:
        """Whether a single word belongs to the documents it names, rather than to the language."""
        return usage.share(word, [self.documents[at].id for at in sorted(held)]) >= CONCENTRATED

    def _part_at(self, asked: Sequence[str], at: int, usage: Usage) -> Mention | None:
        """A word of a name that hardly anything but the documents so named uses."""
        word, factor = asked[at], PARTIAL
        held = self._parts.get(word)
        if held is None and len(word) >= SHORTEST_TYPO and self._closest(word) and not usage.known(word):
            word, factor = self._closest(word), PARTIAL * TYPO
            held = self._parts.get(word)
        if not held or len(held) > self._few or not self._own(word, held, usage):
            return None
        return Mention(at, at + 1, frozenset(held), factor * self._weight(held), asked[at], False)

    def _closest(self, word: str) -> str:
        """The word of a name that is one letter off, or has two beside each other exchanged; empty where none is."""
        if not self._near:
            for known in self._parts:
                for form in shortened(known) if len(known) >= SHORTEST_TYPO else ():
                    self._near.setdefault(form, set()).add(known)
        found = {known for form in shortened(word) for known in self._near.get(form, ())}
        return min(found) if len(found) == 1 else ""


def telling(key: Sequence[str]) -> bool:
    """Whether a name says more than what kind of document it is: `supply agreement` does, `agreement` does not."""
    rest = [word for word in key if word not in COMMON and word not in LEGAL_FORMS and not word.isdigit()]
    return bool(rest)


def shortened(word: str) -> set[str]:
    """The word, and it without each of its letters: words one letter apart share one of them."""
    return {word} | {word[:at] + word[at + 1 :] for at in range(len(word))}
