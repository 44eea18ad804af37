"""A source in memory, a parser of plain text, and a chunker by paragraphs, for tests of the index and of sync."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rightsized.apps.search.sync.steps import Steps
from rightsized.apps.search.types import Item, Passage
from rightsized.core.errors import DocumentError, NotFoundError
from rightsized.core.protocols import Encoded
from rightsized.engines.fake import FakeEncoder
from rightsized.parsers.types import Block, Parsed, Part

PART = re.compile(r"^=== (\S+)$", re.MULTILINE)


class MemorySource:
    """Documents by key; `put`, `move` and `remove` change them as a folder's would."""

    problems: tuple[str, ...] = ()

    def __init__(self, source: str = "memory:one") -> None:
        self.source = source
        self.files: dict[str, tuple[bytes, int, tuple[str, ...], dict[str, str]]] = {}
        self.reads: list[str] = []
        self._version = 0

    def put(self, key: str, text: str, *principals: str, **metadata: str) -> None:
        self._version += 1
        self.files[key] = (text.encode(), self._version, principals or ("everyone",), metadata)

    def share(self, key: str, *principals: str) -> None:
        data, version, _, metadata = self.files[key]
        self.files[key] = (data, version, principals, metadata)

    def move(self, before: str, after: str) -> None:
        self.files[after] = self.files.pop(before)

    def remove(self, key: str) -> None:
        del self.files[key]

    def items(self) -> Iterator[Item]:
        for key, (data, version, principals, metadata) in sorted(self.files.items()):
            yield Item(key, str(version), len(data), 1000.0 + version, principals, metadata)

    def read(self, item: Item, into: Path) -> None:
        self.reads.append(item.key)
        if item.key not in self.files:
            raise NotFoundError(f"{item.key} is gone.")
        into.write_bytes(self.files[item.key][0])


class CountingEncoder(FakeEncoder):
    """Keeps what it was asked to encode."""

    def __init__(self, dimension: int = 32) -> None:
        super().__init__(dimension=dimension)
        self.texts: list[str] = []

    def encode_now(self, text: str) -> Encoded:
        self.texts.append(text)
        return super().encode_now(text)


def parse(path: Path, name: str) -> Parsed:
    """Plain text; the first line is the title; `=== name` begins what lies inside; `BROKEN` cannot be read."""
    text = path.read_bytes().decode()
    if text.startswith("BROKEN"):
        raise DocumentError(f"{name} is broken.", reason="malformed")
    own, *rest = PART.split(text)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    parts = tuple(Part(part, "text/plain", body.strip("\n").encode()) for part, body in pairs)
    title, _, _ = own.partition("\n")
    blocks = (Block("paragraph", 0, len(own)),)
    return Parsed(own, title=title, blocks=blocks, metadata={"parser": "plain"}, parts=parts)


def chunk(parsed: Parsed) -> Sequence[Passage]:
    """A passage for each paragraph that has words."""
    found = []
    for match in re.finditer(r"\S(?:.|\n(?!\n))*", parsed.text):
        text = match[0].rstrip()
        start = match.start()
        found.append(Passage(len(found), start, start + len(text), text, f"{parsed.title}\n{text}"))
    return found


STEPS = Steps(parse, chunk, "plain-1")
