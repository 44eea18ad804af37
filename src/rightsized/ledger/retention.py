"""Deleting texts: which are due, and giving back their space so that nothing of them lingers in the file."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from rightsized.ledger.database import explained, open_reader, open_writer

PURGE_ROWS = 256  # texts deleted in one transaction; requests are recorded in between
VACUUM_PAGES = 512  # pages (4 KiB) given back to the file system in one transaction

OLD = """SELECT number FROM texts WHERE created < ?1 AND (created < ?2 OR sha256 NOT IN (
    SELECT s.text_sha256 FROM reviews r JOIN starts s ON s.id = r.decision
    WHERE s.audit = 0 AND r.kind IN ('abstained', 'feedback') AND r.retracts IS NULL
    AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.retracts = r.seq)
    UNION SELECT json_extract(a.value, '$.completion.sha256') FROM reviews r JOIN starts s ON s.id = r.decision
    JOIN ends e ON e.id = s.id, json_each(CAST(e.record AS TEXT), '$.reply.attempts') a
    WHERE s.audit = 0 AND r.kind IN ('abstained', 'feedback') AND r.retracts IS NULL
    AND json_extract(a.value, '$.completion.sha256') IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.retracts = r.seq)))"""  # what was asked, and what was written


def due(path: Path, older_than: float, labelled: float) -> list[int]:
    """Numbers of the texts whose time is over, by a connection of its own: nobody else waits while all are read."""
    with explained(path), contextlib.closing(open_reader(path)) as connection:
        return [number for (number,) in connection.execute(OLD, (older_than, labelled))]


def forget_unreadable(connection: sqlite3.Connection) -> None:
    """A message whose text is gone cannot be judged any more; it leaves the queue."""
    connection.execute(
        "DELETE FROM waiting WHERE NOT EXISTS "
        "(SELECT 1 FROM starts s JOIN texts t ON t.sha256 = s.text_sha256 WHERE s.id = waiting.decision)"
    )


def delete_texts(connection: sqlite3.Connection, numbers: list[int], older_than: float) -> int:
    """Delete texts by number, unless they were used again meanwhile; returns how many."""
    marks = ",".join("?" * len(numbers))
    sql = f"DELETE FROM texts WHERE number IN ({marks}) AND created < ?"  # noqa: S608 - question marks only
    return connection.execute(sql, (*numbers, older_than)).rowcount


def vacuum(connection: sqlite3.Connection) -> int:
    """Give some free pages back to the file system; returns how many are left."""
    connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return free


def empty_write_ahead_log(path: Path) -> None:
    """Copy the log into the file and cut it to nothing: deleted text must not linger there."""
    with explained(path), contextlib.closing(open_writer(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
