"""What a verifier reads of a request and its answer: one function, so that calibrating and serving cannot differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rightsized.cascade.tier import text_of
from rightsized.core.generation import Completion, Generation, RunResult, words_of
from rightsized.engines.signals.signal import Exchange

NOTHING = "."  # what stands for an empty text, of which an encoder has no vector


def exchange_of(
    generation: Generation, completion: Completion | None = None, samples: Sequence[Completion] = ()
) -> Exchange:
    """The prompt's words, the answer's text, what else the response carries (log probabilities, why it ended), and the
    texts of further samples."""
    output, schema = _asked(generation.body.get("response_format"))
    if completion is None:
        return Exchange(words_of(generation), output=output, schema=schema)
    return Exchange(
        prompt=words_of(generation),
        answer=text_of(completion),
        logprobs=_logprobs(completion.body),
        output=output,
        schema=schema,
        finish=completion.finish,
        tested=_outcome(completion),
        samples=tuple(text_of(sample) for sample in samples),
    )


def compared(exchange: Exchange, vectors: Sequence[NDArray[np.float32]]) -> Exchange:
    """The exchange with the cosine between the answer's vector, which comes first, and each sample's."""
    if len(vectors) < 2:
        return exchange
    own, *others = (vector.astype(np.float64) for vector in vectors)
    return replace(exchange, similarities=tuple(_cosine(own, other) for other in others))


def said(exchange: Exchange) -> list[str]:
    """The texts whose vectors `compared` wants, the answer first; none without samples. A model may write nothing."""
    return [text.strip() or NOTHING for text in (exchange.answer, *exchange.samples)] if exchange.samples else []


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.add.reduce(one * other)) / length if length else 0.0


def completion(text: str, logprobs: tuple[float, ...], tested: RunResult | None = None) -> Completion:
    """An answer from a labelled file as an engine would have given it, with what its tests came to."""
    tokens = [{"logprob": value} for value in logprobs]
    body = {"choices": [{"logprobs": {"content": tokens}}]} if tokens else {}
    return Completion(text=text, body=body, tested=tested)


def _outcome(completion: Completion) -> Literal["", "passed", "failed", "timeout"]:
    found = completion.tested
    return "" if found is None or found.outcome == "not-run" else found.outcome


def _asked(wanted: Any) -> tuple[Any, dict[str, object]]:
    """Which form of output a request asks for, and the schema."""
    if not isinstance(wanted, dict) or wanted.get("type") not in ("json_object", "json_schema"):
        return "text", {}
    named = wanted.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    return wanted["type"], schema if isinstance(schema, dict) else {}


def _logprobs(body: dict[str, Any]) -> tuple[float, ...]:
    """Log probabilities of the first choice's tokens, where the upstream gave them."""
    choices = body.get("choices")
    given = (
        choices[0].get("logprobs") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    )
    tokens = given.get("content") if isinstance(given, dict) else None
    values = [token.get("logprob") for token in tokens if isinstance(token, dict)] if isinstance(tokens, list) else []
    return tuple(float(value) for value in values if isinstance(value, int | float) and math.isfinite(value))
