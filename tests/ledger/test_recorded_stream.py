"""Streams on record: the start before the first piece, the end before the reply, what was written kept apart."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from rightsized.core.errors import UpstreamError
from rightsized.core.generation import Completion, Delta, Generation, Usage
from rightsized.core.types import Attempt, Begun, Decision, Reply, Request
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.recorded import CANCELLED, Recorded
from rightsized.ledger.schema import decision as decision_of
from rightsized.ledger.schema import encode

ASKED = Request(
    task="chat", text="{}", tenant="ward-3", key="k1",
    generation=Generation("chat", {"messages": []}, data_class="health"),
)  # fmt: skip


def written(text: str) -> Completion:
    return Completion(text=text, finish="stop", usage=Usage(3, 2), body={"choices": [{"message": {"content": text}}]})


class Writes:
    """Two pieces and a reply that carries a refused draft; `dies` breaks off after the first piece."""

    def __init__(self, ledger: SqliteLedger, *, dies: bool = False) -> None:
        self.ledger, self.dies, self.closed = ledger, dies, False

    async def stream(self, request: Request) -> AsyncIterator[Begun | Delta | Reply]:
        try:
            yield Begun(request.id, "small", 2, "sha256:a", "none", False)
            yield Delta({}, "Good ")
            if self.dies:
                raise UpstreamError("The upstream closed the connection in the middle of the answer.")
            yield Delta({}, "day")
            draft = Attempt("tiny", 2, "sha256:b", 0.2, 0.9, False, completion=written("Goo"))
            last = Attempt("small", 2, "sha256:a", 1.0, None, True, completion=written("Good day"))
            yield Reply(
                request.id, "chat", "answered", None, "small", 2, "sha256:a", 1.0, "none",
                attempts=(draft, last), completion=written("Good day"),
            )  # fmt: skip
        finally:
            self.closed = True

    async def answer(self, request: Request) -> Reply:
        return [p async for p in self.stream(request) if isinstance(p, Reply)][0]  # noqa: RUF015 - an async generator


def test_the_start_is_on_the_disk_before_the_first_piece_and_the_end_before_the_reply(tmp_path: Path) -> None:
    async def main() -> None:
        with SqliteLedger(tmp_path / "d.sqlite") as ledger:
            phases: list[str] = []
            async for piece in Recorded(Writes(ledger), ledger).stream(ASKED):
                if isinstance(piece, Begun):
                    decision_id = piece.id
                found = ledger.get(decision_id)
                phases.append(found.phase if found else "absent")
        assert phases == ["started", "started", "started", "done"]

    asyncio.run(main())


def recorded(tmp_path: Path, work: str) -> tuple[Decision, dict[str, str]]:
    async def main() -> None:
        with SqliteLedger(tmp_path / "d.sqlite") as ledger:
            inner = Recorded(Writes(ledger), ledger)
            if work == "answer":
                reply = await inner.answer(ASKED)
            else:
                reply = [p async for p in inner.stream(ASKED)][-1]
            assert isinstance(reply, Reply)
            assert reply.completion is not None
            assert reply.completion.text == "Good day"  # the caller's own copy is whole

    asyncio.run(main())
    with SqliteLedger(tmp_path / "d.sqlite") as ledger:
        (row,) = ledger.reader.query("SELECT id FROM starts", ())
        decision = ledger.get(row[0])
        texts = dict(ledger.reader.query("SELECT sha256, text FROM texts", ()))
    assert decision is not None
    return decision, texts


@pytest.mark.parametrize("work", ["answer", "stream"])
def test_what_was_written_stands_apart_from_the_record(tmp_path: Path, work: str) -> None:
    decision, texts = recorded(tmp_path, work)
    assert (decision.tenant, decision.key, decision.data_class) == ("ward-3", "k1", "health")
    assert decision.reply is not None
    assert decision.reply.completion is not None
    assert b"Goo" not in msgspec.json.encode(decision)
    last, draft = decision.reply.completion, decision.reply.attempts[0].completion
    assert draft is not None
    assert (last.text, last.body, last.usage) == ("", {}, Usage(3, 2))
    assert "Good day" in texts[last.sha256]
    assert '"Goo"' in texts[draft.sha256]
    assert all(hashlib.sha256(text.encode()).hexdigest() == digest for digest, text in texts.items())


def test_a_stream_that_dies_is_recorded_as_failed(tmp_path: Path) -> None:
    async def main() -> Decision | None:
        with SqliteLedger(tmp_path / "d.sqlite") as ledger:
            seen: list[str] = []
            with pytest.raises(UpstreamError, match="in the middle"):
                async for piece in Recorded(Writes(ledger, dies=True), ledger).stream(ASKED):
                    seen.append(piece.id if isinstance(piece, Begun) else "piece")
            assert seen[1:] == ["piece"]
            return ledger.get(seen[0])

    decision = asyncio.run(main())
    assert decision is not None
    assert decision.phase == "failed"
    assert "in the middle" in decision.error


def test_a_stream_closed_by_its_reader_stops_the_writer_and_is_recorded_as_cancelled(tmp_path: Path) -> None:
    async def main() -> tuple[Decision | None, bool]:
        with SqliteLedger(tmp_path / "d.sqlite") as ledger:
            inner = Writes(ledger)
            answerer = Recorded(inner, ledger)
            async with contextlib.aclosing(answerer.stream(ASKED)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Begun):
                        decision_id = piece.id
                    else:
                        break
            await answerer.drain()
            return ledger.get(decision_id), inner.closed

    decision, closed = asyncio.run(main())
    assert closed
    assert decision is not None
    assert (decision.phase, decision.error) == ("failed", CANCELLED)


class GivesUp:
    """Notes a draft, then fails before anything was passed on, or while it is asked."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs, self.asked = hangs, asyncio.Event()

    async def answer(self, request: Request) -> Reply:
        assert request.trace is not None
        request.trace.append(Attempt("tiny", 2, "sha256:b", 0.2, 0.9, False, cost=0.25, completion=written("Goo")))
        self.asked.set()
        if self.hangs:
            await asyncio.sleep(3600)
        raise UpstreamError("large is away")

    async def stream(self, request: Request) -> AsyncIterator[Begun | Delta | Reply]:
        yield Begun(request.id, "small", 2, "sha256:a", "none", False)
        await self.answer(request)


