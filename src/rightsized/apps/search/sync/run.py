"""One sync of one source: incremental, resumable, cancellable.

Everything is committed in steps that each leave the collection whole, so that a sync that is stopped, or killed, goes
on the next time where it was: what is unchanged is not read, and what has been embedded is not embedded again.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from rightsized.apps.search.index import database
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.index.originals import SEPARATOR
from rightsized.apps.search.index.reader import Reader
from rightsized.apps.search.index.records import Listed
from rightsized.apps.search.index.writer import Writer
from rightsized.apps.search.protocols import Connector
from rightsized.apps.search.sync.embedding import Embedder
from rightsized.apps.search.sync.plan import Known, Plan, plan
from rightsized.apps.search.sync.reading import Node, ReadAhead, TreeReader
from rightsized.apps.search.sync.reembed import serve
from rightsized.apps.search.sync.steps import Limits, Steps, SyncReport, never
from rightsized.apps.search.sync.storing import Batch, relabelled
from rightsized.apps.search.types import DeadLetter
from rightsized.core.protocols import Progress, no_progress

BATCH_DOCUMENTS = 100  # documents committed together at most
BATCH_SECONDS = 2.0  # and how long the first of them waits for others
FLUSH_SECONDS = 5.0  # between two updates of the sidecars while a sync runs
READING = "reading"  # in the collection's folder: documents lie there while they are read, for its owner alone
FLUSH_SHARE = 0.1  # of a sync's time at most goes into updates of the sidecars


def sync(
    collection: Collection,
    connector: Connector,
    steps: Steps,
    *,
    limits: Limits | None = None,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> SyncReport:
    """Make the collection hold what the source holds now.

    Where the collection was opened with another encoder than the one whose vectors serve, the rest is encoded anew at
    the end, and then the new ones serve.

    Raises:
        HomeLockedError: another process writes to the collection.
        StoreError: the source cannot be listed whole; nothing was changed.
        DiskFullError: what was committed until then stays; the next sync goes on from there.
    """
    with collection.writing() as writer:
        run = _Run(collection, connector, steps, limits or Limits(), writer)
        try:
            return run(progress, cancelled)
        finally:
            run.close()
            collection.refresh()


class _Run:
    def __init__(
        self, collection: Collection, connector: Connector, steps: Steps, limits: Limits, writer: Writer
    ) -> None:
        self._connector = connector
        self._steps = steps
        self._limits = limits
        self._writer = writer
        self._collection = collection
        self._source = writer.source(connector.source)
        self._embedder = Embedder(collection.encoder, writer, limits.threads)
        self._sidecars = collection.sidecars(writer)
        self._flushed = time.monotonic()
        self._pause = FLUSH_SECONDS
        self._report = SyncReport(connector.source)
        collection.originals.attach(connector, steps.parse)
        self._reading = collection.folder / READING
        self._clear()  # what a killed sync left: while the writer is held, nobody else reads there
        with database.explained(self._reading):
            self._reading.mkdir(exist_ok=True)

    def close(self) -> None:
        self._clear()
        self._embedder.close()
        self._sidecars.close()

    def _clear(self) -> None:
        shutil.rmtree(self._reading, ignore_errors=True)

    def __call__(self, progress: Progress, cancelled: Callable[[], bool]) -> SyncReport:
        began = time.monotonic()
        known = Known(self._writer.listed(self._source))
        dead, again = self._dead(), frozenset[str]()
        if self._limits.retry:
            dead, again = {}, frozenset(key.partition(SEPARATOR)[0] for key in dead if SEPARATOR in key)
        todo = plan(
            self._connector, known, dead, self._steps.recipe, progress, emptied=self._limits.emptied, again=again
        )
        self._report = replace(self._report, problems=self._connector.problems)
        counts = {"listed": len(todo.listed), "relabelled": len(todo.relabel), "failed": todo.dead}
        self._note(**counts, unchanged=todo.unchanged)
        self._relabel(todo, known)
        movable = self._delete_first(todo, known)
        if todo.relabel or todo.gone:
            self._flush(0.0)  # what was withdrawn is in no index any more, before the long part begins
        whole = self._read(todo, known, movable, progress, cancelled)
        if whole:
            self._delete([known.by_key[key] for keys in movable.values() for key in keys], known)
            self._forget(todo)
            self._writer.sweep()
            self._writer.synced(self._source)
            whole = serve(self._writer, self._embedder, progress, cancelled)
        self._flush(0.0)
        self._writer.reclaim()
        seconds = time.monotonic() - began
        return replace(self._report, seconds=seconds, cancelled=not whole, encoded=self._embedder.encoded)

    def _dead(self) -> dict[str, DeadLetter]:
        return {letter.key: letter for letter in self._writer.reader.dead(self._connector.source)}

    def _note(self, **counts: int) -> None:
        self._report = replace(self._report, **{name: getattr(self._report, name) + n for name, n in counts.items()})

    def _relabel(self, todo: Plan, known: Known) -> None:
        """Other permissions and metadata first: they cost nothing, and who may see less shall see less at once."""
        for at in range(0, len(todo.relabel), BATCH_DOCUMENTS):
            items = todo.relabel[at : at + BATCH_DOCUMENTS]
            puts = [put for item in items for put in relabelled(self._writer, item, known.by_key[item.key])]
            self._writer.put_documents(self._source, puts)

    def _delete_first(self, todo: Plan, known: Known) -> dict[str, list[str]]:
        """Delete what is gone and cannot have been moved; returns the keys of the rest by sha256.

        What was moved has the size of something new.
        """
        sizes = {item.size for item in todo.read if item.key not in known.by_key}
        self._delete([old for old in todo.gone.values() if old.size not in sizes], known)
        movable: dict[str, list[str]] = {}
        for key, old in todo.gone.items():
            if old.size in sizes:
                movable.setdefault(old.sha256, []).append(key)
        return movable

    def _delete(self, gone: Sequence[Listed], known: Known) -> None:
        for at in range(0, len(gone), BATCH_DOCUMENTS):
            some = [old.number for one in gone[at : at + BATCH_DOCUMENTS] for old in known.family(one.key)]
            self._writer.delete_documents(some)
        self._note(deleted=len(gone))

    def _forget(self, todo: Plan) -> None:
        """Take off the list of dead letters what the source no longer has."""
        gone = [key for key in self._dead() if key.partition(SEPARATOR)[0] not in todo.listed]
        self._writer.revive(self._source, gone)

    def _read(
        self,
        todo: Plan,
        known: Known,
        movable: dict[str, list[str]],
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> bool:
        """Read and store all that is new or changed; False where it was stopped."""
        batch = Batch(self._writer, self._embedder, (self._source, self._connector.source), self._steps.recipe)
        done, total = 0, len(todo.read)
        with contextlib.closing(Reader(self._writer.path)) as reader:
            tree_reader = TreeReader(self._connector, self._steps, self._limits, reader, self._reading)
            with ReadAhead(todo.read, tree_reader) as trees:
                for some in gathered(trees, self._limits.batch):
                    counts = None if cancelled() else batch.store(some, known, movable, cancelled)
                    if counts is None:
                        return False
                    self._note(**counts._asdict())
                    done += len(some)
                    progress("documents", done, total)
                    self._flush(self._pause)
        return True

    def _flush(self, pause: float) -> None:
        """Bring the sidecars up, unless that was done less than `pause` seconds ago."""
        began = time.monotonic()
        if began - self._flushed < pause:
            return
        self._sidecars.update()
        self._collection.refresh()
        self._flushed = time.monotonic()
        self._pause = max(FLUSH_SECONDS, (self._flushed - began) / FLUSH_SHARE)


def gathered(trees: Iterable[Node], passages: int) -> Iterator[list[Node]]:
    """Trees in batches that end at a number of passages, of documents, or after some time."""
    batch: list[Node] = []
    count, began = 0, time.monotonic()
    for tree in trees:
        batch.append(tree)
        count += size(tree)
        if count >= passages or len(batch) >= BATCH_DOCUMENTS or time.monotonic() - began > BATCH_SECONDS:
            yield batch
            batch, count, began = [], 0, time.monotonic()
    if batch:
        yield batch


def size(tree: Node) -> int:
    """New passages of a document and of all that is inside it."""
    own = len(tree.fresh.passages) if tree.fresh is not None else 0
    return own + sum(size(child) for child in tree.children)
