"""What is kept of the sets of one collection. Knows nothing of permissions: `review` reads it through a view.

Whatever changes a set adds its row of the log in the same transaction.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from rightsized.apps.search.discovery import database
from rightsized.apps.search.discovery.records import (
    Action,
    Asker,
    Criterion,
    Entry,
    Member,
    ReviewSet,
    Tagging,
)
from rightsized.apps.search.index.database import explained
from rightsized.core.errors import InputError, IntegrityError, NotFoundError

START = hashlib.sha256(b"rightsized review log").hexdigest()  # stands before the first row of a set's log
_TAGGINGS = 'SELECT document, content, tag, "on", "by", at, note, number FROM taggings'
_list = msgspec.json.Decoder(tuple[str, ...])


class ReviewStore:
    """The sets of the collection in `folder`. May be used by several threads, one call at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / database.FILE
        self._connection = database.open_database(folder)
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def sets(self) -> list[ReviewSet]:
        """All sets, by name."""
        return [
            ReviewSet(*row) for row in self.rows('SELECT number, name, created, "by", note FROM sets ORDER BY name')
        ]

    def named(self, name: str) -> ReviewSet:
        """A set. Raises NotFoundError, which names no other."""
        for one in self.sets():
            if one.name == name:
                return one
        raise NotFoundError(f"There is no set {name!r} that you may see.", fix="See: rightsized search set list")

    def create(self, name: str, asker: Asker, note: str, criteria: Sequence[tuple[Criterion, list[Member]]]) -> None:
        """Make a set with its first documents. Raises InputError where the name is taken."""
        now = time.time()
        with self.writing():
            if self.rows("SELECT 1 FROM sets WHERE name = ?", (name,)):
                raise InputError(f"The name {name!r} is taken by a set.", fix="Choose another name, or use: set add")
            number = self.execute(
                'INSERT INTO sets (name, created, "by", note) VALUES (?, ?, ?, ?)', (name, now, asker.reviewer, note)
            )
            self.add_log(number, asker, "created", "", name)
            self._put(number, asker, criteria)

    def add(self, one: ReviewSet, asker: Asker, criteria: Sequence[tuple[Criterion, list[Member]]]) -> int:
        """Put documents into a set; those that it has stay as they were frozen. Returns how many are new."""
        with self.writing():
            return self._put(one.number, asker, criteria)

    def criteria(self, one: ReviewSet) -> list[tuple[int, Criterion, str, float]]:
        """What put documents into a set: number, criterion, by whom, when."""
        rows = self.rows(
            'SELECT number, criterion, "by", at FROM criteria WHERE "set" = ? ORDER BY number', (one.number,)
        )
        return [(number, msgspec.json.decode(data, type=Criterion), by, at) for number, data, by, at in rows]

    def members(self, one: ReviewSet) -> list[Member]:
        """All documents of a set, whoever may see them."""
        sql = 'SELECT document, content, key, source, criterion, added FROM members WHERE "set" = ? ORDER BY key'
        return [Member(*row) for row in self.rows(sql, (one.number,))]

    def member_ids(self, one: ReviewSet) -> list[str]:
        """Their ids alone."""
        return [row[0] for row in self.rows('SELECT document FROM members WHERE "set" = ?', (one.number,))]

    def taggings(self, one: ReviewSet) -> list[Tagging]:
        """Every tagging of a set, in order."""
        return [_tagging(row) for row in self.rows(f'{_TAGGINGS} WHERE "set" = ? ORDER BY number', (one.number,))]

    def taggings_of(self, one: ReviewSet, documents: Sequence[str]) -> list[Tagging]:
        """The taggings of some documents, in order."""
        where = 'WHERE "set" = ? AND document IN (SELECT value FROM json_each(?)) ORDER BY number'
        return [_tagging(row) for row in self.rows(f"{_TAGGINGS} {where}", (one.number, json.dumps(list(documents))))]

    def holding(self, one: ReviewSet, tags: Sequence[str]) -> list[tuple[str, str]]:
        """The documents of a set, whoever may see them, that have one of the tags now, with the tag."""
        # SQLite takes bare columns from the row with the greatest number (lang_select, "bare columns").
        sql = """SELECT document, tag, "on", max(number) FROM taggings WHERE "set" = ?
                 AND tag IN (SELECT value FROM json_each(?)) GROUP BY tag, document"""
        rows = self.rows(sql, (one.number, json.dumps(list(tags))))
        return [(document, tag) for document, tag, on, _ in rows if on]

    def last_tagging(self, one: ReviewSet) -> int:
        """The number of the last tagging of a set; 0 where there is none."""
        return int(self.rows('SELECT coalesce(max(number), 0) FROM taggings WHERE "set" = ?', (one.number,))[0][0])

    def tagged(self, tag: str) -> dict[str, str]:
        """Contents that have a tag in whatever set, whoever may see them: sha256, and one of the sets' names."""
        sql = """SELECT t.content, s.name FROM taggings t JOIN sets s ON s.number = t."set" WHERE t.tag = ? AND
                 t.number IN (SELECT max(number) FROM taggings WHERE tag = ? GROUP BY "set", document) AND t."on" = 1"""
        return dict(self.rows(sql, (tag, tag)))

    def tag(self, one: ReviewSet, asker: Asker, taggings: Sequence[Tagging]) -> None:
        """Add taggings and their rows of the log, all of them or none."""
        sql = """INSERT INTO taggings ("set", document, content, tag, "on", "by", at, note)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
        with self.writing():
            for t in taggings:
                self.execute(sql, (one.number, t.document, t.content, t.tag, t.on, t.by, t.at, t.note))
                self.add_log(one.number, asker, *_logged(t))

    def note(self, one: ReviewSet, asker: Asker, action: Action, documents: Sequence[str], detail: str = "") -> None:
        """Put on record that somebody is about to be shown documents, or has had something done to them."""
        with self.writing():
            for document in documents:
                self.add_log(one.number, asker, action, document, detail)

    def log(self, one: ReviewSet) -> list[Entry]:
        """The log of a set, checked against its chain of digests and against the tags.

        Raises IntegrityError where rows are missing, altered or out of order.
        """
        sql = """SELECT number, at, account, seen_as, action, document, detail, digest FROM log WHERE "set" = ?
                 ORDER BY number"""
        found, before = [], START
        for number, at, account, seen_as, action, document, detail, digest in self.rows(sql, (one.number,)):
            entry = Entry(number, at, account, _list.decode(seen_as), action, document, detail, digest)
            before = _digest(before, (at, account, seen_as, action, document, detail))
            if before != digest:
                raise self._altered(f"Row {number} of the log")
            found.append(entry)
        tagged = [(row.action, row.document, row.detail) for row in found if row.action in ("tag", "untag")]
        if tagged != [_logged(tagging) for tagging in self.taggings(one)]:
            raise self._altered("A tag")
        return found

    def add_log(self, number: int, asker: Asker, action: Action, document: str, detail: str) -> None:
        """Add a row to the log of the set of this number; inside of `writing` only."""
        last = self.rows('SELECT digest FROM log WHERE "set" = ? ORDER BY number DESC LIMIT 1', (number,))
        seen_as = msgspec.json.encode(asker.principals).decode()
        row = (time.time(), asker.account, seen_as, action, document, detail)
        sql = """INSERT INTO log ("set", at, account, seen_as, action, document, detail, digest)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
        self.execute(sql, (number, *row, _digest(last[0][0] if last else START, row)))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction. Raises StoreError, DiskFullError; then nothing of it was kept."""
        with self._lock, database.writing(self._connection, self.path):
            yield

    def execute(self, sql: str, values: Sequence[Any]) -> int:
        """Add one row; returns its number. Inside of `writing` only."""
        found = self._connection.execute(sql, values).lastrowid
        assert found is not None
        return found

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one SELECT."""
        with self._lock, explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _altered(self, what: str) -> IntegrityError:
        return IntegrityError(
            f"{what} in {self.path} is not what was written.",
            fix="Restore the file from a backup; whoever could write to it could read the documents.",
        )

    def _put(self, number: int, asker: Asker, criteria: Sequence[tuple[Criterion, list[Member]]]) -> int:
        now, added = time.time(), 0
        for criterion, members in criteria:
            data = msgspec.json.encode(criterion).decode()
            place = self.execute(
                'INSERT INTO criteria ("set", criterion, "by", at) VALUES (?, ?, ?, ?)',
                (number, data, asker.reviewer, now),
            )
            rows = [(number, one.document, one.content, one.key, one.source, place, now) for one in members]
            before = self._connection.total_changes
            self._connection.executemany("INSERT OR IGNORE INTO members VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            added += self._connection.total_changes - before
            self.add_log(number, asker, "added", "", data)
        return added


def _tagging(row: tuple[Any, ...]) -> Tagging:
    document, content, tag, on, by, at, note, number = row
    return Tagging(document, content, tag, bool(on), by, at, note, number)


def _logged(one: Tagging) -> tuple[Action, str, str]:
    """The row of the log that goes with a tagging, without who and when."""
    note = f" ({one.note})" if one.note else ""
    return "tag" if one.on else "untag", one.document, f"{one.tag}{note}, content {one.content}, by {one.by}"


def _digest(before: str, row: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps([before, *row]).encode()).hexdigest()