@pytest.mark.parametrize("work", ["answer", "stream", "cancelled"])
def test_a_failed_decision_keeps_the_attempts_made_and_what_they_wrote_apart(tmp_path: Path, work: str) -> None:
    async def main() -> None:
        with SqliteLedger(tmp_path / "d.sqlite") as ledger:
            inner = GivesUp(hangs=work == "cancelled")
            answerer = Recorded(inner, ledger)
            if work == "cancelled":
                task = asyncio.create_task(answerer.answer(ASKED))
                await inner.asked.wait()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await answerer.drain()
                return
            with pytest.raises(UpstreamError, match="away"):
                if work == "answer":
                    await answerer.answer(ASKED)
                else:
                    [piece async for piece in answerer.stream(ASKED)]

    asyncio.run(main())
    with LedgerReader(tmp_path / "d.sqlite") as reader:
        (found,) = reader.search(Search())
        assert (found.phase, found.reply) == ("failed", None)
        assert found.tried is not None
        (draft,) = found.tried
        assert (draft.rung, draft.cost) == ("tiny", 0.25)
        assert draft.completion is not None
        assert (draft.completion.text, draft.completion.usage) == ("", Usage(3, 2))
        ((text,),) = reader.query("SELECT text FROM texts WHERE sha256 = ?", (draft.completion.sha256,))
        assert "Goo" in text
    assert ASKED.trace is None  # the caller's own request is left alone


def test_a_failure_recorded_before_attempts_were_kept_says_that_it_does_not_know(tmp_path: Path) -> None:
    old = b'{"id":"d1","ended":2.0,"phase":"failed","error":"away"}'
    begun = Decision("d1", "chat", "", 1.0, "ab", "started", False, 0.0)
    assert decision_of(encode(begun), old, live=False).tried is None
