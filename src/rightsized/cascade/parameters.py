"""How a request wants its answer written, beside what it asks: a promise covers the parameters that were tested.

`temperature: 1.8` or a seed of the client's own makes other answers than those that were calibrated on. What only says
how an answer is handed over does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from rightsized.core.generation import Completion, Generation

LIMITS = ("max_tokens", "max_completion_tokens")  # matter where they cut the answer, and only there
OTHER = frozenset(  # fields of a request that are no parameters
    (
        *LIMITS,
        *("messages", "response_format"),  # of the words
        *("model", "stream", "stream_options", "n", "logprobs", "top_logprobs"),  # of the way to them and back
        *("rightsized", "user", "metadata", "store", "service_tier", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention"),
    )
)
UNSAID = "{}"  # of a request that says nothing
TESTS = "rightsized.tests"  # named so where tests came with the request


def parameters(body: dict[str, Any], *, tests: bool = False) -> str:
    """What a body says of how its answer is written, as JSON with sorted names; nulls and empty values say nothing.

    Args:
        tests: whether tests came with it: what they come to is part of how its answer is judged.

    >>> parameters({"messages": [], "temperature": 0, "stream": True, "stop": None}), parameters({"messages": []})
    ('{"temperature":0}', '{}')
    """
    said = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in body.items()
        if name not in OTHER and value is not None and value not in ("", [], {})
    }
    said |= {TESTS: True} if tests else {}
    return msgspec.json.encode(said, order="deterministic").decode()


def parameters_of(requests: Iterable[Generation]) -> tuple[str, ...]:
    """All parameters of some requests, in order; those of a request that says nothing where there are no requests."""
    return tuple(sorted({_said(one) for one in requests})) or (UNSAID,)


def why_untested(generation: Generation, tested: Collection[str]) -> str:
    """Why the answer to a request is not like those that were tested, in words; empty where it is."""
    if generation.operation != "chat":
        return "only chats were tested"
    asked = _said(generation)
    if asked in tested:
        return ""
    return f"no answer was tested with the parameters {asked}, but with {', '.join(sorted(tested))}"


def _said(generation: Generation) -> str:
    return parameters(generation.body, tests=generation.tests is not None)


def why_cut(generation: Generation, completion: Completion) -> str:
    """Why a text that ends where the request's own limit cut it is no whole answer; empty where it is one."""
    cut = completion.finish == "length" and any(generation.body.get(name) for name in LIMITS)
    return "the answer was cut at the length that the request allows" if cut else ""
