"""Log probabilities in a request and in its answer: asked for where a check reads them, and not shown to a client."""

from __future__ import annotations

from msgspec import structs

from rightsized.core.generation import Completion, Generation


def with_logprobs(generation: Generation) -> Generation:
    """The same request, asking for log probabilities too."""
    more = {"logprobs": True} if generation.operation == "chat" else {"logprobs": 1}
    return structs.replace(generation, body={**generation.body, **more})


def without_logprobs(completion: Completion) -> Completion:
    """The same answer without them, as the client asked."""
    choices = completion.body.get("choices")
    if not choices or all(choice.get("logprobs") is None for choice in choices):
        return completion
    bare = [{**choice, "logprobs": None} for choice in choices]
    return structs.replace(completion, body={**completion.body, "choices": bare})
