"""`POST /v1/embeddings`: vectors by a tier that makes them, or by an encoder of this machine.

`usage.cut_inputs` says how many texts were longer than a local encoder reads; the rest of them was not looked at.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import UpstreamError
from rightsized.core.generation import AUTO, Generation
from rightsized.server.openai import asked as wishes
from rightsized.server.openai.address import Parts
from rightsized.server.openai.asked import answered_by
from rightsized.server.openai.bodies import EmbeddingsRequest
from rightsized.server.openai.errors import InvalidError
from rightsized.server.openai.exchange import JSON_HEADERS, Exchange, Headers
from rightsized.server.openai.requests import Body
from rightsized.server.openai.shapes import usage_of
from rightsized.server.openai.vectors import encode, open_encoder
from rightsized.server.openai.writing import Writers, serves


class Embeddings:
    """The work of the address."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._writers = parts, Writers(parts)
        self._body = Body(EmbeddingsRequest, parts.limit)

    async def __call__(self, exchange: Exchange) -> None:
        given, fields = await self._body.read(exchange)
        texts = _texts(fields)
        asked = wishes.read(exchange.scope, self._parts.config)
        if fields.model == AUTO:
            raise InvalidError("Name one model: vectors of two models cannot be compared.", "model")
        if serves(self._parts.service, fields.model, "embeddings"):
            given.pop("model")
            generation = Generation(
                "embeddings", given, fields.model, False, asked.data_class, asked.region, asked.deadline
            )
            reply, completion = await self._writers.whole(exchange, generation, asked)
            body = {**completion.body, "usage": usage_of(reply, completion)}
            body["data"] = [_as_asked(row, number, fields) for number, row in enumerate(_rows(body, len(texts)))]
            headers: Headers = [*JSON_HEADERS, *answered_by(reply)]
        else:
            body, headers = await self._here(fields, texts, asked), JSON_HEADERS
        await exchange.json(200, msgspec.json.encode(body), headers)

    async def _here(self, fields: EmbeddingsRequest, texts: list[Any], asked: wishes.Asked) -> dict[str, Any]:
        encoder = await open_encoder(self._parts.service, fields.model, "embeddings", asked)
        if fields.dimensions not in (None, encoder.dimension):
            raise InvalidError(f"{fields.model} gives {encoder.dimension} dimensions and no others.", "dimensions")
        if not all(isinstance(text, str) for text in texts):
            raise InvalidError("This model reads texts, not numbers of another model's tokens.", "input")
        made = await encode(encoder, texts)
        self._parts.used(asked.caller, made.tokens)
        rows = [
            {"object": "embedding", "index": number, "embedding": _written(row, fields)}
            for number, row in enumerate(made.rows)
        ]
        usage = {"prompt_tokens": made.tokens, "total_tokens": made.tokens, "cut_inputs": made.cut, "cost_usd": 0.0}
        return {"object": "list", "data": rows, "model": fields.model, "usage": usage}


def _texts(fields: EmbeddingsRequest) -> list[Any]:
    """The inputs as a list; one list of numbers is one input."""
    given = fields.input
    if isinstance(given, str):
        given = [given]
    elif len({type(part) for part in given}) > 1:
        raise InvalidError("input mixes texts and token numbers; send one kind.", "input")
    elif isinstance(given[0], int):
        return [given]
    for number, text in enumerate(given):
        if not text or (isinstance(text, str) and not text.strip()):
            raise InvalidError("A text is empty.", f"input[{number}]" if len(given) > 1 else "input")
    return given


def _rows(body: dict[str, Any], expected: int) -> list[dict[str, Any]]:
    """What a model server answered. Raises UpstreamError where rows are missing or out of order."""
    rows = body.get("data")
    whole = isinstance(rows, list) and len(rows) == expected and all(isinstance(row, dict) for row in rows)
    if not whole:
        raise UpstreamError(f"The model server did not answer with one vector for each of {expected} inputs.")
    return sorted(body["data"], key=lambda row: row.get("index", 0))


def _as_asked(row: dict[str, Any], number: int, fields: EmbeddingsRequest) -> dict[str, Any]:
    """A row in the encoding that was asked for; some servers know only one. Raises UpstreamError."""
    given = row.get("embedding")
    try:
        raw = np.frombuffer(base64.b64decode(given), "<f4") if isinstance(given, str) else np.asarray(given, "<f4")
    except (ValueError, TypeError):
        raise UpstreamError("The model server answered with a vector that cannot be read.") from None
    if raw.ndim != 1 or not raw.size or fields.dimensions not in (None, raw.size):
        raise UpstreamError(f"The model server answered with a vector of shape {raw.shape}.")
    wanted = fields.encoding_format == "base64"
    same = isinstance(given, str) == wanted
    return {**row, "object": "embedding", "index": number, "embedding": given if same else _written(raw, fields)}


def _written(row: NDArray[np.float32], fields: EmbeddingsRequest) -> str | list[float]:
    """Base64 of little-endian float32, or numbers."""
    if fields.encoding_format == "base64":
        return base64.b64encode(np.ascontiguousarray(row, "<f4").tobytes()).decode()
    numbers: list[float] = row.tolist()
    return numbers
