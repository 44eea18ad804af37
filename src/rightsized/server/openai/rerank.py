"""`POST /v1/rerank`: documents sorted by how well they answer a query, in the shape of Jina and Cohere.

A tier that ranks gives the scores of its model; an encoder of this machine gives the cosine of its vectors.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from rightsized.core.errors import UpstreamError
from rightsized.core.generation import AUTO, Generation
from rightsized.server.openai import asked as wishes
from rightsized.server.openai.address import Parts
from rightsized.server.openai.asked import Asked, answered_by
from rightsized.server.openai.bodies import RerankRequest
from rightsized.server.openai.errors import InvalidError
from rightsized.server.openai.exchange import JSON_HEADERS, Exchange, Headers
from rightsized.server.openai.requests import Body
from rightsized.server.openai.shapes import usage_of
from rightsized.server.openai.vectors import encode, open_encoder
from rightsized.server.openai.writing import Writers, serves

Scores = dict[int, float]  # by the document's place in the request


class Rerank:
    """The work of the address."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._writers = parts, Writers(parts)
        self._body = Body(RerankRequest, parts.limit)

    async def __call__(self, exchange: Exchange) -> None:
        given, fields = await self._body.read(exchange)
        texts = [_text(document, number) for number, document in enumerate(fields.documents)]
        asked = wishes.read(exchange.scope, self._parts.config)
        if fields.model == AUTO:
            raise InvalidError("Name one model: scores of two models cannot be compared.", "model")
        headers: Headers = JSON_HEADERS
        if serves(self._parts.service, fields.model, "rerank"):
            scores, usage, more = await self._by_tier(exchange, given, fields, asked)
            headers = [*headers, *more]
        else:
            scores, usage = await self._here(fields, texts, asked)
        body: dict[str, Any] = {"id": uuid.uuid4().hex, "object": "list", "model": fields.model, "usage": usage}
        body["results"] = _results(fields, scores)
        await exchange.json(200, msgspec.json.encode(body), headers)

    async def _by_tier(
        self, exchange: Exchange, given: dict[str, Any], fields: RerankRequest, asked: Asked
    ) -> tuple[Scores, dict[str, Any], Headers]:
        sent = {key: value for key, value in given.items() if key not in ("model", "return_documents")}
        generation = Generation("rerank", sent, fields.model, False, asked.data_class, asked.region, asked.deadline)
        reply, completion = await self._writers.whole(exchange, generation, asked)
        return _scores(completion.body, len(fields.documents)), usage_of(reply, completion), answered_by(reply)

    async def _here(self, fields: RerankRequest, texts: list[str], asked: Asked) -> tuple[Scores, dict[str, Any]]:
        encoder = await open_encoder(self._parts.service, fields.model, "rerank", asked)
        made = await encode(encoder, [fields.query, *texts])
        self._parts.used(asked.caller, made.tokens)
        cosines = made.rows[1:] @ made.rows[0]
        usage = {"prompt_tokens": made.tokens, "total_tokens": made.tokens, "cut_inputs": made.cut, "cost_usd": 0.0}
        return dict(enumerate(map(float, cosines))), usage


def _text(document: str | dict[str, Any], number: int) -> str:
    text = document if isinstance(document, str) else document.get("text")
    if not isinstance(text, str) or not text.strip():
        raise InvalidError("A document is a text, or an object with `text`.", f"documents[{number}]")
    return text


def _scores(body: dict[str, Any], documents: int) -> Scores:
    """Scores as a model server gave them. Raises UpstreamError where they name no document of the request."""
    scores: Scores = {}
    for row in body.get("results") or ():
        place = row.get("index") if isinstance(row, dict) else None
        score = row.get("relevance_score") if isinstance(row, dict) else None
        if not isinstance(place, int) or not 0 <= place < documents or not isinstance(score, int | float):
            raise UpstreamError("The model server answered with a result that is none of the documents.")
        scores[place] = float(score)
    if not scores:
        raise UpstreamError("The model server answered without results.")
    return scores


def _results(fields: RerankRequest, scores: Scores) -> list[dict[str, Any]]:
    best = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))[: fields.top_n]
    results: list[dict[str, Any]] = [{"index": place, "relevance_score": score} for place, score in best]
    if fields.return_documents:
        for result in results:
            document = fields.documents[result["index"]]
            result["document"] = {"text": document} if isinstance(document, str) else document
    return results
