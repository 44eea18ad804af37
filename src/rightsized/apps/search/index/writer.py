"""The one writer of a collection's database: each method is one transaction, on the disk when it returns.

A content comes in three steps, so that a crash in the middle costs little: its text and passages, its vectors stretch
by stretch, and the mark that it is complete. Documents point at complete contents only: none is ever half there.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index import database
from rightsized.apps.search.index.migrations import migrate
from rightsized.apps.search.index.reader import PART_CHARS, STRETCH, WHOLE, Reader, pack, unpack
from rightsized.apps.search.index.records import Content, Fresh, Listed, Member, Put
from rightsized.apps.search.types import DeadLetter, Passage
from rightsized.core import sqlite

DIGEST_BYTES = 16
ID_BYTES = 10
KEPT_TOMBSTONES = 100_000
COMPRESSION = 6  # of zlib
PRIVATE_FOLDER = 0o700  # for its owner alone, whatever the home lets others do

_strings = msgspec.json.Decoder(dict[str, str])
_list = msgspec.json.Decoder(tuple[str, ...])


class Writer:
    """Holds the lock of the collection from the first moment until `close`."""

    def __init__(self, path: Path) -> None:
        """Raises HomeLockedError where another process writes."""
        with database.explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(PRIVATE_FOLDER)  # it holds what others may not see
        self.path = path
        self._lock = database.lock_writer(path)
        try:
            self._connection = database.open_writer(path)
            with database.explained(path):
                migrate(self._connection)
        except BaseException:
            self._lock.release()
            raise
        self.reader = Reader(path, self._connection)

    def close(self) -> None:
        self._connection.close()
        self._lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Several calls in one transaction."""
        with self._transaction():
            yield

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._connection.in_transaction:  # part of a greater one
            yield self._connection
            return
        with database.explained(self.path), sqlite.transaction(self._connection):
            yield self._connection

    def source(self, name: str) -> int:
        """The number of a source, which is noted where it is new."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (name,))
            (number,) = connection.execute("SELECT number FROM sources WHERE name = ?", (name,)).fetchone()
        return int(number)

    def synced(self, source: int) -> None:
        """Note that all of a source has been gone through."""
        with self._transaction() as connection:
            connection.execute("UPDATE sources SET synced = ? WHERE number = ?", (time.time(), source))

    def listed(self, source: int) -> dict[str, Listed]:
        """The documents of a source by key."""
        rows = self.reader.rows(
            """SELECT d.number, d.key, d.version, d.content, c.recipe, c.sha256, d.size, d.parent, k.principals,
               d.metadata FROM documents d JOIN classes k ON k.number = d.class JOIN contents c ON c.number = d.content
               WHERE d.source = ?""",
            (source,),
        )
        return {row[1]: Listed._make((*row[:8], _list.decode(row[8]), _strings.decode(row[9]))) for row in rows}

    def content(self, sha256: str, recipe: str) -> Content | None:
        """What there is of a content as this recipe reads it."""
        return self.reader.content(sha256, recipe)

    def add_content(self, fresh: Fresh) -> Content:
        """Store text and passages of a content, as yet without vectors."""
        parsed = fresh.parsed
        layout = zlib.compress(msgspec.msgpack.encode((parsed.blocks, parsed.lines)), COMPRESSION)
        with self._transaction() as connection:
            cursor = connection.execute(
                """INSERT INTO contents (sha256, recipe, title, media_type, language, date, pages, characters, metadata,
                   notes, layout, first_row, passages, changed)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, (SELECT generation FROM state))""",
                (
                    *(fresh.sha256, fresh.recipe, parsed.title, fresh.media_type, fresh.language, parsed.date),
                    *(parsed.pages, len(parsed.text), _json(parsed.metadata), _json(parsed.notes), layout),
                    len(fresh.passages),
                ),
            )
            number = int(cursor.lastrowid or 0)
            connection.executemany("INSERT INTO texts VALUES (?, ?, ?)", _text_rows(number, parsed.text))
            connection.executemany(
                """INSERT INTO passages (content, ordinal, "start", "end", page, number, path, header, lead, digest)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (_passage_row(number, passage) for passage in fresh.passages),
            )
            connection.execute(
                """UPDATE contents SET first_row = (SELECT coalesce(min(row), 0) FROM passages
                   WHERE content = contents.number) WHERE number = ?""",
                (number,),
            )
        return Content(number, False, len(fresh.passages))

    def drop_content(self, content: int) -> None:
        """Forget a content that never became complete."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM contents WHERE number = ? AND complete = 0", (content,))

    def lacking(self, content: int, encoder: int) -> list[int]:
        """First ordinals of the stretches of a content that have no vectors of an encoder."""
        ((passages,),) = self.reader.rows("SELECT passages FROM contents WHERE number = ?", (content,))
        sql = "SELECT part FROM vectors WHERE content = ? AND encoder = ?"
        have = {row[0] for row in self.reader.rows(sql, (content, encoder))}
        return [at for at in range(0, passages, STRETCH) if at // STRETCH not in have]

    def known_vectors(
        self, encoder: int, dimension: int, texts: Sequence[str]
    ) -> dict[int, tuple[NDArray[np.int8], np.float32]]:
        """Vectors of those texts that were encoded before, by their place in `texts`."""
        places: dict[bytes, list[int]] = {}
        for at, text in enumerate(texts):
            places.setdefault(digest(text), []).append(at)
        found: dict[int, tuple[NDArray[np.int8], np.float32]] = {}
        sql = """SELECT p.ordinal, v.data FROM passages p JOIN vectors v
                 ON v.encoder = ? AND v.content = p.content AND v.part = p.ordinal / ? WHERE p.digest = ? LIMIT 1"""
        for key, same in places.items():
            for ordinal, data in self.reader.rows(sql, (encoder, STRETCH, key)):
                vectors, scales = unpack(data, dimension)
                found |= dict.fromkeys(same, (vectors[ordinal % STRETCH], scales[ordinal % STRETCH]))
        return found

    def encoder(self, digest: str, dimension: int) -> int:
        """The number of an encoder, noted where it is new. The first one serves at once."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO encoders (digest, dimension) VALUES (?, ?)", (digest, dimension))
            (number,) = connection.execute("SELECT number FROM encoders WHERE digest = ?", (digest,)).fetchone()
            connection.execute("UPDATE serving SET encoder = ? WHERE encoder = 0", (number,))
        return int(number)

    def add_vectors(
        self, encoder: int, stretches: Sequence[tuple[int, int, NDArray[np.int8], NDArray[np.float32]]]
    ) -> None:
        """Store stretches of vectors: (content, first ordinal, int8 rows, scales)."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
                [(encoder, content, at // STRETCH, pack(rows, scales)) for content, at, rows, scales in stretches],
            )
            if connection.execute("SELECT 1 FROM serving WHERE encoder = ?", (encoder,)).fetchone():
                late = {content for content, *_ in stretches if self._shown(content)}
                if late:  # complete under another encoder: the sidecar must learn of these vectors
                    _bump(connection, late)

    def _shown(self, content: int) -> bool:
        return bool(self.reader.rows("SELECT 1 FROM contents WHERE number = ? AND complete = 1", (content,)))

    def serve(self, encoder: int) -> None:
        """Let an encoder's vectors serve, and delete those of all others."""
        with self._transaction() as connection:
            connection.execute("UPDATE serving SET encoder = ?", (encoder,))
            connection.execute("DELETE FROM vectors WHERE encoder <> ?", (encoder,))
            connection.execute("DELETE FROM encoders WHERE number <> ?", (encoder,))
            connection.execute("UPDATE state SET generation = generation + 1")

    def reclaim(self) -> int:
        """Give pages that are free back to the file system, and forget old tombstones; returns bytes given back.

        Sidecars older than the tombstones that are left are made anew from the database.
        """
        with self._transaction() as connection:
            connection.execute(
                """DELETE FROM tombstones WHERE content NOT IN
                   (SELECT content FROM tombstones ORDER BY generation DESC LIMIT ?)""",
                (KEPT_TOMBSTONES,),
            )
            connection.execute(
                "UPDATE state SET oldest = coalesce((SELECT min(generation) FROM tombstones), generation)"
            )
        with database.explained(self.path):
            size = self._connection.execute("PRAGMA page_size").fetchone()[0]
            (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
            self._connection.executescript("PRAGMA incremental_vacuum;")  # `execute` would free one page
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return int(size * free)

    def complete(self, content: int, members: Sequence[Member] = ()) -> None:
        """All of a content is there; documents may point at it."""
        with self._transaction() as connection:
            connection.execute("UPDATE contents SET complete = 1 WHERE number = ?", (content,))
            connection.executemany(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?)", [(content, *member) for member in members]
            )

    def put_documents(self, source: int, puts: Sequence[Put]) -> None:
        """Let documents point at contents, all in one step, parents first; a document that was moved keeps its id.

        Contents that nothing points at any more are deleted.
        """
        with self._transaction() as connection:
            touched = set()
            for put in puts:
                touched |= _put(connection, source, put)
            _bump(connection, touched)
            _drop_unused(connection, touched)

    def delete_documents(self, numbers: Sequence[int]) -> None:
        """Take documents away, and contents that no document and no other content needs."""
        with self._transaction() as connection:
            touched = set()
            for number in numbers:
                rows = connection.execute("SELECT content FROM documents WHERE number = ?", (number,)).fetchall()
                touched |= {row[0] for row in rows}
                connection.execute("DELETE FROM documents WHERE number = ?", (number,))
            _bump(connection, touched)
            _drop_unused(connection, touched)

    def sweep(self) -> int:
        """Delete contents that nothing points at, left by an interrupted sync; returns how many."""
        with self._transaction() as connection:
            rows = connection.execute(
                """SELECT number FROM contents c WHERE NOT EXISTS (SELECT 1 FROM documents WHERE content = c.number)
                   AND NOT EXISTS (SELECT 1 FROM members WHERE child = c.number)"""
            ).fetchall()
            _drop_unused(connection, {row[0] for row in rows})
        return len(rows)

    def bury(self, source: int, letter: DeadLetter) -> None:
        """Note a document that could not be taken in."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?)",
                (source, letter.key, letter.version, letter.reason, letter.detail, letter.tried),
            )

    def revive(self, source: int, keys: Sequence[str]) -> None:
        """Take documents off the list of dead letters."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM dead WHERE source = ? AND key = ?", [(source, key) for key in keys])

    def revive_family(self, source: int, key: str, separator: str) -> None:
        """Take a document and all that lies inside it off the list of dead letters."""
        inside = f"{key}{separator}"
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM dead WHERE source = ? AND (key = ? OR substr(key, 1, ?) = ?)",
                (source, key, len(inside), inside),
            )


