"""What a tier or rung that did not answer did, in the words that an attempt keeps and in the fields of a log."""

from __future__ import annotations

import asyncio

from rightsized.cascade.tier import CHARS_A_TOKEN, prompt_tokens
from rightsized.core.errors import RightsizedError, UpstreamError
from rightsized.core.generation import Completion, Generation, Usage

FAILED = "failed: "  # it was given the text
NOT_REACHED = "not reached: "  # it was not
LEFT = "failed: nobody waited for its answer any longer"
LATE = "failed: it had not answered by the request's deadline"


def reason_of(error: BaseException, *, named: bool = False, late: bool = False) -> str:
    """Why there is no answer, in our own words: what a server or a library said may repeat the prompt, and a record is
    for good. Says by its first word whether the text was handed over; in doubt, that it was.

    Args:
        named: also name the class of an error of ours, as those of others always are.
        late: whether the request's deadline had passed.
    """
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return LATE if late else LEFT
    if not isinstance(error, RightsizedError):
        return f"{FAILED}{type(error).__name__}"
    name = f"{type(error).__name__}: " if named else ""
    return f"{FAILED if error.sent else NOT_REACHED}{name}{error.own_words.rstrip('.')}"


def failure_fields(error: RightsizedError) -> dict[str, object]:
    """The failure for a log: in our own words alone, since a server's may repeat the prompt."""
    fields: dict[str, object] = {"error": error.code, "reason": error.own_words}
    if isinstance(error, UpstreamError) and error.upstream_status:
        fields["upstream_status"] = error.upstream_status
    return fields


def begun_text(generation: Generation, text: str) -> Completion:
    """An answer that broke off: its text in OpenAI shape. Nobody counted its tokens; they are taken from the length."""
    choice: dict[str, object] = {"index": 0, "finish_reason": None}
    choice |= {"message": {"role": "assistant", "content": text}} if generation.operation == "chat" else {"text": text}
    usage = Usage(prompt_tokens(generation), -int(-len(text) // CHARS_A_TOKEN), estimated=True)
    return Completion(text=text, usage=usage, body={"choices": [choice]})
