"""Which documents the names in a question stand for: exact names first, then parts of names that nothing else uses.

A name counts by how few documents it belongs to, so that what many share ("agreement", "policy") never decides. Only
documents that the asker may see are known here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from rightsized.apps.search.query import names
from rightsized.apps.search.query.spelling import distance
from rightsized.apps.search.query.vocabulary import COMMON, LEGAL_FORMS, ROLES
from rightsized.apps.search.types import Document

FIELDS = ("parties", "author", "from", "to", "subject", "file")  # metadata that holds names
AUTHORS = ("author", "from", "to")  # who wrote a document; others may be about them
REMEMBERED = 100_000  # documents whose names are kept from one state of a collection to the next; about 1 kB each
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

    def share(self, words: str, documents: Sequence[str]) -> float:
        """How much of what has the words, side by side, is of these documents: a share; 1 where nothing has them."""
        ...


class NameIndex:
    """The names of some documents. Immutable once made."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = tuple(documents)
        self._whole: dict[str, set[int]] = defaultdict(set)  # a name's words run together
        self._parts: dict[str, set[int]] = defaultdict(set)  # words of names of people and parties
        self._authors: set[str] = set()
        self.titles: dict[str, set[int]] = defaultdict(set)
        for at, document in enumerate(documents):
            self._add(at, document)
        self._near: dict[tuple[int, str], list[str]] = defaultdict(list)
        for word in self._parts:
            self._near[len(word), word[0]].append(word)

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
        held = _named(document.title, document.key, tuple(document.metadata.get(field, "") for field in FIELDS))
        self.titles[held.title].add(at)
        for run in (*held.whole, *held.authors):
            self._whole[run].add(at)
        self._authors.update(held.authors)
        for word in held.parts:
            self._parts[word].add(at)

    def _weight(self, documents: set[int]) -> float:
        return math.log1p(len(self.documents) / max(1, len(documents)))

    def _whole_at(self, asked: Sequence[str], at: int, usage: Usage) -> Mention | None:
        """The longest name that begins here."""
        best, run = None, ""
        for last in range(at + 1, min(len(asked), at + 2 * names.LONGEST_NAME + 16) + 1):
            run += asked[last - 1]
            held, words = self._whole.get(run), asked[at:last]
            alone = last == at + 1 or run in self._authors
            if held and (not alone or self._own(" ".join(words), held, usage)):
                while last < len(asked) and asked[last] in LEGAL_FORMS:
                    last += 1
                best = Mention(at, last, frozenset(held), self._weight(held), " ".join(words), True)
        return best

    def _own(self, words: str, held: set[int], usage: Usage) -> bool:
        """Whether a word, or an author's name, belongs to the documents it names: others do not speak of it."""
        return usage.share(words, [self.documents[at].id for at in sorted(held)]) >= CONCENTRATED

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
        """The one word of a name that begins alike and is one letter off; empty where none is, or several are."""
        shapes = [(len(word) + longer, word[0]) for longer in (-1, 0, 1)]
        near = {one for shape in shapes for one in self._near.get(shape, ()) if distance(word, one, 1) == 1}
        return near.pop() if len(near) == 1 else ""


class _Named(NamedTuple):
    """The names of a document, words run together; `parts` are the words of names that may stand alone."""

    title: str
    whole: frozenset[str]
    authors: frozenset[str]
    parts: frozenset[str]


@lru_cache(maxsize=REMEMBERED)
def _named(title: str, key: str, values: tuple[str, ...]) -> _Named:
    own = names.words(title)
    whole = {names.core(own)} if len(own) > 1 else set()
    whole |= {one for one in names.of_file(key) if len(one) > 1}
    people: set[tuple[str, ...]] = set()
    authors: set[tuple[str, ...]] = set()
    for field, value in zip(FIELDS, values, strict=True):
        if field == "file":
            whole |= set(names.of_file(value))
            continue
        keys = {names.core(names.words(one)) for one in value.split(names.PARTED.strip())}
        (authors if field in AUTHORS else people).update(one for one in keys if names.usable(one))
    dull = ROLES | LEGAL_FORMS | COMMON
    parts = {word for one in people | authors for word in one if len(word) > 2 and word not in dull}
    joined = [frozenset("".join(one) for one in some if telling(one)) for some in (whole | people, authors)]
    return _Named("".join(own), joined[0], joined[1] - joined[0], frozenset(parts))


def telling(key: Sequence[str]) -> bool:
    """Whether a name says more than what kind of document it is: `supply agreement` does, `agreement` does not."""
    rest = [word for word in key if word not in COMMON and word not in LEGAL_FORMS and not word.isdigit()]
    return bool(rest)
