"""What messages are compared by: their vectors, and which of them a person has taken out of an incident.

A vector stands beside its message until its text is deleted, and only beside the latest messages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LATEST = 10_000  # messages that keep a vector, the latest: 8 MB of 384 numbers each


class Rows(Protocol):
    """What the queries here ask (`store.MessageStore`)."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def writing(self) -> AbstractContextManager[sqlite3.Connection]: ...


KeptVector = tuple[str, NDArray[np.float32]]  # the encoder's digest, and what it made of the words


def vectors_of(store: Rows, keys: Sequence[str]) -> dict[str, KeptVector]:
    """Of these messages, those that have a vector: the encoder's digest and float32 (dimension,), by key."""
    sql = "SELECT key, encoder, vector FROM vectors WHERE key IN (SELECT value FROM json_each(?))"
    rows = store.rows(sql, (json.dumps(list(keys)),))
    return {key: (encoder, np.frombuffer(vector, np.float16).astype(np.float32)) for key, encoder, vector in rows}


def keep_vector(store: Rows, key: str, vector: KeptVector) -> None:
    """Keep the vector of a message, for as long as its text is kept and few came after it."""
    sql = """INSERT INTO vectors (key, encoder, vector)
             SELECT key, ?, ? FROM messages WHERE key = ? AND mail IS NOT NULL
             ON CONFLICT (key) DO UPDATE SET encoder = excluded.encoder, vector = excluded.vector"""
    encoder, made = vector
    with store.writing() as connection:
        connection.execute(sql, (encoder, made.astype(np.float16).tobytes(), key))


def apart(store: Rows, keys: Sequence[str]) -> set[str]:
    """Of these messages, those that a person has taken out of an incident."""
    sql = "SELECT key FROM events WHERE what = 'detached' AND key IN (SELECT value FROM json_each(?))"
    return {key for (key,) in store.rows(sql, (json.dumps(list(keys)),))}


def trim(store: Rows, latest: int = LATEST) -> int:
    """Delete the vectors of all but the latest messages. Returns how many."""
    sql = """DELETE FROM vectors WHERE key IN (SELECT key FROM messages
             WHERE key IN (SELECT key FROM vectors) ORDER BY received DESC, number DESC LIMIT -1 OFFSET ?)"""
    with store.writing() as connection:
        return connection.execute(sql, (latest,)).rowcount
