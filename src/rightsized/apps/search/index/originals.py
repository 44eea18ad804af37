"""The bytes of documents as they came, read from their sources again: the collection keeps none of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from rightsized.apps.search.protocols import Connector, Parser
from rightsized.apps.search.types import Document, Item
from rightsized.core.errors import StoreError
from rightsized.parsers.types import Part

SEPARATOR = "!/"  # between a document's key and the name of what is inside it


class Originals:
    """Connectors by the source that each reads, and the parser that finds what is inside a document."""

    def __init__(self) -> None:
        self._connectors: dict[str, tuple[Connector, Parser]] = {}

    def attach(self, connector: Connector, parse: Parser) -> None:
        """Read documents of the connector's source through it from now on."""
        self._connectors[connector.source] = (connector, parse)

    def read(self, chain: Sequence[Document]) -> bytes:
        """The bytes of the last of a chain of documents, each inside the one before.

        Raises StoreError where the source is not attached or has it no more, NotFoundError where it went meanwhile.
        """
        outermost = chain[0]
        if outermost.source not in self._connectors:
            raise StoreError(
                f"The source {outermost.source} is not attached.", fix="Open the collection with its sources."
            )
        connector, parse = self._connectors[outermost.source]
        with tempfile.TemporaryDirectory(prefix="rightsized-") as folder:
            path = Path(folder) / "original"
            connector.read(Item(outermost.key, "", outermost.size, outermost.modified), path)
            for above, inner in pairwise(chain):
                path.write_bytes(_member(parse, path, above, inner))
            return path.read_bytes()


def _member(parse: Parser, path: Path, above: Document, inner: Document) -> bytes:
    name = inner.key.removeprefix(above.key + SEPARATOR)
    for part in named_parts(parse(path, above.key.rpartition("/")[2]).parts):
        if part.name == name:
            return part.data
    raise StoreError(f"{above.key} no longer holds {name}.", fix="Sync the collection.")


def named_parts(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts with names that are there once: a second `scan.pdf` becomes `scan.pdf (2)`."""
    taken: dict[str, int] = {}
    for part in parts:
        count = taken[part.name] = taken.get(part.name, 0) + 1
        yield part if count == 1 else Part(f"{part.name} ({count})", part.media_type, part.data)
