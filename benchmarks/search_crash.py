"""Figure 6 of document search: kill -9 at random moments of ingest and sync, and look at what is left.

A child process syncs a folder into a collection, and is killed with SIGKILL at a random moment. Between kills files are
added, changed, moved and deleted, so that some kills fall into a first ingest, others into an incremental sync. Twice
another encoder is set, so that kills fall into encoding everything anew beside the vectors that serve. After
each kill the whole collection is checked: the database in itself, each document complete or absent and equal to a
state that its file has had, the lexical index and the vectors equal to the database. Each text that goes through the
encoder is noted: one whose vector was on the disk before the kill must not be encoded again. At the end one sync runs
through, and the collection must hold exactly the files.

A killed process leaves what the operating system holds in memory; a power cut would not. For that the claim rests on
SQLite's synchronous=FULL, and on sidecars being made anew from the database.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness
from rightsized.apps.search.index.check import check
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.writer import digest
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Limits, Steps
from rightsized.apps.search.types import Filters, Item, Passage
from rightsized.core.errors import NotFoundError
from rightsized.core.protocols import Encoded
from rightsized.engines.fake import FakeEncoder
from rightsized.parsers.types import Parsed

KILLS, QUICK_KILLS = 50, 5
FILES, CHANGES = 1500, 250  # at the start, and between two kills
LATEST_SECONDS = 0.8  # a kill comes at most this long after the sync has begun
NAME = "docs"
DIMENSIONS, CHANGE_ENCODER = (16, 24), 20  # two encoders; after so many kills the other one takes over
PARAGRAPH = re.compile(r"\S(?:.|\n(?!\n))*")


class Folder:
    """The text files of a folder, as a source."""

    source = address = "folder:benchmark"
    problems: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> Iterator[Item]:
        for path in sorted(self._path.rglob("*.txt")):
            status = path.stat()
            version = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
            yield Item(str(path.relative_to(self._path)), version, status.st_size, status.st_mtime, ("everyone",))

    def read(self, item: Item, into: Path) -> None:
        try:
            into.write_bytes((self._path / item.key).read_bytes())
        except FileNotFoundError:
            raise NotFoundError(f"{item.key} is gone.") from None


class NotedEncoder(FakeEncoder):
    """Appends to a journal what it encodes: its dimension and the store's digest of the text."""

    def __init__(self, journal: Path, dimension: int) -> None:
        super().__init__(dimension=dimension)
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def encode_now(self, text: str) -> Encoded:
        os.write(self._journal, f"{self.dimension} {digest(text).hex()}\n".encode())
        return super().encode_now(text)

    def close(self) -> None:
        os.close(self._journal)


def parse(path: Path, name: str) -> Parsed:
    """Plain text."""
    return Parsed(path.read_text("utf-8"), title=name)


def chunk(parsed: Parsed) -> Sequence[Passage]:
    """A passage a paragraph."""
    found = [(match.start(), match[0].rstrip()) for match in PARAGRAPH.finditer(parsed.text)]
    return [Passage(n, at, at + len(text), text, text) for n, (at, text) in enumerate(found)]


def sync_until_killed(home: str, folder: str, journal: str, dimension: int) -> None:
    """The child: prints `ready` and syncs; prints `done` where nobody killed it."""
    encoder = NotedEncoder(Path(journal), dimension)
    collection = open_collection(Path(home), NAME, encoder, create=True)
    os.write(1, b"ready\n")
    sync(collection, Folder(Path(folder)), Steps(parse, chunk, "benchmark-1"), limits=Limits(batch=32))
    collection.close()
    os.write(1, b"done\n")


@dataclasses.dataclass
class Tally:
    """What the kills found."""

    findings: list[str] = dataclasses.field(default_factory=list)
    documents: list[int] = dataclasses.field(default_factory=list)  # in the collection after each kill
    ended: int = 0  # syncs that had ended before the kill came
    encoded: int = 0
    again: int = 0  # texts encoded although their vectors had been committed


