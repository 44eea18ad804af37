"""What a verifier reads of a request and its answer: one function, so that calibrating and serving cannot differ."""

from __future__ import annotations

import math
from typing import Any

from rightsized.cascade.tier import text_of
from rightsized.core.generation import Completion, Generation, words_of
from rightsized.engines.signals.signal import Exchange


def exchange_of(generation: Generation, completion: Completion | None = None) -> Exchange:
    """The prompt's words, the answer's text, and what else the response carries: log probabilities, why it ended."""
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
    )


def completion(text: str, logprobs: tuple[float, ...]) -> Completion:
    """An answer from a labelled file as an engine would have given it."""
    tokens = [{"logprob": value} for value in logprobs]
    return Completion(text=text, body={"choices": [{"logprobs": {"content": tokens}}]} if tokens else {})


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
