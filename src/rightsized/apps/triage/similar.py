"""Solved messages that are like one: by the encoder's vectors, which are made when they are first needed and kept.

Vectors stand in the inbox's file beside the messages and go with their text.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.records import Kept
from rightsized.core.protocols import Encoder

LATEST = 5_000  # finished messages that are looked through, the latest
A_LOOK = 24  # vectors that one look may have to make; the rest is made by later looks
LEAST = 0.45  # cosine below which messages have little to do with each other


class Like(NamedTuple):
    """A solved message and its cosine to the one at hand."""

    kept: Kept
    similarity: float


async def similar(store: MessageStore, encoder: Encoder, one: Kept, limit: int) -> list[Like]:
    """Finished messages of other threads that are most like `one`, the most similar first."""
    if one.mail is None or not one.mail.text:
        return []
    numbers, matrix = await _vectors(store, encoder)
    if not numbers:
        return []
    vector = (await encoder.encode(one.mail.text)).vector
    closeness = matrix @ vector
    found: list[Like] = []
    for place in np.argsort(-closeness, kind="stable"):
        if closeness[place] < LEAST or len(found) == limit:
            break
        kept = store.numbered(numbers[place])
        if kept is not None and kept.thread != one.thread and kept.mail is not None:
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
