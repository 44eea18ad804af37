"""The messages of one inbox, each once. Knows no source, task or rule: it keeps what it is told.

A message is *taken* when it is on the disk with its text; then its source may forget it. It is *handled* in one
transaction with its event and with whatever is planned for it. Once its text is deleted its names are too, and keyed
digests stand for them: whoever asks by a name is given what stands under either (`names`).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from rightsized.apps.triage.records import Address, Handled, Mail
from rightsized.apps.triage.store import database, forgetting
from rightsized.apps.triage.store.names import Names
from rightsized.apps.triage.store.records import Event, Kept, Status, Waits, What
from rightsized.apps.triage.store.standing import told
from rightsized.core.errors import NotFoundError, StoreError

SYSTEM = "rightsized"  # who did what no person did
DAY_SECONDS = 86_400.0
A_QUERY = 500  # values of one statement
LONGEST = 200  # messages of a conversation that are looked at
WAITING = Waits()
_COLUMNS = """number, key, thread, source, received, taken, state, status, made, queue, level, assignee, due,
    incident, mail, handled, updated, error"""


class _Named(msgspec.Struct, frozen=True):
    """Whom a stored message names."""

    sender: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()


_encode = msgspec.json.Encoder().encode
_mail = msgspec.json.Decoder(Mail).decode
_named = msgspec.json.Decoder(_Named).decode
_handled = msgspec.json.Decoder(Handled).decode


class MessageStore:
    """The messages of the inbox in `folder`. May be used by several threads, one call at a time."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / database.FILE
        self.names = Names(folder)
        self._clock = clock
        self._connection = database.open_database(folder)
        there = self.path.stat()
        self._file = (there.st_dev, there.st_ino)
        self._lock = threading.RLock()
        self._written_anew = -DAY_SECONDS

    @property
    def stands(self) -> bool:
        """Whether the file that is open here is the one that lies at its path."""
        try:
            there = self.path.stat()
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == self._file

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction of this store, with its connection, for parts that keep tables of their own in the file."""
        with self._lock:
            if self._connection.in_transaction:  # part of what goes on already
                yield self._connection
                return
            with database.writing(self._connection, self.path):
                yield self._connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a SELECT. Raises StoreError, IntegrityError."""
        with self._lock, database.explained(self.path):
            return self._connection.execute(sql, tuple(values)).fetchall()

    def take(self, mail: Mail, source: str, place: str, sha256: str, *, error: str = "") -> bool:
        """Put a message on the disk, and that this place of its source is done with. False where it is there already.

        A message is known again by its key, wherever it comes from; its repeat leaves an event.
        `error`: why it cannot be read.
        """
        now = self._clock()
        received = mail.received or mail.date or now
        with self.writing() as connection:
            key = self._standing(connection, mail.key)
            thread = self._thread_of(connection, mail.thread or mail.key)
            new = connection.execute(
                """INSERT INTO messages (key, thread, source, sha256, received, taken, state, status, dry, made, queue,
                   level, assignee, due, incident, mail, handled, updated, error) VALUES (?, ?, ?, ?, ?, ?,
                   'taken', 'none', 0, '', '', 'normal', '', NULL, '', ?, NULL, ?, ?)
                   ON CONFLICT (key) DO NOTHING""",
                (key, thread, source, sha256, received, now, _encode(mail), now, error),
            ).rowcount
            done = connection.execute(
                "SELECT 1 FROM places WHERE source = ? AND place IN (?, ?)", (source, *self.names.both(place))
            ).fetchone()
            if not done:
                connection.execute(
                    "INSERT INTO places (source, place, key, at) VALUES (?, ?, ?, ?)", (source, place, key, now)
                )
            if new:
                self._event(connection, key, SYSTEM, "taken", f"{source} {place}")
            elif not done:  # the same message at a second place: delivered twice
                self._event(connection, key, SYSTEM, "duplicate", f"{source} {place}")
        return bool(new)

    def done_with(self, source: str, place: str) -> bool:
        """Whether what stands at this place of a source was taken and read."""
        sql = """SELECT 1 FROM places p JOIN messages m ON m.key = p.key
                 WHERE p.source = ? AND p.place IN (?, ?) AND m.state <> 'taken'"""
        return bool(self.rows(sql, (source, *self.names.both(place))))

    def cursor(self, source: str) -> str:
        """What a source had kept of how far it got; empty at first."""
        found = self.rows("SELECT value FROM cursors WHERE source = ?", (source,))
        return str(found[0][0]) if found else ""

    def keep_cursor(self, source: str, value: str) -> None:
        """Keep how far a source got."""
        sql = """INSERT INTO cursors (source, value, at) VALUES (?, ?, ?)
                 ON CONFLICT (source) DO UPDATE SET value = excluded.value, at = excluded.at"""
        with self.writing() as connection:
            connection.execute(sql, (source, value, self._clock()))

    def handled(self, handled: Handled, status: Status, made: str) -> None:
        """Keep what became of a message. With an `error` it failed, and waits for a person."""
        state: What = "failed" if handled.error else "handled"
        with self.writing() as connection:
            key = self._standing(connection, handled.key)
            kept = connection.execute("SELECT mail IS NULL FROM messages WHERE key = ?", (key,)).fetchone()
            if kept is None:
                raise _unknown(handled.key)
            if kept[0]:  # it was forgotten while it was read
                handled = forgetting.without_words(handled, self.names)
            route = handled.route
            connection.execute(
                """UPDATE messages SET state = ?, status = ?, made = ?, queue = ?, level = ?, assignee = ?,
                   due = ?, handled = ?, updated = ?, urgency = ? WHERE key = ?""",
                (
                    *(state, status, made, route.queue, handled.priority.level, route.assignee),
                    *(handled.due, _encode(handled), self._clock(), told(handled), key),
                ),
            )
            self._event(connection, key, SYSTEM, state, handled.error or handled.decision)

    def update(self, key: str, by: str, what: What, detail: str = "", **columns: Any) -> None:
        """Change columns of a message (`status`, `queue`, `assignee`, `due`, `level`, `incident`) with its event.

        Raises NotFoundError.
        """
        allowed = {"status", "queue", "assignee", "due", "level", "incident"}
        if not columns.keys() <= allowed:
            raise ValueError(f"no columns to change: {sorted(columns.keys() - allowed)}")
        sets = ", ".join(f"{name} = ?" for name in (*columns, "updated"))
        with self.writing() as connection:
            key = self._standing(connection, key)
            changed = connection.execute(
                f"UPDATE messages SET {sets} WHERE key = ?",  # noqa: S608 - names from the set above
                (*columns.values(), self._clock(), key),
            ).rowcount
            if not changed:
                raise _unknown(key)
            self._event(connection, key, by, what, detail)

    def note(self, key: str, by: str, what: What, detail: str = "") -> None:
        """Add an event to a message."""
        with self.writing() as connection:
            self._event(connection, self._standing(connection, key), by, what, detail)

    def get(self, key: str) -> Kept:
        """A message. Raises NotFoundError."""
        found = self.find(key)
        if found is None:
            raise _unknown(key)
        return found

    def of(self, keys: Sequence[str]) -> list[Kept]:
        """Messages by their keys, in that order; those that are not here are left out."""
        found = list[Kept]()
        for start in range(0, len(keys), A_QUERY):
            some = keys[start : start + A_QUERY]
            found += self._kept(f"WHERE key IN ({', '.join('?' * len(some))})", some)
        by_key = {one.key: one for one in found}
        return [by_key[key] for key in keys if key in by_key]

    def find(self, key: str) -> Kept | None:
        """A message, or None."""
        found = self._kept("WHERE key IN (?, ?)", self.names.both(key))
        return found[0] if found else None

    def numbered(self, number: int) -> Kept | None:
        """The message of this number, or None."""
        found = self._kept("WHERE number = ?", (number,))
        return found[0] if found else None

    def unread(self, seconds: float = 0.0) -> list[str]:
        """Keys of messages that were taken, so many seconds ago, and not read: a process ended in between, or
        reading failed. Oldest first."""
        sql = "SELECT key FROM messages WHERE state = 'taken' AND taken <= ? ORDER BY number"
        return [key for (key,) in self.rows(sql, (self._clock() - seconds,))]

    def waiting(self, wanted: Waits = WAITING) -> list[Kept]:
        """Messages as wanted, by arrival."""
        where, values = _where(wanted, self.names)
        order = "received DESC, number DESC" if wanted.newest else "received, number"
        return self._kept(f"{where} ORDER BY {order} LIMIT ? OFFSET ?", (*values, wanted.limit, wanted.offset))

    def count(self, wanted: Waits = WAITING) -> int:
        """How many there are, whatever the limit."""
        where, values = _where(wanted, self.names)
        return int(self.rows(f"SELECT count(*) FROM messages {where}", values)[0][0])  # noqa: S608 - constants only

    def counts(self) -> dict[str, int]:
        """Messages by status; `failed` counts besides those that could not be read."""
        found = dict(self.rows("SELECT status, count(*) FROM messages GROUP BY status"))
        failed = self.rows("SELECT count(*) FROM messages WHERE state = 'failed'")[0][0]
        return {**{str(k): int(v) for k, v in found.items()}, "failed": int(failed)}

    def thread(self, thread: str) -> list[Kept]:
        """The messages of a conversation, oldest first; of a very long one the latest."""
        tail = "WHERE thread IN (?, ?) ORDER BY received DESC, number DESC LIMIT ?"
        return self._kept(tail, (*self.names.both(thread), LONGEST))[::-1]

    def people(self, thread: str) -> frozenset[str]:
        """The addresses that take part in a conversation, as far as its texts are kept."""
        sql = "SELECT mail FROM messages WHERE thread IN (?, ?) AND mail IS NOT NULL"
        return frozenset().union(*(_people(one) for (one,) in self.rows(sql, self.names.both(thread))))

    def was(self, mail: Mail) -> bool:
        """Whether the message under this key, whose text was deleted, said what this one does."""
        sql = "SELECT 1 FROM messages WHERE key = ? AND sha256 = ? AND mail IS NULL"
        return bool(self.rows(sql, (self.names.of(mail.key), forgetting.content_of(self.names, mail))))

    def arrivals(self, since: float) -> list[tuple[float, str]]:
        """When messages came since a time, and for which queue; machines' messages, which have no level, too."""
        sql = "SELECT received, queue FROM messages WHERE received >= ? AND state != 'taken'"
        return [(float(at), str(queue)) for at, queue in self.rows(sql, (since,))]

    def events(self, key: str) -> list[Event]:
        """What happened to a message, in order."""
        sql = 'SELECT number, key, at, "by", what, detail FROM events WHERE key IN (?, ?) ORDER BY number'
        return [Event(*row) for row in self.rows(sql, self.names.both(key))]

    def without_vector(self, encoder: str, latest: int, limit: int) -> list[tuple[str, str]]:
        """Keys and words of finished messages, of the `latest` ones, that this encoder made no vector of yet."""
        sql = """SELECT m.key, m.mail FROM messages m WHERE m.number IN (SELECT number FROM messages
                 WHERE status = 'done' ORDER BY received DESC, number DESC LIMIT ?) AND m.mail IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.key = m.key AND v.encoder = ?)
                 ORDER BY m.received DESC LIMIT ?"""
        found = ((key, _mail(mail).text) for key, mail in self.rows(sql, (latest, encoder, limit)))
        return [(key, text) for key, text in found if text]

    def keep_vector(self, key: str, encoder: str, vector: bytes) -> None:
        """Keep the vector of a message's words, unless they were deleted meanwhile."""
        sql = """INSERT INTO vectors (key, encoder, vector)
                 SELECT key, ?, ? FROM messages WHERE key = ? AND mail IS NOT NULL
                 ON CONFLICT (key) DO UPDATE SET encoder = excluded.encoder, vector = excluded.vector"""
        with self.writing() as connection:
            connection.execute(sql, (encoder, vector, key))

    def vectors(self, encoder: str, latest: int) -> list[tuple[int, bytes]]:
        """Numbers and vectors of finished messages, the latest first."""
        sql = """SELECT m.number, v.vector FROM messages m JOIN vectors v ON v.key = m.key
                 WHERE m.status = 'done' AND m.mail IS NOT NULL AND v.encoder = ? ORDER BY m.received DESC LIMIT ?"""
        return [(int(number), bytes(vector)) for number, vector in self.rows(sql, (encoder, latest))]

    def aged(self, before: float) -> tuple[int, int, int]:
        """How many texts are kept, how many of them are due to be deleted, and how many wait since before that time."""
        sql = """SELECT count(*), total(status IN ('done', 'routed') AND updated < ?1),
                 total(status = 'waiting' AND received < ?1) FROM messages WHERE mail IS NOT NULL"""
        ((texts, due, waiting),) = self.rows(sql, (before,))
        return int(texts), int(due), int(waiting)

    def purge(self, before: float) -> int:
        """Delete the text of messages that nobody waits for since this time; what became of them stays, without words.

        Returns how many.
        """
        sql = "SELECT key FROM messages WHERE status IN ('done', 'routed') AND updated < ? AND mail IS NOT NULL"
        with self.writing() as connection:
            found = [key for (key,) in connection.execute(sql, (before,)).fetchall()]
            self._bare(connection, found, SYSTEM)
        if found:
            self._overwrite()
        return len(found)

    def conversations_of(self, address: str) -> list[str]:
        """Keys of the messages whose text is kept, of every conversation in which this address takes part."""
        wanted = address.strip().lower()
        sql = "SELECT thread, mail FROM messages WHERE mail IS NOT NULL AND instr(mail, ?)"
        rows = self.rows(sql, (_encode(wanted)[1:-1],))
        threads = {thread for thread, mail in rows if wanted in _people(mail)}
        of_thread = "SELECT key FROM messages WHERE thread = ? AND mail IS NOT NULL"
        return [key for thread in sorted(threads) for (key,) in self.rows(of_thread, (thread,))]

    def forget(self, keys: Sequence[str], by: str) -> None:
        """Delete the text of these messages, whether they are finished or not; `by` has asked for it."""
        with self.writing() as connection:
            self._bare(connection, keys, by)
        self._written_anew = -DAY_SECONDS
        self._overwrite()

    def _bare(self, connection: sqlite3.Connection, keys: Sequence[str], by: str) -> None:
        forgetting.bare(connection, self.names, keys)
        for key in keys:
            self._event(connection, self.names.of(key), by, "purged", "")

    def _overwrite(self) -> None:
        """Leave nothing of what was deleted: the write-ahead log holds pages as they were, and a page may hold what
        stood in it before it was divided, so that once a day the file is written anew."""
        if self._clock() - self._written_anew >= DAY_SECONDS:
            with self._lock, database.explained(self.path):
                self._connection.execute("VACUUM")
            self._written_anew = self._clock()
        ((busy, _, _),) = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise StoreError(
                f"{self.path} is in use: what was deleted still stands in its write-ahead log.",
                fix="Do it again in a minute; or stop what reads the file.",
            )

    def _standing(self, connection: sqlite3.Connection, key: str) -> str:
        """The key under which a message stands: the digest of its name once it was forgotten."""
        gone = self.names.of(key)
        return gone if connection.execute("SELECT 1 FROM messages WHERE key = ?", (gone,)).fetchone() else key

    def _thread_of(self, connection: sqlite3.Connection, thread: str) -> str:
        gone = self.names.of(thread)
        return gone if connection.execute("SELECT 1 FROM messages WHERE thread = ?", (gone,)).fetchone() else thread

    def _kept(self, tail: str, values: Sequence[Any]) -> list[Kept]:
        found = self.rows(f"SELECT {_COLUMNS} FROM messages {tail}", values)  # noqa: S608 - constants only
        return [_made(row) for row in found]

    def _event(self, connection: sqlite3.Connection, key: str, by: str, what: What, detail: str) -> None:
        sql = 'INSERT INTO events (key, at, "by", what, detail) VALUES (?, ?, ?, ?, ?)'
        connection.execute(sql, (key, self._clock(), by, what, detail))


