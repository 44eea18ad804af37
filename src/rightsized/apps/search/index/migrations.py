"""The tables of `index.sqlite`, made and changed by numbered migrations, one transaction each.

`contents` are what was read, by the sha256 of its bytes; `documents` are names under which sources list them. Passages,
text and vectors hang on the content, permissions on the document. Numbers are never used twice, so that a sidecar that
lags behind can hold none that means something else by now.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable

from rightsized.core import sqlite

_migrations: list[Callable[[sqlite3.Connection], None]] = []


def _migration(function: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
    _migrations.append(function)
    return function


@_migration
def _create(connection: sqlite3.Connection) -> None:
    statements = [
        # `generation` grows with every change that a search can see; `lineage` tells this collection from all others.
        # Sidecars older than `oldest` cannot be brought up: tombstones they would need are gone.
        """CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL,
           lineage TEXT NOT NULL, oldest INTEGER NOT NULL DEFAULT 0)""",
        "CREATE TABLE sources (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, synced REAL NOT NULL DEFAULT 0)",
        "CREATE TABLE classes (number INTEGER PRIMARY KEY AUTOINCREMENT, principals TEXT NOT NULL UNIQUE)",
        """CREATE TABLE contents (number INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL,
           recipe TEXT NOT NULL, title TEXT NOT NULL, media_type TEXT NOT NULL, language TEXT NOT NULL, date REAL,
           pages INTEGER NOT NULL, characters INTEGER NOT NULL, metadata TEXT NOT NULL, notes TEXT NOT NULL,
           layout BLOB NOT NULL, first_row INTEGER NOT NULL, passages INTEGER NOT NULL,
           complete INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL,
           UNIQUE (sha256, recipe))""",
        "CREATE INDEX contents_by_change ON contents (changed)",
        # The canonical text in stretches of equal length, each compressed.
        """CREATE TABLE texts (content INTEGER NOT NULL REFERENCES contents (number) ON DELETE CASCADE,
           part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (content, part)) WITHOUT ROWID""",
        """CREATE TABLE passages (row INTEGER PRIMARY KEY AUTOINCREMENT,
           content INTEGER NOT NULL REFERENCES contents (number) ON DELETE CASCADE, ordinal INTEGER NOT NULL,
           "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, page INTEGER NOT NULL, number TEXT NOT NULL,
           path TEXT NOT NULL, header TEXT NOT NULL, lead TEXT NOT NULL, digest BLOB NOT NULL,
           UNIQUE (content, ordinal))""",
        "CREATE INDEX passages_by_digest ON passages (digest)",
        # What was inside a content: attachments, members. `child` is 0 where it could not be read.
        """CREATE TABLE members (content INTEGER NOT NULL REFERENCES contents (number) ON DELETE CASCADE,
           name TEXT NOT NULL, child INTEGER NOT NULL, size INTEGER NOT NULL,
           reason TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (content, name)) WITHOUT ROWID""",
        "CREATE INDEX members_by_child ON members (child)",
        """CREATE TABLE documents (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
           source INTEGER NOT NULL REFERENCES sources (number), key TEXT NOT NULL, version TEXT NOT NULL,
           content INTEGER NOT NULL REFERENCES contents (number), class INTEGER NOT NULL REFERENCES classes (number),
           parent INTEGER NOT NULL, size INTEGER NOT NULL, modified REAL NOT NULL, metadata TEXT NOT NULL,
           UNIQUE (source, key))""",
        "CREATE INDEX documents_by_content ON documents (content)",
        "CREATE INDEX documents_by_parent ON documents (parent)",
        "CREATE TABLE encoders (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL)",
        "CREATE TABLE serving (one INTEGER PRIMARY KEY CHECK (one = 1), encoder INTEGER NOT NULL)",
        # int8 rows of a stretch of passages, then a float32 scale for each.
        """CREATE TABLE vectors (encoder INTEGER NOT NULL REFERENCES encoders (number),
           content INTEGER NOT NULL REFERENCES contents (number) ON DELETE CASCADE, part INTEGER NOT NULL,
           data BLOB NOT NULL, PRIMARY KEY (encoder, content, part)) WITHOUT ROWID""",
        "CREATE INDEX vectors_by_content ON vectors (content)",
        # Contents that are gone, for sidecars that still hold them.
        "CREATE TABLE tombstones (content INTEGER PRIMARY KEY, generation INTEGER NOT NULL)",
        """CREATE TABLE dead (source INTEGER NOT NULL REFERENCES sources (number), key TEXT NOT NULL,
           version TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, tried REAL NOT NULL,
           PRIMARY KEY (source, key)) WITHOUT ROWID""",
    ]
    for statement in statements:
        connection.execute(statement)
    connection.execute("INSERT INTO state (one, generation, lineage) VALUES (1, 1, ?)", (secrets.token_hex(16),))
    connection.execute("INSERT INTO serving VALUES (1, 0)")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema. Raises StoreError on a newer file."""
    sqlite.migrate(connection, _migrations, "collection")
