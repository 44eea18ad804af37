"""Records every decision of the answerer inside: gives it an id, throws the audit coin, writes its start and its end.

The order, and why it is sound. (1) The id is drawn and the coin thrown, before any score exists. (2) The started row is
handed to the log, and the answerer is asked meanwhile. (3) The end is handed to the log, behind the start. (4) The
reply, which carries the id, is returned only when both are on the disk. So an acknowledged decision is always whole in
the log; what a crash cuts off was never acknowledged, and reads `interrupted` if its start was written. A start holds
nobody up, so that a quick answer costs one commit and not two; a slow one's start is on the disk long before its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine

import msgspec

from rightsized.core.errors import InputError, RightsizedError
from rightsized.core.generation import Completion, Piece
from rightsized.core.protocols import Answerer, Ledger
from rightsized.core.streams import closing
from rightsized.core.types import Attempt, Begun, Decision, Reply, Request
from rightsized.ledger.ids import new_id

Coin = Callable[[str, str], tuple[bool, float]]
Texts = list[tuple[str, str]]  # what was written, as (sha256, JSON)

MAX_ID_CHARS = 200
MAX_ERROR_CHARS = 500
CANCELLED = "cancelled by the caller before there was an answer"
LATE = "cut off after the request's deadline, before there was an answer"


def no_coin(decision_id: str, conversation: str) -> tuple[bool, float]:
    """A coin that never audits."""
    return False, 0.0


def audited_as(task: str, conversation: str) -> str:
    """What the coin remembers a conversation by: one audit a conversation and task. Empty where there is none."""
    return f"{task}/{conversation}" if conversation else ""


class Recorded(Answerer):
    """An answerer whose every decision is on the disk before its reply is given out.

    Args:
        inner: what answers.
        ledger: where decisions go. Its `begin` and `finish` must write even if their caller is cancelled, and `finish`
            may come before `begin` has returned.
        coin: `(decision id, conversation) -> (audit?, probability it was thrown with)`.
        version: version of the task that answers, kept with each decision.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        inner: Answerer,
        ledger: Ledger,
        *,
        coin: Coin = no_coin,
        version: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._inner = inner
        self._ledger = ledger
        self._coin = coin
        self._version = version
        self._clock = clock
        self._owed: set[asyncio.Task[None]] = set()  # ends of cancelled requests, still to be written

    async def answer(self, request: Request) -> Reply:
        """Answer and record.

        Raises whatever the answerer raises (recorded as failed); BusyError, DiskFullError or StoreError where the
        decision cannot be recorded: then nothing is answered.
        """
        begun = self._begun(request)
        asked = _traced(request, begun.id)
        started = asyncio.ensure_future(self._ledger.begin(begun, request.text))
        started.add_done_callback(_noticed)
        try:
            await asyncio.sleep(0)  # lets the started row reach the writer before the model takes the processor
            if started.done():
                started.result()  # refused at once, busy or closed: do not ask the answerer at all
            reply = await self._inner.answer(asked)
        except BaseException as error:
            owed = self._owe(self._end(started, *self._failed(begun, error, asked)))
            if not isinstance(error, asyncio.CancelledError):
                await asyncio.shield(owed)
            raise
        return await self._finish(started, begun, reply)

    async def stream(self, request: Request) -> AsyncIterator[Begun | Piece | Reply]:
        """Answer in pieces and record. The start is on the disk before the first piece, the end before the Reply.

        Raises as `answer`. Where the caller closes the stream, the decision is recorded as cancelled.
        """
        begun = self._begun(request)
        asked = _traced(request, begun.id)
        started = asyncio.ensure_future(self._ledger.begin(begun, request.text, urgent=True))
        started.add_done_callback(_noticed)
        ended = False
        try:
            async with closing(self._inner.stream(asked)) as pieces:
                async for piece in pieces:
                    if not started.done() or isinstance(piece, Begun):
                        await started
                    if isinstance(piece, Reply):
                        ended = True
                        piece = await self._finish(started, begun, piece)
                    yield piece
        except BaseException as error:
            if not ended:
                error = asyncio.CancelledError() if isinstance(error, GeneratorExit) else error
                owed = self._owe(self._end(started, *self._failed(begun, error, asked)))
                if not isinstance(error, asyncio.CancelledError):
                    await asyncio.shield(owed)
            raise

    async def drain(self) -> None:
        """Wait until the ends of cancelled requests are written."""
        while self._owed:
            await asyncio.wait(self._owed)

    def _begun(self, request: Request) -> Decision:
        if len(request.id) > MAX_ID_CHARS:
            raise InputError(f"A decision id has at most {MAX_ID_CHARS} characters; this one has {len(request.id)}.")
        try:
            digest = hashlib.sha256(request.text.encode()).hexdigest()
        except UnicodeEncodeError as error:
            raise InputError(
                f"The text holds half a surrogate pair at character {error.start}; it is not Unicode text."
            ) from None
        now = self._clock()
        decision_id = request.id or new_id(now)
        coin = no_coin if request.dry_run else self._coin
        audit, probability = coin(decision_id, audited_as(request.task, request.conversation))
        return Decision(
            id=decision_id,
            task=request.task,
            version=self._version,
            started=now,
            text_sha256=digest,
            phase="started",
            audit=audit,
            audit_probability=probability,
            conversation=request.conversation,
            tenant=request.tenant,
            key=request.key,
            data_class=request.held,
            detected=request.detected,
            subject=request.subject,
            operation=request.generation.operation if request.generation else request.operation or "classify",
            asked_model=request.generation.model if request.generation else "",
            roles=request.roles,
            documents=request.generation.documents if request.generation else (),
            dry_run=request.dry_run,
        )

    async def _finish(self, started: asyncio.Future[None], begun: Decision, reply: Reply) -> Reply:
        if reply.id != begun.id:
            reply = msgspec.structs.replace(reply, id=begun.id)
        kept, texts = apart(reply)
        ended = msgspec.structs.replace(
            begun, phase="done", ended=self._clock(), reply=kept, verdicts=reply.verdicts, policy=reply.policy
        )
        if started.done():
            started.result()  # refused while the answerer was at work
        await self._ledger.finish(ended, texts)
        await started  # long done, for any log that keeps the order
        return reply

    def _failed(self, begun: Decision, error: BaseException, asked: Request) -> tuple[Decision, Texts]:
        """The record of a request that got no reply, with the attempts made for it, and the texts they wrote.

        In our own words: what a server said may repeat the prompt, and a record outlives texts and erasures.
        """
        words, ruled = LATE if _late(asked) else CANCELLED, {}
        if isinstance(error, RightsizedError):
            error.decision, words = begun.id, f"{error.own_words} {error.fix}".strip()
            ruled = {"verdicts": error.verdicts, "policy": error.policy}
        elif not isinstance(error, asyncio.CancelledError):
            words = type(error).__name__  # its message may hold what it was at work on; the server's log has the place
        attempts, texts = _kept(tuple(asked.trace or ()))
        ended = {"phase": "failed", "ended": self._clock(), "error": words[:MAX_ERROR_CHARS], "attempts": attempts}
        return msgspec.structs.replace(begun, **ended, **ruled), texts

    async def _end(self, started: asyncio.Future[None], ended: Decision, texts: Texts) -> None:
        # A log that refuses here (disk full) leaves a start without an end, which reads `interrupted`: true enough.
        with contextlib.suppress(RightsizedError):
            if started.done():
                started.result()
            await self._ledger.finish(ended, texts)
            await started

    def _owe(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._owed.add(task)
        task.add_done_callback(self._owed.discard)
        return task


def apart(reply: Reply) -> tuple[Reply, Texts]:
    """The reply with digests in place of what was written, drafts included, and the texts as (sha256, JSON)."""
    if reply.completion is None and all(attempt.completion is None for attempt in reply.attempts):
        return reply, []
    digests = _Digests()
    attempts = digests.of_all(reply.attempts)
    kept = msgspec.structs.replace(reply, attempts=attempts, completion=digests.of(reply.completion))
    return kept, digests.texts()


def _kept(attempts: tuple[Attempt, ...]) -> tuple[tuple[Attempt, ...], Texts]:
    """As `apart`, of attempts without a reply."""
    digests = _Digests()
    return digests.of_all(attempts), digests.texts()


class _Digests:
    """Puts digests in place of texts, and remembers the texts."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._done: dict[int, Completion] = {}  # the answer given is also that of the attempt that wrote it

    def of(self, completion: Completion | None) -> Completion | None:
        if completion is None or id(completion) in self._done:
            return completion and self._done[id(completion)]
        body = msgspec.json.encode(completion.body, order="deterministic")
        sha256 = hashlib.sha256(body).hexdigest()
        self._texts[sha256] = body.decode()
        kept = self._done[id(completion)] = msgspec.structs.replace(completion, text="", body={}, sha256=sha256)
        return kept

    def of_all(self, attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
        return tuple(msgspec.structs.replace(a, completion=self.of(a.completion)) for a in attempts)

    def texts(self) -> Texts:
        return list(self._texts.items())


def _traced(request: Request, decision_id: str) -> Request:
    """The request under its decision's id, with a list for the attempts that are made for it."""
    if request.id and request.trace is not None:
        return request
    trace = [] if request.trace is None else request.trace
    return msgspec.structs.replace(request, id=decision_id, trace=trace)


def _late(request: Request) -> bool:
    """Whether the deadline had passed: whoever gave up then is not a client that went away."""
    return request.generation is not None and time.monotonic() >= request.generation.deadline


def _noticed(task: asyncio.Future[None]) -> None:
    """Mark a failed start as seen; a request that was cancelled meanwhile asks no more."""
    if not task.cancelled():
        task.exception()
