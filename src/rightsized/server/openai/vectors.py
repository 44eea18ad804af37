"""Texts as vectors by an encoder of this machine: what `/v1/embeddings` and `/v1/rerank` serve without a tier."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.generation import strictest
from rightsized.core.protocols import Encoder
from rightsized.server.openai.asked import Asked
from rightsized.server.openai.errors import InvalidError
from rightsized.tasks.service_protocol import Service

AT_A_TIME = 32  # texts of one request that may wait in the encoder's queue, so that one batch leaves room for others


class Vectors(NamedTuple):
    """float32 (n, dimension) of unit length; tokens read in all; how many texts were cut to what the encoder reads."""

    rows: NDArray[np.float32]
    tokens: int
    cut: int


async def open_encoder(service: Service, model: str, operation: str, asked: Asked) -> Encoder:
    """The encoder of that name. Raises InvalidError (404), which names those there are; ForbiddenError (the policy)."""
    known = service.encoders()
    if model not in known:
        gateway = service.gateway
        entries = gateway.models() if gateway else []
        names = [entry.id for entry in entries if operation in entry.operations and entry.kind != "cascade"]
        there = ", ".join([*names, *known]) or "none; run: rightsized models pull minilm"
        raise InvalidError(
            f"No model {model!r} does {operation} here. Models that do: {there}.", "model", "model_not_found", 404
        )
    service.permit(operation, model, asked.caller, strictest(asked.data_class, asked.caller.data_class))
    return await service.encoder(model)


async def encode(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Vectors of texts. Raises BusyError, InputError (a text that cannot be used)."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(text: str) -> tuple[NDArray[np.float32], int, bool]:
        async with gate:
            return await encoder.encode(text)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(text)) for text in texts]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None  # one is enough to refuse the request
    found = [task.result() for task in tasks]
    rows = np.stack([vector for vector, _, _ in found]).astype(np.float32, copy=False)
    return Vectors(rows, sum(tokens for _, tokens, _ in found), sum(cut for _, _, cut in found))
