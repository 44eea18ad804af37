"""The recorder: an id for each decision, the coin before any score, and nothing given out that is not on the disk."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from ledger_samples import Echo, open_ledger, reply

from rightsized.cascade.failures import reason_of
from rightsized.core.errors import BusyError, DiskFullError, InputError, UpstreamError
from rightsized.core.generation import Generation
from rightsized.core.types import Attempt, Decision, Reply, Request
from rightsized.ledger.ids import new_id
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.recorded import CANCELLED, LATE, Recorded


class Scripted:
    """A log kept in memory that notes the order of events and can hold or refuse."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.refuse: dict[str, Exception] = {}
        self.hold = {"begin": asyncio.Event(), "finish": asyncio.Event()}
        self.ended: list[Decision] = []
        for event in self.hold.values():
            event.set()

    async def begin(self, decision: Decision, text: str, *, urgent: bool = False) -> None:
        self.events.append("begin handed in")
        if "begin" in self.refuse:
            raise self.refuse["begin"]
        await self.hold["begin"].wait()
        self.events.append("begin durable")

    async def finish(self, decision: Decision, texts: Sequence[tuple[str, str]] = ()) -> None:
        self.ended.append(decision)
        if "finish" in self.refuse:
            raise self.refuse["finish"]
        await self.hold["finish"].wait()
        self.events.append("finish durable")

    def get(self, decision_id: str) -> Decision | None:
        return None


class Slow:
    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.go = asyncio.Event()

    async def answer(self, request: Request) -> Reply:
        self.events.append("scored")
        await self.go.wait()
        return reply(request.id)


def test_ids_are_uuid_version_7_and_sort_by_time() -> None:
    ids = [new_id(1_700_000_000 + i / 1000) for i in range(1000)]
    assert ids == sorted(ids)
    assert {uuid.UUID(i).version for i in ids} == {7}
    assert {uuid.UUID(i).variant for i in ids} == {uuid.RFC_4122}
    assert uuid.UUID(ids[0]).int >> 80 == 1_700_000_000_000
    assert len({new_id(1.0) for _ in range(10_000)}) == 10_000


def test_a_reply_carries_the_id_under_which_it_is_on_the_disk(tmp_path: Path) -> None:
    coins: list[tuple[str, str]] = []

    def coin(decision_id: str, conversation: str) -> tuple[bool, float]:
        coins.append((decision_id, conversation))
        return conversation == "support/c", 0.25

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        recorded = Recorded(Echo(), ledger, coin=coin, version="v7", clock=lambda: 12.5)
        requests = [Request("support", "billing question", conversation="c"), Request("support", "abstain", id="mine")]
        first, second = asyncio.run(recorded.answer_many(requests))
        assert coins == [(first.id, "support/c"), ("mine", "")]
        assert second.id == "mine"
        with LedgerReader(ledger.path) as reader:
            found = reader.get(first.id)
            assert found.reply == first
            assert (found.phase, found.audit, found.audit_probability) == ("done", True, 0.25)
            assert (found.version, found.conversation, found.started, found.ended) == ("v7", "c", 12.5, 12.5)
            assert reader.get("mine").reply.status == "abstained"
            assert reader.get("mine").audit is False


def test_the_order_coin_begin_score_durable_finish_reply() -> None:
    async def scenario() -> list[str]:
        events: list[str] = []
        log, inner = Scripted(events), Slow(events)
        log.hold["begin"].clear()
        log.hold["finish"].clear()

        def coin(decision_id: str, conversation: str) -> tuple[bool, float]:
            events.append("coin")
            return False, 0.0

        asked = asyncio.ensure_future(Recorded(inner, log, coin=coin).answer(Request("t", "x")))
        asked.add_done_callback(lambda _: events.append("reply"))
        for event in (log.hold["begin"], inner.go, log.hold["finish"]):
            for _ in range(5):
                await asyncio.sleep(0)
            event.set()
        await asked
        await asyncio.sleep(0)
        return events

    assert asyncio.run(scenario()) == ["coin", "begin handed in", "scored", "begin durable", "finish durable", "reply"]


@pytest.mark.parametrize("late", ["begin", "finish"])
def test_no_reply_before_start_and_end_are_durable(late: str) -> None:
    async def scenario() -> None:
        log, inner = Scripted([]), Slow([])
        log.hold[late].clear()
        inner.go.set()
        asked = asyncio.ensure_future(Recorded(inner, log).answer(Request("t", "x")))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not asked.done()
        log.hold[late].set()
        assert (await asked).id

    asyncio.run(scenario())


def test_a_quick_answer_costs_one_commit(tmp_path: Path) -> None:
    async def scenario(recorded: Recorded) -> None:
        for i in range(10):
            await recorded.answer(Request("support", f"billing {i}"))

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        asyncio.run(scenario(Recorded(Echo(), ledger)))
        assert ledger.groups == 10
        assert [row.table for row in ledger.reader.rows()] == ["starts", "ends"] * 10