def _made(row: tuple[Any, ...]) -> Kept:
    *plain, mail, handled, updated, error = row
    given = dict(zip(Kept.__struct_fields__, plain, strict=False))
    return Kept(**given, mail=mail and _mail(mail), handled=handled and _handled(handled), updated=updated, error=error)


def _people(mail: bytes) -> set[str]:
    named = _named(mail)
    return {one.address.lower() for one in (named.sender, *named.to, *named.cc, *named.reply_to)} - {""}


def _where(wanted: Waits, names: Names) -> tuple[str, list[Any]]:
    given = {name: getattr(wanted, name) for name in ("status", "queue", "assignee")}
    conditions: dict[str, tuple[Any, ...]] = {f"{name} = ?": (v,) for name, v in given.items() if v is not None}
    named = {name: getattr(wanted, name) for name in ("thread", "incident")}
    conditions |= {f"{name} IN (?, ?)": names.both(value) for name, value in named.items() if value is not None}
    conditions |= {f"{name} <> ''": () for name in ("assignee", "incident") if getattr(wanted, name)}  # as indexed
    values = [value for some in conditions.values() for value in some]
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def _unknown(key: str) -> NotFoundError:
    return NotFoundError(f"There is no message {key!r} in this inbox.", fix="See: rightsized triage queue")
