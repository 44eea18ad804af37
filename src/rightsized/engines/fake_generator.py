"""A model that writes what it is told to, so that what is built on the gateway can be tested without weights.

In `rightsized.toml`: `engine = "fake"`, with `options = {answer = "...", delay_s = 0.0, fail = "", unsure = "..."}`.
Without an answer it repeats the last words of the prompt. Where the prompt holds the words of `unsure`, what it says
depends on the request's seed. Deterministic: the same request gives the same text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from rightsized.core.errors import ConfigError, UnsupportedError, UpstreamError
from rightsized.core.generation import Completion, Delta, EngineStatus, Generation, Operation, Usage, words_of
from rightsized.core.tiers import EngineContext, TierConfig

Writer = Callable[[Generation], str]
OPTIONS = ("answer", "delay_s", "fail", "unsure")


class FakeGenerator:
    """Writes `write(generation)`, word by word where a stream is asked for.

    Args:
        fail: words of an UpstreamError raised instead of an answer; empty answers.
        delay_s: seconds before the answer, and between the words of a stream.
        says: what its answers depend on, in words, for its digest; empty: its name alone.
    """

    def __init__(
        self,
        name: str,
        write: Writer,
        *,
        fail: str = "",
        delay_s: float = 0.0,
        on_premises: bool = True,
        says: str = "",
    ) -> None:
        self.name, self.on_premises, self._says = name, on_premises, says or name
        self._write, self._fail, self._delay = write, fail, delay_s
        self.calls = 0
        self.context = 0
        self._in_flight = 0

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(f'fake {self._says}'.encode()).hexdigest()}"

    @property
    def operations(self) -> frozenset[Operation]:
        return frozenset(("chat", "completions"))

    async def generate(self, generation: Generation) -> Completion:
        """The whole answer. Raises UpstreamError where told to fail, UnsupportedError."""
        text = await self._text(generation)
        usage = _usage(generation, text)
        return Completion(text=text, finish="stop", usage=usage, body=_body(generation, self.name, text, usage))

    async def stream(self, generation: Generation) -> AsyncIterator[Delta | Completion]:
        """The answer word by word, then the Completion."""
        text = await self._text(generation)
        for piece in text.replace(" ", " \0").split("\0"):
            await asyncio.sleep(self._delay)
            yield Delta(_chunk(generation, self.name, piece, None), piece)
        yield Delta(_chunk(generation, self.name, "", "stop"))
        usage = _usage(generation, text)
        yield Completion(text=text, finish="stop", usage=usage, body=_body(generation, self.name, text, usage))

    async def _text(self, generation: Generation) -> str:
        if generation.operation not in self.operations:
            raise UnsupportedError(f"The fake model {self.name!r} does not do {generation.operation}.")
        self.calls += 1
        self._in_flight += 1
        try:
            await asyncio.sleep(self._delay)
            if self._fail:
                raise UpstreamError(self._fail)
            return self._write(generation)
        finally:
            self._in_flight -= 1

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to free."""

    def status(self) -> EngineStatus:
        return EngineStatus(ready=not self._fail, in_flight=self._in_flight, detail=self._fail)


def _usage(generation: Generation, text: str) -> Usage:
    return Usage(len(words_of(generation).split()), len(text.split()))


def _body(generation: Generation, model: str, text: str, usage: Usage) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    if generation.operation == "chat":
        choice["message"] = {"role": "assistant", "content": text}
    else:
        choice["text"] = text
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "id": "fake",
        "object": "chat.completion" if generation.operation == "chat" else "text_completion",
        "created": 0,
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": total,
        },
    }


def _chunk(generation: Generation, model: str, piece: str, finish: str | None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
    if generation.operation == "chat":
        choice["delta"] = {"content": piece} if piece else {}
    else:
        choice["text"] = piece
    kind = "chat.completion.chunk" if generation.operation == "chat" else "text_completion"
    return {"id": "fake", "object": kind, "created": 0, "model": model, "choices": [choice]}


def open_engine(tier: TierConfig, context: EngineContext) -> FakeGenerator:
    """The model of a `[[tiers]]` table with `engine = "fake"`. Raises ConfigError on an unknown option."""
    unknown = sorted(set(tier.options) - set(OPTIONS))
    if unknown:
        raise ConfigError(f"The fake engine has no option {unknown[0]!r}.", fix=f"Options: {', '.join(OPTIONS)}.")
    answer, unsure = tier.options.get("answer"), str(tier.options.get("unsure", ""))

    def write(generation: Generation) -> str:
        said = str(answer) if answer is not None else _echo(generation)
        return said + _scattered(generation) if unsure and unsure in words_of(generation) else said

    return FakeGenerator(
        tier.name,
        write,
        fail=str(tier.options.get("fail", "")),
        delay_s=float(tier.options.get("delay_s", 0.0)),
        says="\n".join((tier.name, tier.model, str(answer), *([unsure] if unsure else []))),
    )


def _echo(generation: Generation) -> str:
    return " ".join(words_of(generation).split()[-12:])


def _scattered(generation: Generation) -> str:
    """Words that differ from seed to seed."""
    seeded = f"{generation.body.get('seed')} {words_of(generation)}".encode()
    return f" {hashlib.sha256(seeded).hexdigest()[:8]}"