def digest(text: str) -> bytes:
    """What tells one text to be encoded from another."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _put(connection: sqlite3.Connection, source: int, put: Put) -> set[int]:
    item, content, parent, before = put
    principals = _json(sorted(set(item.principals)))
    connection.execute("INSERT OR IGNORE INTO classes (principals) VALUES (?)", (principals,))
    (access,) = connection.execute("SELECT number FROM classes WHERE principals = ?", (principals,)).fetchone()
    above = 0
    if parent:
        sql = "SELECT number FROM documents WHERE source = ? AND key = ?"
        (above,) = connection.execute(sql, (source, parent)).fetchone()
    values = (item.key, item.version, content, access, above, item.size, item.modified, _json(item.metadata))
    old = connection.execute(
        "SELECT number, content FROM documents WHERE source = ? AND key = ?", (source, before)
    ).fetchone()
    if old is None:
        connection.execute(
            """INSERT INTO documents (key, version, content, class, parent, size, modified, metadata, id, source)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (*values, secrets.token_hex(ID_BYTES), source),
        )
    else:
        connection.execute(
            """UPDATE documents SET key = ?, version = ?, content = ?, class = ?, parent = ?, size = ?, modified = ?,
               metadata = ? WHERE number = ?""",
            (*values, old[0]),
        )
    connection.execute("DELETE FROM dead WHERE source = ? AND key = ?", (source, item.key))
    return {content} if old is None or old[1] == content else {content, old[1]}


