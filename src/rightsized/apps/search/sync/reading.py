"""Reads documents ahead in a thread of its own: bytes, digest, and where the content is new, parser and chunker.

What is inside a document comes out as a tree: its parts are documents too, with its principals.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import NamedTuple

from msgspec.structs import replace

from rightsized.apps.search.index import database
from rightsized.apps.search.index.backend import StoreReader
from rightsized.apps.search.index.originals import SEPARATOR, named_parts
from rightsized.apps.search.index.records import Fresh
from rightsized.apps.search.protocols import Connector
from rightsized.apps.search.sync.steps import Limits, Steps
from rightsized.apps.search.types import Item
from rightsized.core.errors import DiskFullError, DocumentError, NotFoundError, StoreError
from rightsized.ledger.database import is_disk_full
from rightsized.parsers.types import Part

AHEAD = 4  # documents read before they are needed
HASH_BYTES = 1 << 20


class Node(NamedTuple):
    """A document with what is inside it. `fresh` is None where the content is known, or could not be read: `reason`."""

    item: Item
    sha256: str
    fresh: Fresh | None = None
    children: tuple[Node, ...] = ()
    reason: str = ""
    detail: str = ""
    vanished: bool = False


class ReadAhead:
    """Iterates over the trees of items, in order; a context, so that the thread ends with it."""

    def __init__(self, items: Sequence[Item], read: Callable[[Item], Node]) -> None:
        self._items = items
        self._read = read
        self._queue: Queue[Node | BaseException] = Queue(AHEAD)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except Empty:
                continue

    def __iter__(self) -> Iterator[Node]:
        for _ in self._items:
            node = self._queue.get()
            if isinstance(node, BaseException):
                raise node
            yield node

    def _run(self) -> None:
        for item in self._items:
            try:
                node: Node | BaseException = self._read(item)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
                node = error
            while not self._stop.is_set():
                try:
                    self._queue.put(node, timeout=0.1)
                    break
                except Full:
                    continue
            if self._stop.is_set() or isinstance(node, BaseException):
                return


class TreeReader:
    """Reads one item and all that is inside it."""

    def __init__(
        self, connector: Connector, steps: Steps, limits: Limits, reader: StoreReader, folder: Path | None = None
    ) -> None:
        """`folder`: where documents lie while they are read; the system's for temporary files where none is given."""
        self._folder = folder
        self._connector = connector
        self._steps = steps
        self._limits = limits
        self._reader = reader

    def __call__(self, item: Item) -> Node:
        """The tree. What cannot be read carries its reason; one that went meanwhile is `vanished`.

        Raises DiskFullError where there is no room to read it in: that is no fault of the document.
        """
        with _room(self._folder) as folder:
            path = folder / "document"
            try:
                self._connector.read(item, path)
                digest = _digest(path)
            except NotFoundError:
                return Node(item, "", vanished=True)
            except (StoreError, OSError) as error:
                _unless_full(error, folder)
                return Node(item, "", reason="unreadable", detail=str(error))
            return self._node(item, path, digest, 0)

    def _node(self, item: Item, path: Path, digest: str, depth: int) -> Node:
        known = self._reader.content(digest, self._steps.recipe)
        if known is not None and known.complete and not (self._limits.retry and self._failed(known.number)):
            return Node(item, digest)
        name = item.key.rpartition("/")[2]
        kind = self._steps.media_type(path, name)
        try:
            parsed = self._steps.parse(path, name)
            passages = tuple(self._steps.chunk(parsed))
            _ = "".join((parsed.text, parsed.title, *parsed.metadata.values())).encode()
        except DocumentError as error:
            return Node(item, digest, reason=error.reason, detail=str(error))
        except UnicodeEncodeError:
            return Node(item, digest, reason="malformed", detail="Its text holds half a character.")
        path.unlink(missing_ok=True)
        children = tuple(self._part(item, part, path, depth + 1) for part in named_parts(parsed.parts))
        language = self._steps.language(parsed.text) or self._limits.language
        kept = replace(parsed, parts=())  # their bytes need not wait in memory
        fresh = Fresh(digest, self._steps.recipe, kind, language, kept, passages)
        return Node(item, digest, fresh, children)

    def _failed(self, content: int) -> bool:
        """Whether something inside a content, however deep, could not be read."""
        members = self._reader.members(content)
        return any(not member.child or self._failed(member.child) for member in members)

    def _part(self, above: Item, part: Part, path: Path, depth: int) -> Node:
        key = f"{above.key}{SEPARATOR}{part.name}"
        item = Item(key, above.version, len(part.data), above.modified, above.principals)
        digest = hashlib.sha256(part.data).hexdigest()
        if depth > self._limits.depth:
            return Node(item, digest, reason="bomb", detail=f"It lies more than {self._limits.depth} documents deep.")
        path.write_bytes(part.data)
        return self._node(item, path, digest, depth)


@contextlib.contextmanager
def _room(folder: Path | None) -> Iterator[Path]:
    """A folder of one document's own. Raises DiskFullError, StoreError."""
    try:
        made = tempfile.TemporaryDirectory(prefix="rightsized-sync-", dir=folder)
    except OSError as error:
        raise database.explain(error, (folder or Path(tempfile.gettempdir())) / "document") from error
    with made as name:
        yield Path(name)


def _unless_full(error: StoreError | OSError, folder: Path) -> None:
    """Raises DiskFullError where that is what the error comes from."""
    if isinstance(error, DiskFullError):
        raise error
    for one in (error, error.__cause__):
        if isinstance(one, OSError) and is_disk_full(one, folder):
            raise database.explain(one, folder / "document") from one


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        found = hashlib.sha256()
        while block := file.read(HASH_BYTES):
            found.update(block)
    return found.hexdigest()
