"""Solved messages that are like one: by the encoder's vectors, which are made when they are first needed and kept.

Vectors stand in the inbox's file beside the messages and go with their text.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.records import Address
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.likeness import KeptVector, vectors_of
from rightsized.apps.triage.store.records import Kept
from rightsized.core.errors import NotFoundError
from rightsized.core.protocols import Encoder, Remembers

LATEST = 5_000  # finished messages that are looked through, the latest
A_LOOK = 24  # vectors that one look may have to make; the rest is made by later looks
LEAST = 0.45  # cosine below which messages have little to do with each other


class Like(NamedTuple):
    """A solved message and its cosine to the one at hand."""

    kept: Kept
    similarity: float


class Encoders(Protocol):
    """What is asked for the encoders of the tasks (`tasks.service_protocol.Service` gives it)."""

    def tasks(self) -> list[Any]: ...

    def open_encoder(self, name: str) -> Encoder: ...


def made_lately(tasks: Encoders, text: str) -> KeptVector | None:
    """The vector that a task's reading of this text has just made; None where none did. Nothing is encoded for it."""
    for name in sorted({one.task.encoder for one in tasks.tasks() if one.task.kind == "classify"}):
        with contextlib.suppress(NotFoundError):  # a task whose encoder was removed reads nothing
            encoder = tasks.open_encoder(name)
            made = encoder.lately(text) if isinstance(encoder, Remembers) else None
            if made is not None:
                return encoder.digest, made.vector
    return None


async def similar(
    store: MessageStore, encoder: Encoder, one: Kept, limit: int, ours: Callable[[Address], bool]
) -> list[Like]:
    """Finished messages of other threads that are most like `one`, the most similar first; `ours` were never asked."""
    if one.mail is None or not one.mail.text:
        return []
    numbers, matrix = await _vectors(store, encoder)
    if not numbers:
        return []
    made = vectors_of(store, [one.key]).get(one.key)  # as its tasks read it
    vector = made[1] if made and made[0] == encoder.digest else (await encoder.encode(one.mail.text)).vector
    closeness = matrix @ vector
    found: list[Like] = []
    for place in np.argsort(-closeness, kind="stable"):
        if closeness[place] < LEAST or len(found) == limit:
            break
        kept = store.numbered(numbers[place])
        if kept is None or kept.mail is None or kept.thread == one.thread or ours(kept.mail.sender):
            continue
        found.append(Like(kept, float(closeness[place])))
    return found


async def _vectors(store: MessageStore, encoder: Encoder) -> tuple[list[int], NDArray[np.float32]]:
    """Vectors of the latest finished messages: float32 (n, dimension), and the messages' numbers."""
    for key, text in await asyncio.to_thread(store.without_vector, encoder.digest, LATEST, A_LOOK):
        vector = (await encoder.encode(text)).vector
        await asyncio.to_thread(store.keep_vector, key, encoder.digest, vector.astype(np.float16).tobytes())
    rows = await asyncio.to_thread(store.vectors, encoder.digest, LATEST)
    if not rows:
        return [], np.zeros((0, encoder.dimension), np.float32)
    matrix = np.frombuffer(b"".join(body for _, body in rows), np.float16).reshape(len(rows), -1)
    return [number for number, _ in rows], matrix.astype(np.float32)