def _bump(connection: sqlite3.Connection, contents: set[int]) -> None:
    """A new generation in which these contents changed."""
    connection.execute("UPDATE state SET generation = generation + 1")
    connection.executemany(
        "UPDATE contents SET changed = (SELECT generation FROM state) WHERE number = ?", [(one,) for one in contents]
    )


def _drop_unused(connection: sqlite3.Connection, contents: set[int]) -> None:
    """Delete those of the contents, and of what is inside them, that nothing points at any more."""
    waiting = sorted(contents)
    while waiting:
        number = waiting.pop()
        if connection.execute(
            "SELECT 1 FROM documents WHERE content = ? UNION ALL SELECT 1 FROM members WHERE child = ? LIMIT 1",
            (number, number),
        ).fetchone():
            continue
        inside = connection.execute("SELECT child FROM members WHERE content = ? AND child > 0", (number,)).fetchall()
        if connection.execute("DELETE FROM contents WHERE number = ? AND complete = 1", (number,)).rowcount:
            connection.execute(
                "INSERT OR REPLACE INTO tombstones VALUES (?, (SELECT generation FROM state))", (number,)
            )
        connection.execute("DELETE FROM contents WHERE number = ?", (number,))
        waiting += [row[0] for row in inside]


def _text_rows(number: int, text: str) -> Iterator[tuple[int, int, bytes]]:
    for part, start in enumerate(range(0, len(text), PART_CHARS)):
        data = text[start : start + PART_CHARS].encode("utf-8", "surrogatepass")
        yield number, part, zlib.compress(data, COMPRESSION)


def _passage_row(content: int, passage: Passage) -> tuple[Any, ...]:
    whole = not passage.text or not passage.indexed.endswith(passage.text)
    lead = WHOLE + passage.indexed if whole else passage.indexed[: -len(passage.text)]
    key = digest(passage.indexed)
    place = (content, passage.ordinal, passage.start, passage.end, passage.page, passage.number)
    return (*place, _json(passage.path), passage.header, lead, key)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
