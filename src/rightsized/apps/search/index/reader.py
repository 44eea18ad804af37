"""Reads a collection's database: columns for masks, documents, passages, text, vectors. Knows nothing of permissions.

Any number of readers work while one writes; each call sees one committed state. One connection, one call at a time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index import database
from rightsized.apps.search.index.records import Columns, Content, Entry, Member, State, Stretch
from rightsized.apps.search.types import DeadLetter, Document, Passage
from rightsized.core.errors import NotFoundError
from rightsized.parsers.types import Block, Line

PART_CHARS = 32_768  # characters of text compressed together
STRETCH = 256  # passages whose vectors are stored together
MANY = 100  # contents whose vectors are read at once
WHOLE = "\0"  # begins a `lead` that is all of `indexed`, where that does not end with the text

_strings = msgspec.json.Decoder(dict[str, str])
_list = msgspec.json.Decoder(tuple[str, ...])
_layout = msgspec.msgpack.Decoder(tuple[tuple[Block, ...], tuple[Line, ...]])

_DOCUMENT = """SELECT d.number, d.id, s.name, d.key, c.sha256, c.title, c.media_type, d.size, d.modified, c.date,
    c.pages, k.principals, c.metadata, d.metadata, coalesce(p.id, ''), c.notes, d.content, c.language, d.parent
    FROM documents d JOIN sources s ON s.number = d.source JOIN contents c ON c.number = d.content
    JOIN classes k ON k.number = d.class LEFT JOIN documents p ON p.number = d.parent"""

_PASSAGE = """SELECT row, ordinal, "start", "end", lead, path, header, page, number, content FROM passages"""
_PART_BITS = 24  # of a number that names a part of a content's text


class Reader:
    """One read-only connection."""

    def __init__(self, path: Path, connection: sqlite3.Connection | None = None) -> None:
        self.path = path
        self._connection = connection or database.open_reader(path)
        self._lock = threading.RLock()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one SELECT."""
        with self._lock, database.explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def state(self) -> State:
        """Where the collection stands; `serving` is empty before the first vectors."""
        (found,) = self.rows(
            """SELECT generation, lineage, coalesce(e.digest, ''), oldest FROM state
               LEFT JOIN encoders e ON e.number = (SELECT encoder FROM serving)"""
        )
        return State._make(found)

    def counts(self) -> tuple[int, int]:
        """Documents, and passages that some document shows."""
        ((documents, passages),) = self.rows(
            """SELECT (SELECT count(*) FROM documents), (SELECT coalesce(sum(passages), 0) FROM contents c
               WHERE complete = 1 AND EXISTS (SELECT 1 FROM documents WHERE content = c.number))"""
        )
        return documents, passages

    def columns(self) -> Columns:
        """All documents and complete contents, of one moment."""
        with self._lock, database.explained(self.path):
            self._connection.execute("BEGIN")
            try:
                generation = self.state().generation
                documents = self.rows(
                    """SELECT d.number, d.content, d.class, coalesce(c.date, d.modified) FROM documents d
                       JOIN contents c ON c.number = d.content ORDER BY d.number"""
                )
                contents = self.rows(
                    "SELECT number, first_row, passages, language FROM contents WHERE complete = 1 ORDER BY number"
                )
            finally:
                self._connection.execute("ROLLBACK")
        numbers = np.array([row[0] for row in contents], dtype=np.int64)
        languages = tuple(sorted({row[3] for row in contents}))
        code = {language: at for at, language in enumerate(languages)}
        return Columns(
            generation,
            np.array([row[0] for row in documents], dtype=np.int64),
            np.searchsorted(numbers, np.array([row[1] for row in documents], dtype=np.int64)),
            np.array([row[2] for row in documents], dtype=np.int64),
            np.array([row[3] for row in documents], dtype=np.float64),
            numbers,
            np.array([row[1] for row in contents], dtype=np.int64),
            np.array([row[2] for row in contents], dtype=np.int64),
            languages,
            np.array([code[row[3]] for row in contents], dtype=np.int32),
        )

    def classes(self) -> dict[int, tuple[str, ...]]:
        """The principals of each access class."""
        return {number: _list.decode(names) for number, names in self.rows("SELECT number, principals FROM classes")}

    def documents(self, numbers: Sequence[int]) -> dict[int, tuple[Document, int]]:
        """Documents by number, each with the number of its content; those that are gone are left out."""
        rows = self.rows(
            " ".join((_DOCUMENT, "WHERE d.number IN (SELECT value FROM json_each(?))")), (listed(numbers),)
        )
        return {row[0]: (_document(row), row[16]) for row in rows}

    def listing(self, numbers: Sequence[int], principals: Set[str]) -> dict[str, str]:
        """Of documents by number those that one of the principals may see: id and sha256, by source and key."""
        may = [number for number, names in self.classes().items() if not principals.isdisjoint(names)]
        sql = """SELECT d.id, c.sha256 FROM documents d JOIN sources s ON s.number = d.source
                 JOIN contents c ON c.number = d.content WHERE d.number IN (SELECT value FROM json_each(?))
                 AND d.class IN (SELECT value FROM json_each(?)) ORDER BY s.name, d.key"""
        return dict(self.rows(sql, (listed(numbers), listed(may))))

    def number(self, document: str) -> int:
        """A document's number by its id. Raises NotFoundError."""
        rows = self.rows("SELECT number FROM documents WHERE id = ?", (document,))
        if not rows:
            raise NotFoundError(f"There is no document {document!r}.")
        return int(rows[0][0])

    def numbers(self, documents: Sequence[str]) -> list[int]:
        """The numbers of those ids that exist."""
        sql = "SELECT number FROM documents WHERE id IN (SELECT value FROM json_each(?))"
        return [row[0] for row in self.rows(sql, (listed(documents),))]

    def fields(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each document's number and metadata, what follows from its place included."""
        after = 0
        while rows := self.rows(f"{_DOCUMENT} WHERE d.number > ? ORDER BY d.number LIMIT 2000", (after,)):
            for row in rows:
                yield row[0], {**_place(row), **_strings.decode(row[12]), **_strings.decode(row[13])}
            after = rows[-1][0]

    def passages(self, content: int, ordinals: Sequence[int] | None = None) -> list[tuple[int, Passage]]:
        """Row and record of a content's passages in order: all, or those of the given ordinals."""
        if ordinals is None:
            rows = self.rows(" ".join((_PASSAGE, "WHERE content = ? ORDER BY ordinal")), (content,))
        else:
            some = "WHERE content = ? AND ordinal IN (SELECT value FROM json_each(?)) ORDER BY ordinal"
            rows = self.rows(" ".join((_PASSAGE, some)), (content, listed(ordinals)))
        if not rows:
            return []
        first = min(row[2] for row in rows) // PART_CHARS
        text = self.text(content, first, max(row[3] for row in rows) // PART_CHARS)
        return [(row[0], _passage(row, text, first * PART_CHARS)) for row in rows]

    def passages_at(self, rows: Sequence[int]) -> dict[int, Passage]:
        """Passages of any contents by their rows, with two reads; those that are gone are left out."""
        found = self.rows(" ".join((_PASSAGE, "WHERE row IN (SELECT value FROM json_each(?))")), (listed(rows),))
        wanted = {(row[9] << _PART_BITS) + part for row in found for part in range(*_parts(row))}
        parts = {
            (content, part): zlib.decompress(data).decode("utf-8", "surrogatepass")
            for content, part, data in self.rows(
                """SELECT t.content, t.part, t.data FROM json_each(?) j CROSS JOIN texts t
                   ON t.content = j.value >> ? AND t.part = j.value & ?""",
                (listed(sorted(wanted)), _PART_BITS, (1 << _PART_BITS) - 1),
            )
        }
        read: dict[int, Passage] = {}
        for row in found:
            first, last = _parts(row)
            pieces = [parts.get((row[9], part)) for part in range(first, last)]
            text = "".join(piece for piece in pieces if piece is not None)
            if None not in pieces:  # deleted between the two reads
                read[row[0]] = _passage(row, text, first * PART_CHARS)
        return read

    def text(self, content: int, first: int = 0, last: int = 1 << 60) -> str:
        """Canonical text: all, or the parts `first` to `last` of PART_CHARS characters."""
        rows = self.rows(
            "SELECT data FROM texts WHERE content = ? AND part BETWEEN ? AND ? ORDER BY part", (content, first, last)
        )
        return "".join(zlib.decompress(row[0]).decode("utf-8", "surrogatepass") for row in rows)

    def layout(self, content: int) -> tuple[tuple[Block, ...], tuple[Line, ...]]:
        """Blocks and lines of a content."""
        rows = self.rows("SELECT layout FROM contents WHERE number = ?", (content,))
        return _layout.decode(zlib.decompress(rows[0][0])) if rows else ((), ())

    def dead(self, source: str = "") -> list[DeadLetter]:
        """What could not be taken in, by source and key."""
        rows = self.rows(
            """SELECT s.name, d.key, d.version, d.reason, d.detail, d.tried FROM dead d
               JOIN sources s ON s.number = d.source WHERE ? IN ('', s.name) ORDER BY 1, 2""",
            (source,),
        )
        return [DeadLetter(*row) for row in rows]

    def sources(self) -> dict[str, float]:
        """Sources with the time of the last whole sync, seconds since 1970; 0 where there was none."""
        return dict(self.rows("SELECT name, synced FROM sources ORDER BY name"))

    def changed(self, after: int) -> list[int]:
        """Complete contents that changed after a generation, in order."""
        sql = "SELECT number FROM contents WHERE changed > ? AND complete = 1 ORDER BY number"
        return [row[0] for row in self.rows(sql, (after,))]

    def gone(self, after: int) -> list[int]:
        """Contents deleted after a generation."""
        return [row[0] for row in self.rows("SELECT content FROM tombstones WHERE generation > ?", (after,))]

    def entry(self, content: int) -> Entry | None:
        """What the lexical index holds of a content; None where it is gone or nobody's."""
        rows = self.rows("SELECT language FROM contents WHERE number = ? AND complete = 1", (content,))
        classes = self.rows("SELECT DISTINCT class FROM documents WHERE content = ?", (content,))
        if not rows or not classes:
            return None
        found = self.passages(content)
        texts = [passage.indexed for _, passage in found]
        return Entry(content, rows[0][0], tuple(row[0] for row in classes), [row for row, _ in found], texts)

    def content(self, sha256: str, recipe: str) -> Content | None:
        """What there is of a content as a recipe reads it."""
        sql = "SELECT number, complete, passages FROM contents WHERE sha256 = ? AND recipe = ?"
        rows = self.rows(sql, (sha256, recipe))
        return Content(rows[0][0], bool(rows[0][1]), rows[0][2]) if rows else None

    def members(self, content: int) -> list[Member]:
        """What was found inside a content."""
        sql = "SELECT name, child, size, reason, detail FROM members WHERE content = ? ORDER BY name"
        return [Member(*row) for row in self.rows(sql, (content,))]

    def encoder(self, digest: str) -> tuple[int, int]:
        """Number and dimension of an encoder; (0, 0) where it has no vectors."""
        rows = self.rows("SELECT number, dimension FROM encoders WHERE digest = ?", (digest,))
        return rows[0] if rows else (0, 0)

    def unembedded(self, encoder: int) -> list[int]:
        """Contents, incomplete ones left out, that lack vectors of an encoder."""
        rows = self.rows(
            """SELECT number FROM contents c WHERE complete = 1 AND (passages + ? - 1) / ? >
               (SELECT count(*) FROM vectors WHERE encoder = ? AND content = c.number) ORDER BY number""",
            (STRETCH, STRETCH, encoder),
        )
        return [row[0] for row in rows]

    def first_rows(self, contents: Sequence[int]) -> dict[int, int]:
        """The row of each content's first passage."""
        sql = "SELECT number, first_row FROM contents WHERE number IN (SELECT value FROM json_each(?))"
        return dict(self.rows(sql, (listed(contents),)))

    def vectors(self, digest: str, contents: Sequence[int]) -> Iterator[Stretch]:
        """The vectors of contents, in order of content and ordinal."""
        number, dimension = self.encoder(digest)
        for some in _stretches(contents, MANY):
            rows = self.rows(
                """SELECT content, part, data FROM vectors
                   WHERE encoder = ? AND content IN (SELECT value FROM json_each(?)) ORDER BY 1, 2""",
                (number, listed(some)),
            )
            for content, part, data in rows:
                yield Stretch(content, part * STRETCH, *unpack(data, dimension))


def listed(values: Sequence[Any]) -> str:
    """Values for `IN (SELECT value FROM json_each(?))`: any number of them in one statement."""
    return json.dumps(list(values))


def pack(vectors: NDArray[np.int8], scales: NDArray[np.float32]) -> bytes:
    """Rows of int8, then their float32 scales."""
    return vectors.tobytes() + scales.astype("<f4").tobytes()


def unpack(data: bytes, dimension: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The reverse of `pack`."""
    count = len(data) // (dimension + 4)
    vectors = np.frombuffer(data, dtype=np.int8, count=count * dimension).reshape(count, dimension)
    return vectors, np.frombuffer(data, dtype="<f4", offset=count * dimension)


def _stretches(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(values), size):
        yield list(values[at : at + size])


def _passage(row: tuple[Any, ...], text: str, offset: int) -> Passage:
    _, ordinal, start, end, lead, path, header, page, number, _ = row
    own = text[start - offset : end - offset]
    indexed = lead[1:] if lead.startswith(WHOLE) else lead + own
    return Passage(ordinal, start, end, own, indexed, _list.decode(path), header, page, number)


def _parts(row: tuple[Any, ...]) -> tuple[int, int]:
    """The first part of the text that a passage is in, and the one after its last."""
    return row[2] // PART_CHARS, max(row[2], row[3] - 1) // PART_CHARS + 1


def _place(row: tuple[Any, ...]) -> dict[str, str]:
    folder, _, _ = row[3].rpartition("/")
    return {"source": row[2], "type": row[6], "language": row[17], "folder": folder}


def _document(row: tuple[Any, ...]) -> Document:
    return Document(
        id=row[1],
        source=row[2],
        key=row[3],
        content=row[4],
        title=row[5] or row[3].rpartition("/")[2],
        media_type=row[6],
        size=row[7],
        modified=row[8],
        date=row[8] if row[9] is None else row[9],
        pages=row[10],
        principals=_list.decode(row[11]),
        metadata={**_strings.decode(row[12]), **_strings.decode(row[13])},
        parent=row[14],
        notes=_list.decode(row[15]),
    )
