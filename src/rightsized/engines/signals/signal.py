"""What a signal is: a named reader that turns an exchange (prompt, perhaps an answer) into a fixed row of numbers.

A signal never decides: it reports, and its weight is learned on the user's labels. Numbers are finite; where a signal
does not apply it reports zeros and says so in one of its numbers. No network, no clock, no randomness.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

Side = Literal["prompt", "answer"]
MAX_CHARS = 20_000  # characters read of a prompt or an answer: bounds the time a hostile text can take


@dataclass(frozen=True)
class Exchange:
    """A prompt, and what came back.

    Args:
        prompt: text of the prompt; of a conversation, its messages joined by blank lines.
        answer: the answer's text; empty before there is one.
        logprobs: natural log probability of each token written, where the engine gives them; else empty.
        samples: further answers to the same prompt, for agreement; else empty.
        tested: what the tests of the request came to; empty where it had none, or they were not run.
        similarities: cosine of the answer's vector with each sample's, where an encoder read them; else empty.
        output: what form was asked for: free text, a JSON object, or JSON of `schema`.
        schema: JSON Schema that the answer must satisfy, where one was given.
        finish: why writing ended, as the engine says (`stop`, `length`, `tool_calls`); empty where unknown.
    """

    prompt: str
    answer: str = ""
    logprobs: tuple[float, ...] = ()
    samples: tuple[str, ...] = ()
    output: Literal["text", "json_object", "json_schema"] = "text"
    schema: dict[str, object] = field(default_factory=dict)
    finish: str = ""
    similarities: tuple[float, ...] = ()
    tested: Literal["", "passed", "failed", "timeout"] = ""


class Signal(Protocol):
    """Reads some numbers off an exchange. A new signal is a new file and one line in `catalogue`."""

    @property
    def name(self) -> str: ...

    @property
    def side(self) -> Side:
        """`prompt` where only the prompt is read; such signals are known before anything is answered."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the numbers, in order. A change of meaning needs a change of name: verifiers are saved with them."""
        ...

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        """The numbers, finite, as many as `features`."""
        ...
