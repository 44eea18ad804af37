"""The shapes of answers, for the description at /openapi.json. A model server's further fields come through as well."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class TokenUsage(Struct, frozen=True):
    """Tokens and cost. `estimated` is there, and true, where the model server did not count."""

    prompt_tokens: int
    total_tokens: int
    cost_usd: float
    completion_tokens: int = 0


class ChatCompletion(Struct, frozen=True):
    """An answer: each choice holds a `message`, with text or tool calls. `id` ends in the id of the decision."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: TokenUsage


class TextCompletion(Struct, frozen=True):
    """An answer: each choice holds `text`. `id` ends in the id of the decision."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: TokenUsage


class Embedding(Struct, frozen=True):
    """A vector: numbers, or base64 of little-endian float32."""

    object: str
    index: int
    embedding: list[float] | str


class EmbeddingList(Struct, frozen=True):
    """Vectors in the order of the inputs. `usage.cut_inputs` counts texts longer than a local encoder reads."""

    object: str
    data: list[Embedding]
    usage: TokenUsage


class Ranked(Struct, frozen=True):
    """A document's place in the request, and its score. `document` is there where it was asked for."""

    index: int
    relevance_score: float


class Ranking(Struct, frozen=True):
    """Documents, best first."""

    id: str
    model: str
    results: list[Ranked]
    usage: TokenUsage


class ResponseUsage(Struct, frozen=True):
    """Tokens and cost, under the names of the Responses API."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd: float


class ResponseObject(Struct, frozen=True):
    """An answer as items: messages and calls of functions. `id` ends in the id of the decision."""

    id: str
    object: str
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]
    usage: ResponseUsage | None
    store: bool = False