def test_a_slow_answer_has_its_start_on_the_disk_meanwhile(tmp_path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        inner = Slow([])
        asked = asyncio.ensure_future(Recorded(inner, ledger).answer(Request("support", "x", id="slow")))
        with LedgerReader(ledger.path) as reader:
            for _ in range(5000):
                if (found := reader.get("slow")) is not None:
                    break
                await asyncio.sleep(0.001)
            assert found.phase == "started"
            inner.go.set()
            await asked
            assert reader.get("slow").phase == "done"

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        asyncio.run(scenario(ledger))


def test_one_id_twice_at_once_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        inner = Slow([])
        recorded = Recorded(inner, ledger)
        first = asyncio.ensure_future(recorded.answer(Request("support", "the first", id="same")))
        await asyncio.sleep(0)
        with pytest.raises(InputError, match="being answered already"):
            await recorded.answer(Request("support", "the second", id="same"))
        inner.go.set()
        assert (await first).id == "same"
        with pytest.raises(InputError, match=r"could not be started|never started"):
            await recorded.answer(Request("support", "the third", id="same"))
        assert ledger.reader.text("same") == "the first"
        assert len(list(ledger.reader.rows())) == 2

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        asyncio.run(scenario(ledger))


def test_a_failure_is_recorded_and_raised(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "d.sqlite") as ledger:
        with pytest.raises(ValueError, match="the model broke"):
            asyncio.run(Recorded(Echo(), ledger).answer(Request("support", "fail now", id="f")))
        assert (ledger.get("f").phase, ledger.get("f").error) == ("failed", "ValueError")


def test_what_a_server_said_of_a_prompt_outlives_neither_texts_nor_erasure(tmp_path: Path) -> None:
    """It may repeat the prompt, and the record is for good: whoever asked is told, the record keeps our own words."""

    class Quoting(Echo):
        async def answer(self, request: Request) -> Reply:
            error = UpstreamError("The server refused (HTTP 400). It said: 'Anna Lindqvist is no number'.", fix="Ask.")
            error.quoted = " It said: 'Anna Lindqvist is no number'."
            request.trace.append(Attempt("far", 1, "m", 0.0, None, False, reason=reason_of(error)))
            request.trace.append(Attempt("far", 1, "m", 0.0, None, False, reason=reason_of(ValueError("Anna"))))
            raise error

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        with pytest.raises(UpstreamError, match="Anna"):
            asyncio.run(Recorded(Quoting(), ledger).answer(Request("support", "Anna Lindqvist", id="f")))
        kept = ledger.get("f")
        assert kept.error == "The server refused (HTTP 400). Ask."
        assert [attempt.reason for attempt in kept.attempts] == [
            "failed: The server refused (HTTP 400)",
            "failed: ValueError",
        ]
        assert not [row for row in ledger.reader.rows() if b"Anna" in row.record]


@pytest.mark.parametrize(("left_s", "said"), [(-1.0, LATE), (3600.0, CANCELLED)])
def test_giving_up_after_the_deadline_is_told_from_going_away(left_s: float, said: str) -> None:
    async def scenario() -> None:
        log = Scripted([])
        recorded = Recorded(Slow([]), log)
        generation = Generation("chat", {}, deadline=time.monotonic() + left_s)
        asked = asyncio.ensure_future(recorded.answer(Request("t", "x", generation=generation)))
        for _ in range(10):
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await recorded.drain()
        assert [(ended.phase, ended.error) for ended in log.ended] == [("failed", said)]

    asyncio.run(scenario())


@pytest.mark.parametrize("moment", ["while scoring", "while starting", "while ending"])
def test_a_cancelled_request_gets_its_end(moment: str) -> None:
    async def scenario() -> None:
        events: list[str] = []
        log, inner = Scripted(events), Slow(events)
        if moment != "while scoring":
            inner.go.set()
            log.hold["begin" if moment == "while starting" else "finish"].clear()
        recorded = Recorded(inner, log)
        asked = asyncio.ensure_future(recorded.answer(Request("t", "x")))
        for _ in range(10):
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        for event in log.hold.values():
            event.set()
        await recorded.drain()
        (ended,) = log.ended
        if moment == "while scoring":
            assert (ended.phase, ended.error) == ("failed", CANCELLED)
        else:
            assert ended.phase == "done"
            assert ended.reply is not None

    asyncio.run(scenario())


def test_cancelled_under_load_leaves_no_open_decision(tmp_path: Path) -> None:
    class Sleepy:
        async def answer(self, request: Request) -> Reply:
            await asyncio.sleep(0.002)
            return reply(request.id)

    async def scenario(recorded: Recorded) -> int:
        tasks = [asyncio.ensure_future(recorded.answer(Request("t", str(i)))) for i in range(200)]
        for i in range(len(tasks)):
            await asyncio.sleep(0.0002)
            if i % 2:
                tasks[i - 1].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await recorded.drain()
        return sum(isinstance(o, Reply) for o in outcomes)

    with open_ledger(tmp_path / "d.sqlite", queue_rows=1000) as ledger:
        answered = asyncio.run(scenario(Recorded(Sleepy(), ledger)))
        assert answered >= 100
        assert ledger.reader.count(Search()) == 200
        assert ledger.reader.count(Search(status="open")) == 0
        assert ledger.reader.count(Search(status="answered")) >= answered


@pytest.mark.parametrize(("at", "asked"), [("begin", 0), ("finish", 1)])
def test_no_reply_where_the_log_refuses(at: str, asked: int) -> None:
    async def scenario() -> None:
        log = Scripted([])
        log.refuse[at] = BusyError("full") if at == "begin" else DiskFullError("full")
        inner = Echo()
        with pytest.raises((BusyError, DiskFullError)):
            await Recorded(inner, log).answer(Request("t", "billing"))
        assert len(inner.asked) == asked  # refused at once: the model is not asked at all

    asyncio.run(scenario())


def test_bad_requests(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "d.sqlite") as ledger:
        recorded = Recorded(Echo(), ledger)
        with pytest.raises(InputError, match="surrogate"):
            asyncio.run(recorded.answer(Request("support", "bad \ud83d text")))
        with pytest.raises(InputError, match="at most 200"):
            asyncio.run(recorded.answer(Request("support", "x", id="i" * 201)))
        asyncio.run(recorded.answer(Request("support", "billing", id="once")))
        with pytest.raises(InputError, match="once"):
            asyncio.run(recorded.answer(Request("support", "billing", id="once")))
        assert ledger.reader.count(Search()) == 1
