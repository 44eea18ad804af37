"""Killed at any moment, a collection is whole: each document complete or absent, nothing committed is done twice."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from index_samples import CountingEncoder
from killed_sync import Folder

from rightsized.apps.search.index import dense, lexical
from rightsized.apps.search.index.check import check
from rightsized.apps.search.index.collection import open_collection
from rightsized.apps.search.index.lexical_writer import LexicalWriter
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.types import Filters
from rightsized.engines.fake import FakeEncoder

KILLS = 6
PROGRAM = Path(__file__).with_name("killed_sync.py")


def write_files(folder: Path, count: int, seed: int) -> None:
    """Files that share no paragraph, so that each encoded twice shows."""
    draw = random.Random(seed)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        body = "\n\n".join(f"Paragraph {seed} {number} {at} {draw.random()}" for at in range(draw.randint(1, 8)))
        (folder / f"{number:03}.txt").write_text(f"File {seed}-{number}\n\n{body}")


def start(home: Path, folder: Path, journal: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(home), str(folder), str(journal)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def committed(home: Path) -> set[bytes]:
    """Digests of the texts whose vectors are on the disk."""
    connection = sqlite3.connect(home / "search" / "docs" / "index.sqlite")
    try:
        rows = connection.execute(
            """SELECT p.digest FROM passages p JOIN vectors v ON v.content = p.content AND v.part = p.ordinal / 256"""
        ).fetchall()
        return {row[0] for row in rows}
    finally:
        connection.close()


def encoded(journal: Path) -> Counter[str]:
    return Counter(journal.read_text().splitlines()) if journal.exists() else Counter()


@pytest.mark.slow
def test_killed_while_it_syncs(tmp_path: Path) -> None:
    folder, home, journal = tmp_path / "files", tmp_path / "home", tmp_path / "journal"
    write_files(folder, 150, 1)
    draw = random.Random(7)
    texts: dict[str, bytes] = {}
    for kill in range(KILLS):
        if kill == KILLS // 2:  # from here on the kills fall into changes, moves and deletes
            finished = start(home, folder, journal)
            assert "added" in finished.communicate(timeout=60)[0]
            write_files(folder, 60, 2)
            for number in range(60, 90):
                shutil.move(folder / f"{number:03}.txt", folder / f"moved-{number:03}.txt")
            for number in range(90, 110):
                (folder / f"{number:03}.txt").unlink()
        before = encoded(journal)
        have = committed(home) if (home / "search").exists() else set()
        process = start(home, folder, journal)
        time.sleep(draw.uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = encoded(journal) - before
        known = {key: digest for key, digest in texts.items() if digest in have}
        assert not set(again) & set(known), "what was committed was encoded again"
        collection = open_collection(home, "docs", FakeEncoder(dimension=16))
        assert check(collection.folder) == []
        view = collection.view([])
        for document in view.documents(Filters()):
            text = view.text(document.id)
            assert hashlib.sha256(text.encode()).hexdigest() == document.content
            assert [found.passage.text for found in view.passages(document.id)] == text.split("\n\n")
        collection.close()
        texts |= _journal_digests(folder)
    last = start(home, folder, journal)
    last.communicate(timeout=60)
    collection = open_collection(home, "docs", FakeEncoder(dimension=16))
    assert check(collection.folder) == []
    keys = {document.key for document in collection.view([]).documents(Filters())}
    assert keys == {item.key for item in Folder(folder).items()}
    collection.close()


def _journal_digests(folder: Path) -> dict[str, bytes]:
    """For each passage of the files: what the journal calls it, and what the store does."""
    from index_samples import chunk, parse

    from rightsized.apps.search.index.writer import digest

    indexed = [one.indexed for path in folder.rglob("*.txt") for one in chunk(parse(path, path.name))]
    return {hashlib.sha256(text.encode()).hexdigest(): digest(text) for text in indexed}


def synced(tmp_path: Path) -> Path:
    """A small collection, closed; returns its folder."""
    write_files(tmp_path / "files", 10, 3)
    process = start(tmp_path / "home", tmp_path / "files", tmp_path / "journal")
    process.communicate(timeout=60)
    return tmp_path / "home" / "search" / "docs"


@pytest.mark.parametrize("damage", ["lexical gone", "vectors gone", "lexical torn", "vectors short", "stamp torn"])
def test_sidecars_are_made_anew_from_the_database(tmp_path: Path, damage: str) -> None:
    folder = synced(tmp_path)
    words, vectors = folder / lexical.FOLDER, folder / dense.FOLDER
    if damage == "lexical gone":
        shutil.rmtree(words)
    elif damage == "vectors gone":
        shutil.rmtree(vectors)
    elif damage == "lexical torn":
        (meta,) = words.glob("*/meta.json")
        meta.write_text("{")
    elif damage == "vectors short":
        (path,) = vectors.glob("*/vectors.i8")
        path.write_bytes(path.read_bytes()[:-1])
    else:
        (words / lexical.STAMP).write_text("{")
        (vectors / dense.STAMP).write_text("{")
    encoder = CountingEncoder(16)
    collection = open_collection(tmp_path / "home", "docs", encoder)
    assert check(folder) == []
    view, question = collection.view([]), FakeEncoder(dimension=16).encode_now("file").vector
    assert len(view.lexical(Terms("file"), Filters(), 100).rows) == len(view.dense(question, Filters(), 100).rows) > 10
    assert encoder.texts == []  # nothing was encoded again
    collection.close()


def test_files_that_a_killed_commit_left_are_not_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = synced(tmp_path)
    before = lexical.read_stamp(folder / lexical.FOLDER)
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute("UPDATE state SET generation = generation + 1")
    connection.commit()
    connection.close()

    def left(self: LexicalWriter, *_: object) -> None:
        raise ValueError("FileAlreadyExists")  # as tantivy says it

    monkeypatch.setattr(LexicalWriter, "_go_on", left)
    open_collection(tmp_path / "home", "docs", FakeEncoder(dimension=16)).close()
    after = lexical.read_stamp(folder / lexical.FOLDER)
    assert before is not None
    assert after is not None
    assert after.part != before.part
    assert check(folder) == []


def test_the_check_sees_damage(tmp_path: Path) -> None:
    folder = synced(tmp_path)
    assert check(folder) == []
    (path,) = (folder / dense.FOLDER).glob("*/vectors.i8")
    data = bytearray(path.read_bytes())
    data[0] ^= 0x40
    path.write_bytes(data)
    assert any("not those of the database" in finding for finding in check(folder))
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute("DELETE FROM vectors WHERE content = 3")
    connection.execute("UPDATE state SET generation = generation + 1")
    connection.commit()
    connection.close()
    found = check(folder)
    assert any("not a vector for each" in finding for finding in found)
    assert any("does not hold generation" in finding for finding in found)
