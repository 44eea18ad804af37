"""Documents with secrets and askers who may see some of them, for `benchmarks.search_acl`.

Every content has marks: made-up words that stand nowhere else, in its title, text, parties and author. A mark in what
an asker is told, of a content that they may not see, is a leak. Some contents belong to several documents with
different principals; some marks are one letter apart, so that a correction could give a hidden one away.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Steps
from rightsized.apps.search.types import EVERYONE, Item, Passage
from rightsized.core.errors import NotFoundError
from rightsized.engines.fake import FakeEncoder
from rightsized.parsers.types import Block, Parsed

MARK = re.compile(r"\bq[bcdfgklmnprst][aeiou]\w{6}\b", re.IGNORECASE)
PEOPLE, GROUPS = 12, 5
_WORDS = (
    "the supplier shall deliver goods within thirty days of each order and payment is due on receipt of an invoice "
    "employees may take annual leave after notice to their manager travel costs are paid in full by train data is kept "
    "for seven years then erased unless law requires otherwise either party may end this agreement with written notice"
)
COMMON = _WORDS.split()
KINDS = ("Supply Agreement", "Leave Policy", "Travel Policy", "Minutes", "Licence Agreement", "Handbook")


class Content(NamedTuple):
    """A text and what gives it away."""

    text: str
    title: str
    marks: frozenset[str]


class Held(NamedTuple):
    """A document: a content under a key, for some principals. Its key and author have a mark of their own."""

    key: str
    content: int
    principals: tuple[str, ...]
    author: str
    marks: frozenset[str]


class Corpus(NamedTuple):
    contents: list[Content]
    documents: list[Held]


def corpus(size: int, seed: int) -> Corpus:
    """`size` documents with about a sixth of them copies of others' contents."""
    chance = random.Random(seed)  # test data
    marks = _marks(chance)
    contents = [_content(chance, marks, at) for at in range(size - size // 6)]
    documents = [_held(chance, marks, at, at) for at in range(len(contents))]
    documents += [_held(chance, marks, len(contents) + n, chance.randrange(len(contents))) for n in range(size // 6)]
    return Corpus(contents, documents)


def askers(count: int, seed: int) -> list[tuple[str, ...]]:
    """Principals of people: nobody's, one person's, a person's with groups."""
    chance = random.Random(seed)  # test data
    found: list[tuple[str, ...]] = [()]
    while len(found) < count:
        groups = [f"group:g{n}" for n in range(GROUPS) if chance.random() < 0.3]
        found.append((f"user:p{chance.randrange(PEOPLE)}", *groups))
    return found


def visible(held: Corpus, principals: Sequence[str]) -> list[Held]:
    """The oracle: who is among a document's principals, or everyone is, sees it."""
    asker = {EVERYONE, *principals}
    return [one for one in held.documents if asker & set(one.principals)]


def marks_of(held: Corpus, documents: Sequence[Held]) -> set[str]:
    """All marks that these documents show."""
    return {mark for one in documents for mark in one.marks | held.contents[one.content].marks}


class Source:
    """The documents as a connector gives them."""

    source = "memory:acl"
    problems: tuple[str, ...] = ()

    def __init__(self, held: Corpus, documents: Sequence[Held]) -> None:
        self._held, self._documents = held, documents

    def items(self) -> Iterator[Item]:
        for at, one in enumerate(sorted(self._documents)):
            size = len(self._held.contents[one.content].text)
            yield Item(one.key, one.key, size, 1.7e9 + 86_400 * at, one.principals, {"author": one.author})

    def read(self, item: Item, into: Path) -> None:
        for one in self._documents:
            if one.key == item.key:
                into.write_text(self._held.contents[one.content].text, "utf-8")
                return
        raise NotFoundError(f"{item.key} is gone.")


def collected(home: Path, held: Corpus, documents: Sequence[Held]) -> tuple[Collection, FakeEncoder]:
    """A real collection of some of the documents, with a stand-in for the encoder."""
    encoder = FakeEncoder(dimension=32)
    collection = open_collection(home, "acl", encoder, create=True)
    sync(collection, Source(held, documents), Steps(parse, chunk, "acl-1"))
    return collection, encoder


def _marks(chance: random.Random) -> Iterator[str]:
    """Made-up words; every fourth is the one before with one letter changed."""
    seen: set[str] = set()
    last = ""
    while True:
        word = "q" + chance.choice("bcdfgklmnprst") + chance.choice("aeiou")
        word += "".join(chance.choice("bcdfgklmnprstvwxz") for _ in range(6))
        if last and len(seen) % 4 == 3:
            at = chance.randrange(3, 9)
            word = last[:at] + chance.choice("bcdfgklmnprstvwxz") + last[at + 1 :]
        if word not in seen:
            seen.add(word)
            last = word
            yield word


def _content(chance: random.Random, marks: Iterator[str], at: int) -> Content:
    own = [next(marks) for _ in range(4)]
    title = f"{chance.choice(KINDS)} {own[0].title()}"
    party = own[1].title()
    head = f'This agreement is made by and between {party} Gears, Inc. ("{party}") and Common Works Ltd.'
    paragraphs = [head]
    for n in range(chance.randint(1, 4)):
        words = chance.choices(COMMON, k=chance.randint(12, 40))
        words.insert(chance.randrange(len(words)), own[2 + n % 2])
        paragraphs.append(" ".join(words).capitalize() + ".")
    return Content("\n\n".join([title, *paragraphs]), title, frozenset(own))


def _held(chance: random.Random, marks: Iterator[str], at: int, content: int) -> Held:
    folder, author = next(marks), next(marks)
    everyone = [EVERYONE] if chance.random() < 0.15 else []
    people = [f"user:p{chance.randrange(PEOPLE)}" for _ in range(chance.choice((0, 1, 1, 2)))]
    groups = [f"group:g{chance.randrange(GROUPS)}" for _ in range(chance.choice((0, 0, 1, 1)))]
    principals = tuple(dict.fromkeys([*everyone, *people, *groups]))
    return Held(f"{folder}/{at}.txt", content, principals, f"Berta {author.title()}", frozenset((folder, author)))


def parse(path: Path, name: str) -> Parsed:
    from rightsized.apps.search.query.names import with_parties

    text = path.read_text("utf-8")
    return with_parties(Parsed(text, title=text.partition("\n")[0], blocks=(Block("paragraph", 0, len(text)),)))


def chunk(parsed: Parsed) -> Sequence[Passage]:
    found: list[Passage] = []
    for match in re.finditer(r"\S(?:.|\n(?!\n))*", parsed.text):
        text = match[0].rstrip()
        start = match.start()
        found.append(Passage(len(found), start, start + len(text), text, f"{parsed.title}\n{text}"))
    return found
