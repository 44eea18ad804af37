"""Embeddings and rerank: from the OpenAI and the Jina/Cohere request shape to llama.cpp's, and back.

The order of results is ours: the best document first. Texts longer than the context are refused, never cut.
"""

from __future__ import annotations

from typing import Any

from rightsized.core.errors import InputError, UnsupportedError, UpstreamError
from rightsized.core.generation import Completion, Generation, Usage
from rightsized.engines.llamacpp.requests import Body, Call

_EMBEDDING_FIELDS = frozenset(("input", "encoding_format", "model", "user", "dimensions"))
_RERANK_FIELDS = frozenset(("query", "documents", "top_n", "return_documents", "model", "user"))
_FORMATS = (None, "float", "base64")


def call(generation: Generation) -> Call:
    """The one request to llama.cpp. Raises InputError, UnsupportedError."""
    body = generation.body
    known = _RERANK_FIELDS if generation.operation == "rerank" else _EMBEDDING_FIELDS
    unknown = sorted(k for k, v in body.items() if k not in known and v is not None)
    if unknown:
        words = f"The llama.cpp engine does not know the field {unknown[0]!r}."
        raise UnsupportedError(words, fix="Leave it out.", param=unknown[0])
    if generation.operation == "rerank":
        return Call("/v1/rerank", {"query": _query(body), "documents": _documents(body)}, 0)
    if body.get("dimensions") is not None:
        words = "This model gives vectors of one length; `dimensions` cannot be chosen."
        raise UnsupportedError(words, param="dimensions")
    if body.get("encoding_format") not in _FORMATS:
        raise InputError(f"encoding_format = {body['encoding_format']!r} is neither float nor base64.")
    given = body.get("input")
    if given is None or given == [] or given == "":
        raise InputError("`input` must be a text or a list of texts, and not empty.")
    return Call("/v1/embeddings", {"input": given, "encoding_format": body.get("encoding_format") or "float"}, 0)


def completion(generation: Generation, name: str, answer: Body) -> Completion:
    """The answer in the client's shape. Raises UpstreamError where the model gave no numbers."""
    tokens = int((answer.get("usage") or {}).get("prompt_tokens", 0))
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    if generation.operation == "rerank":
        body = {"model": name, "object": "list", "results": _results(generation.body, answer), "usage": counts}
    else:
        rows = [{"object": "embedding", "index": r["index"], "embedding": r["embedding"]} for r in answer["data"]]
        if any(isinstance(row["embedding"], list) and None in row["embedding"] for row in rows):
            raise UpstreamError(f"The model of tier {name!r} gave a vector that holds no number.", retryable=False)
        body = {"object": "list", "data": rows, "model": name, "usage": counts}
    return Completion(finish="stop", usage=Usage(tokens), body=body)


def _query(body: Body) -> str:
    query = body.get("query")
    if not isinstance(query, str) or not query:
        raise InputError("`query` must be a text, and not empty.")
    return query


def _documents(body: Body) -> list[str]:
    given = body.get("documents")
    found = [d.get("text") if isinstance(d, dict) else d for d in given] if isinstance(given, list) else []
    texts = [text for text in found if isinstance(text, str)]
    if not texts or len(texts) < len(found):
        raise InputError("`documents` must be a list of texts, or of objects with a `text`, and not empty.")
    top = body.get("top_n")
    if top is not None and (not isinstance(top, int) or top < 1):
        raise InputError(f"top_n = {top!r} must be a number above 0.")
    return texts


def _results(body: Body, answer: Body) -> list[Body]:
    """Best first; equal scores in the order of the documents."""
    rows: list[dict[str, Any]] = sorted(answer["results"], key=lambda r: (-r["relevance_score"], r["index"]))
    texts = _documents(body)
    wanted = rows[: body.get("top_n") or len(rows)]
    shown = bool(body.get("return_documents"))
    return [
        {"index": r["index"], "relevance_score": r["relevance_score"]}
        | ({"document": {"text": texts[r["index"]]}} if shown else {})
        for r in wanted
    ]