class World:
    """The files, what each has ever held, and the changes between kills."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._draw = folder, random.Random(seed)
        self.ever: set[str] = set()  # sha256 of every content that a file has had
        self._number = 0
        folder.mkdir()
        for _ in range(FILES):
            self._write(self._new())

    def change(self) -> None:
        """Add, change, move and delete some files."""
        for _ in range(CHANGES):
            paths = sorted(self._folder.rglob("*.txt"))
            path, kind = self._draw.choice(paths), self._draw.random()
            if kind < 0.35:
                self._write(self._new())
            elif kind < 0.6:
                self._write(path)
            elif kind < 0.8:
                path.rename(self._new())
            else:
                path.unlink()

    def _new(self) -> Path:
        self._number += 1
        return self._folder / f"{self._number:05}.txt"

    def _write(self, path: Path) -> None:
        paragraphs = (f"Paragraph {self._draw.random()} of {path.stem}" for _ in range(self._draw.randint(1, 12)))
        text = "\n\n".join(paragraphs)
        self.ever.add(hashlib.sha256(text.encode()).hexdigest())
        path.write_text(text, "utf-8")


def start(place: Path, dimension: int) -> subprocess.Popen[bytes]:
    """The child, about to sync."""
    arguments = ", ".join(repr(str(place / name)) for name in ("home", "files", "journal"))
    code = f"from benchmarks.search_crash import sync_until_killed; sync_until_killed({arguments}, {dimension})"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=harness.ROOT)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


def committed(home: Path) -> set[str]:
    """Texts whose vectors are on the disk, as the journal names them."""
    path = home / "search" / NAME / "index.sqlite"
    if not path.exists():
        return set()
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(
            """SELECT e.dimension, hex(p.digest) FROM passages p JOIN vectors v ON v.content = p.content
               AND v.part = p.ordinal / 256 JOIN encoders e ON e.number = v.encoder"""
        )
        return {f"{dimension} {key.lower()}" for dimension, key in rows}
    finally:
        connection.close()


def noted(journal: Path) -> list[str]:
    """What the journal says so far."""
    return journal.read_text().splitlines() if journal.exists() else []


def opened(home: Path) -> Collection:
    """The collection as the next process finds it."""
    return open_collection(home, NAME, FakeEncoder(dimension=DIMENSIONS[0]))


def look(home: Path, world: World, tally: Tally) -> None:
    """Check the whole collection after a kill."""
    collection = opened(home)
    tally.findings += check(collection.folder)
    view = collection.view([])
    documents = view.documents(Filters())
    for document in documents:
        text = view.text(document.id)
        if hashlib.sha256(text.encode()).hexdigest() != document.content or document.content not in world.ever:
            tally.findings.append(f"{document.key} holds a text that no file has had.")
        if [found.passage.text for found in view.passages(document.id)] != text.split("\n\n"):
            tally.findings.append(f"{document.key} has not all its passages.")
    tally.documents.append(len(documents))
    collection.close()


def kill_once(place: Path, dimension: int, delay: float, tally: Tally) -> None:
    """Start a sync, kill it after `delay` seconds, and note what it encoded."""
    home, journal = place / "home", place / "journal"
    have, before = committed(home), len(noted(journal))
    child = start(place, dimension)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    rest = child.communicate()[0]
    tally.ended += rest == b"done\n"
    encoded = noted(journal)[before:]
    tally.encoded += len(encoded)
    tally.again += len(have & set(encoded))


def run(kills: int, seed: int, place: Path) -> dict[str, Any]:
    """All kills, then one sync to the end."""
    draw, tally = random.Random(seed), Tally()
    home, folder = place / "home", place / "files"
    world = World(folder, seed)
    for number in range(kills):
        dimension = DIMENSIONS[number // CHANGE_ENCODER % len(DIMENSIONS)]
        if number % 3 == 2:
            world.change()
        if number % 10 == 9:  # now and then a sync goes through, so that later kills fall into small changes
            start(place, dimension).communicate()
        kill_once(place, dimension, draw.uniform(0.0, LATEST_SECONDS), tally)
        look(home, world, tally)
    start(place, DIMENSIONS[0]).communicate()
    look(home, world, tally)
    collection = opened(home)
    keys = {document.key for document in collection.view([]).documents(Filters())}
    collection.close()
    listed = {item.key for item in Folder(folder).items()}
    return {
        "kills": kills,
        "syncs_ended_before_the_kill": tally.ended,
        "files": len(listed),
        "files_missing_at_the_end": len(listed - keys),
        "documents_too_many_at_the_end": len(keys - listed),
        "findings": len(tally.findings),
        "first_findings": tally.findings[:10],
        "texts_encoded": tally.encoded,
        "texts_encoded_again_though_committed": tally.again,
        "documents_after_each_kill": tally.documents,
    }


def main() -> int:
    """Entry of `python -m benchmarks.search_crash`."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--kills", type=int, default=None, help=f"how often (default {KILLS}, quick {QUICK_KILLS})")
        parser.add_argument("--seed", type=int, default=1, help="seed of files, changes and moments")

    given = harness.options("search_crash", "Collections after kill -9 during ingest and sync.", configure)
    kills = given.extra.kills or (QUICK_KILLS if given.quick else KILLS)
    with tempfile.TemporaryDirectory() as place:
        result = run(kills, given.extra.seed, Path(place))
    harness.finish(given, result, [f"{key:38} {value}" for key, value in result.items()])
    wrong = ("findings", "files_missing_at_the_end", "documents_too_many_at_the_end")
    return int(any(result[key] for key in (*wrong, "texts_encoded_again_though_committed")))


if __name__ == "__main__":
    sys.exit(main())
