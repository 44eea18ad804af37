"""A detector by pattern, a tier that says what it is told to, and streams cut wherever a test wants."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from rightsized.core.generation import Completion, Delta, EngineStatus, Generation, Operation, Piece, Usage
from rightsized.core.pii import Finding, Findings
from rightsized.engines.remote.assemble import Assembler
from rightsized.guard.pseudonym import Pseudonymised

PATTERNS = {
    "person": r"Anna|Zoë Müller|Bo \"Bobby\" O'Neill|李雷|M\u00fcller\nSohn",
    "email": r"[\w.]+@[\w.]+\.\w+",
    "payment_card": r"\b\d{4}(?:[ -]?\d{4}){3}\b",
}
PLACEHOLDER = re.compile(r"[A-Z]{3,12}_[2-9B-Z]{10}")


class PatternDetector:
    """Finds the patterns above, or fails as told."""

    digest = "sha256:patterns"

    def __init__(self, fail: Exception | None = None, failures: tuple[str, ...] = ()) -> None:
        self.fail, self.failures, self.seen = fail, failures, []  # type: ignore[var-annotated]

    def detect(self, text: str) -> Findings:
        self.seen.append(text)
        if self.fail:
            raise self.fail
        found = [
            Finding(m.start(), m.end(), kind, 1.0, "test")
            for kind, pattern in PATTERNS.items()
            for m in re.finditer(pattern, text)
        ]
        return Findings(tuple(sorted(found, key=lambda one: one.start)), "personal", self.failures)


Say = Callable[[Generation], list[dict[str, Any]]]


class ScriptedTier:
    """Answers with the chunks that `say` makes of what it was sent; keeps what that was."""

    name, digest, on_premises, context = "cloud", "sha256:cloud", False, 0
    operations: frozenset[Operation] = frozenset(("chat", "completions", "embeddings", "rerank"))

    def __init__(self, say: Say | None = None, whole: Callable[[Generation], dict[str, Any]] | None = None) -> None:
        self._say, self._whole = say, whole
        self.sent: list[Generation] = []

    async def generate(self, generation: Generation) -> Completion:
        self.sent.append(generation)
        if self._whole:
            return Completion(body=self._whole(generation), usage=Usage(1, 1))
        return self._completion(generation, self._chunks(generation))

    async def stream(self, generation: Generation) -> AsyncIterator[Piece | Completion]:
        self.sent.append(generation)
        chunks = self._chunks(generation)
        for chunk in chunks:
            await asyncio.sleep(0)
            choice = chunk["choices"][0]
            text = choice["delta"].get("content") or "" if generation.operation == "chat" else choice["text"]
            yield Delta(chunk, text if choice["index"] == 0 else "")
        yield self._completion(generation, chunks)

    def _chunks(self, generation: Generation) -> list[dict[str, Any]]:
        assert self._say is not None
        return self._say(generation)

    def _completion(self, generation: Generation, chunks: Sequence[dict[str, Any]]) -> Completion:
        assembler = Assembler(chat=generation.operation == "chat")
        text = "".join([assembler.add(chunk) for chunk in chunks])
        return Completion(text, "stop", Usage(1, 1), assembler.body())

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def status(self) -> EngineStatus:
        return EngineStatus(ready=True)


def chat(*messages: dict[str, Any] | str, **more: Any) -> Generation:
    given = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages]
    return Generation("chat", {"messages": given, **more})


def placeholders(generation: Generation) -> list[str]:
    """The placeholders in what was sent, in order, each once."""
    import json

    return list(dict.fromkeys(PLACEHOLDER.findall(json.dumps(generation.body, ensure_ascii=False))))


def content(text: str, *, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {"content": text, **more} if text else more
    return {"id": "c1", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def call(arguments: str, *, number: int = 0, index: int = 0, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}
    delta = {"tool_calls": [{"index": number, "function": function, **more}]}
    return {"id": "c1", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}


def end(index: int = 0, finish: str = "stop") -> dict[str, Any]:
    return {"id": "c1", "choices": [{"index": index, "delta": {}, "finish_reason": finish}]}


async def collect(tier: Pseudonymised, generation: Generation) -> tuple[list[Delta], Completion]:
    """The pieces of a stream one by one, and the whole at its end."""
    deltas: list[Delta] = []
    async for piece in tier.stream(generation):
        if isinstance(piece, Completion):
            return deltas, piece
        deltas += [piece] if isinstance(piece, Delta) else piece
    raise AssertionError("the stream had no end")


def assembled(deltas: Sequence[Delta], operation: Operation = "chat") -> dict[str, Any]:
    """What a client makes of the pieces."""
    import copy

    assembler = Assembler(chat=operation == "chat")
    for delta in deltas:
        assembler.add(copy.deepcopy(delta.body))
    return assembler.body()
