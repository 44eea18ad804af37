"""Requests to write text, and what was written, in the OpenAI wire shape that clients and upstreams share.

`body` is the JSON object itself: a field this version does not know still reaches an upstream that does. Engines
translate where their runtime speaks something else. Nothing here reads a clock, a file or the network.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple, Protocol, get_args

from msgspec import field

from rightsized.core.frozen import Frozen

Operation = Literal["chat", "completions", "embeddings", "rerank"]
DataClass = Literal["public", "internal", "personal", "health", "secret"]

AUTO = "auto"
LOADING = "loading"  # the detail of an engine whose model is read from the disk
DATA_CLASSES: tuple[DataClass, ...] = get_args(DataClass)  # from the least restrictive to the most


class GivenTests(Frozen, frozen=True):
    """Tests that came with a request, to be run against the code of its answer. No model is shown them."""

    code: str
    language: Literal["python"] = "python"


class RunResult(Frozen, frozen=True):
    """What running them came to, as it is recorded: no text of theirs or of the answer's is in it.

    Args:
        outcome: `timeout` where time or processor time ran out; `not-run` where this machine or the tests themselves
            did not let them be run, which is no result: nothing that an answer does makes it so.
        reason: why it is not `passed`, in one of a fixed set of words.
        ran: tests that ended before the first that failed; the body of the tests' own text is one.
        line: of the tests, where the first failed; 0 where none is known.
        tests: `sha256:...` of the tests; `code`: of the code that was taken from the answer.
    """

    outcome: Literal["passed", "failed", "timeout", "not-run"]
    reason: str = ""
    ran: int = 0
    line: int = 0
    tests: str = ""
    code: str = ""
    seconds: float = 0.0


class Generation(Frozen, frozen=True):
    """What to write, and what binds whoever writes it.

    Args:
        operation: which of the OpenAI operations `body` belongs to.
        body: the request as the client sent it, without `model` and `stream`.
        model: `auto` (the cascade), the name of a tier, or a model that a tier serves.
        stream: whether the client wants the text in pieces.
        data_class: what the prompt holds; a tier answers only classes it was given.
        region: where the data must stay; empty: anywhere that the data class may go.
        deadline: `time.monotonic()` after which nobody waits for the answer any more.
        vetoes: tiers that the policy keeps this request from, each with the reason. Set by `guard/policy`.
        least: the class below which the API key's requests do not count, whatever they declare.
        conversation: whose conversation it belongs to and which, where that is known; no model is shown it.
        untrusted: whether all of it but its instructions is content that nobody vouches for.
        tests: to be run against the code of the answer, where there are any.
        documents: of which the body holds text, as `COLLECTION/ID`: who may not see them all may not read it.
    """

    operation: Operation
    body: dict[str, Any]
    model: str = AUTO
    stream: bool = False
    data_class: DataClass = "secret"
    region: str = ""
    deadline: float = float("inf")
    vetoes: dict[str, str] = field(default_factory=dict)
    least: DataClass | None = None
    conversation: str = ""
    untrusted: bool = False
    tests: GivenTests | None = None
    documents: tuple[str, ...] = ()


class Caller(Frozen, frozen=True):
    """Who asks: the id of the API key (never the key itself) and its tenant; empty where none is asked.

    `data_class` is the least restrictive class that its requests may declare; `roles` are for the policy. `subject` is
    the person whom this request is about. `dry_run`: it asks to see what would be answered (see `types.Request`).
    """

    key: str = ""
    tenant: str = ""
    data_class: DataClass | None = None
    roles: tuple[str, ...] = ()
    subject: str = ""
    dry_run: bool = False


class Usage(Frozen, frozen=True):
    """Tokens read and written. `estimated` where the upstream did not count and they were taken from the length."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False


class Completion(Frozen, frozen=True):
    """What a model wrote.

    `text` is the first choice's text, `finish` its finish reason, `body` the whole response in OpenAI shape. In the
    record both texts are empty and `sha256` is the digest of the body's JSON, which is kept apart, with retention.
    `replaced` counts the values that were sent as placeholders, by type; `warnings` say in words what to mind.
    `tested` is what the request's tests came to, where it had any. `documents` are those that it quotes, as
    `COLLECTION/ID`: who may not see them all may not read it.
    """

    text: str = ""
    finish: str = ""
    usage: Usage = Usage()
    body: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    replaced: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    tested: RunResult | None = None
    documents: tuple[str, ...] = ()


class Delta(NamedTuple):
    """One piece of a stream: the chunk object in OpenAI shape, and the text it adds to the first choice.

    `alike`: it differs from the piece just before it in the text of its only choice, and in nothing else.
    """

    body: dict[str, Any]
    text: str = ""
    alike: bool = False


class Burst(tuple[Delta, ...]):
    """Pieces that came together, to be passed on together: handing them on one by one costs more than reading them."""

    __slots__ = ()


Piece = Delta | Burst


class Generator(Protocol):
    """A model that writes text, on this machine or behind an address. One call is independent of all others."""

    @property
    def name(self) -> str:
        """The tier's name."""
        ...

    @property
    def digest(self) -> str:
        """`sha256:...` of what its answers depend on. A remote model cannot be pinned: address and model name."""
        ...

    @property
    def on_premises(self) -> bool:
        """Whether a prompt stays on this machine."""
        ...

    @property
    def operations(self) -> frozenset[Operation]: ...

    @property
    def context(self) -> int:
        """Tokens it reads, prompt and answer together; 0 where that is not known here."""
        ...

    async def generate(self, generation: Generation) -> Completion:
        """The whole answer.

        Raises UpstreamError (`retryable` says whether another may be asked), UpstreamTimeoutError, BusyError,
        UnsupportedError, ContextLengthError, EgressDeniedError.
        """
        ...

    def stream(self, generation: Generation) -> AsyncIterator[Piece | Completion]:
        """Pieces as they come, then the Completion, whose body is put together from them. Raises as `generate`;
        closing the iterator cancels the work upstream."""
        ...

    async def start(self) -> None:
        """Open what is needed. An upstream that is down is no error here."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    def status(self) -> EngineStatus:
        """How it is, from memory."""
        ...


class EngineStatus(Frozen, frozen=True):
    """How an engine is: whether it takes requests, how many it works on, and in words what is wrong.

    `breaker` is that of a server that fails (engines/remote/breaker.py); empty where there is none. `starts`: how often
    the process of a model on this machine was started; 0 where it has none.
    """

    ready: bool
    in_flight: int = 0
    detail: str = ""
    breaker: Literal["", "closed", "open", "half-open"] = ""
    starts: int = 0


def strictest(*classes: DataClass | None) -> DataClass:
    """The most restrictive of several classes; the most restrictive there is where none is given."""
    given = [DATA_CLASSES.index(one) for one in classes if one is not None]
    return DATA_CLASSES[max(given)] if given else DATA_CLASSES[-1]


def words_of(generation: Generation) -> str:
    """All text of a prompt that a person wrote or a model will read, for features, counting and language."""
    body = generation.body
    if generation.operation == "chat":
        return "\n".join(_content(message) for message in body.get("messages", ()) if isinstance(message, dict))
    if generation.operation == "rerank":
        documents = [d if isinstance(d, str) else str(d.get("text", "")) for d in body.get("documents", ())]
        return "\n".join([str(body.get("query", "")), *documents])
    given = body.get("prompt" if generation.operation == "completions" else "input", "")
    suffix = body.get("suffix") or ""
    return "\n".join([given if isinstance(given, str) else "\n".join(map(str, given)), suffix])


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
