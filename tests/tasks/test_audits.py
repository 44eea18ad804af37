"""Audits reach the monitor in the order of the requests; an alarm stops local answers and stays."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from rightsized.cascade.monitor import Monitor
from rightsized.core.config import AuditConfig
from rightsized.core.types import Certificate, Interval, Promise, Reply, Request
from rightsized.engines.fake import predict
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.recorded import Recorded
from rightsized.tasks.audits import AuditWatch, monitor_plan, standing_alarm
from rightsized.tasks.queue import ReviewQueue

AUDIT = AuditConfig(rate=0.5, alarm_delta=0.05)


def certificate(promise: Promise = "selective_error") -> Certificate:
    return Certificate(
        id="c1",
        task="support",
        state="certified",
        promise=promise,
        epsilon=0.05,
        delta=0.05,
        delta_spent=0.05,
        attempt=1,
        method="test",
        n=600,
        m=500,
        errors=9,
        rungs=("fake",),
        thresholds=(0.5,),
        rejected=((0.5,),),
        local_share=Interval(0.8, 0.7, 0.9, 600),
        expected_cost=0.0,
        sampling="random",
        unit="messages",
        label_kind="human",
        out_of_scope_rows=0,
        digests={},
        created=0.0,
        expires=1e12,
        expires_requests=100_000,
        code_version="0",
        sentence="",
    )


class Right:
    """Answers `yes`, under the certificate; abstains where the text says so."""

    async def answer(self, request: Request) -> Reply:
        answered = "abstain" not in request.text
        return Reply(
            id=request.id,
            task=request.task,
            status="answered" if answered else "abstained",
            output=predict("yes", 0.9) if answered else None,
            rung="fake",
            tier=3,
            model="sha256:00",
            confidence=0.9,
            state="certified",
            certificate="c2" if "other" in request.text else "c1",
            certified=answered and "uncertified" not in request.text,
        )


async def ask(ledger: SqliteLedger, texts: list[str]) -> list[str]:
    """Ask in this order; the coin falls on texts with `audit` in them. Returns the decision ids."""
    ids = []
    for text in texts:
        recorded = Recorded(Right(), ledger, coin=lambda _, conversation: (conversation.endswith("/audit"), 0.5))
        request = Request("support", text, conversation="audit" if "audit" in text else "")
        ids.append((await recorded.answer(request)).id)
    return ids


def test_only_audits_under_this_promise_count(tmp_path: Path) -> None:
    texts = ["audit 1", "plain 2", "audit abstain 3", "audit other 4", "audit uncertified 5", "audit 6", "audit 7"]

    async def scenario(ledger: SqliteLedger) -> None:
        ids = await ask(ledger, texts)
        queue = ReviewQueue(ledger.reader, ledger)
        watch = AuditWatch(ledger, certificate(), AUDIT, on_alarm=lambda _: None)
        status = await watch.refresh()
        assert (status.audits, status.wrong, status.waiting) == (0, 0, 3)
        assert status.if_waiting_wrong > status.e_value
        for number, label in ((6, "yes"), (0, "no"), (2, "no"), (3, "no"), (4, "no")):
            await queue.label(ids[number], label, "ana")
        await queue.feedback(ids[5], "no", "user")  # feedback never enters
        status = await watch.refresh()
        assert (status.audits, status.wrong, status.waiting, status.alarmed) == (2, 1, 1, False)
        assert status.alarm_at == 20.0
        assert status.messages_to_detection > 0
        every = await AuditWatch(ledger, certificate("wrong_local_rate"), AUDIT, on_alarm=lambda _: None).refresh()
        assert (every.audits, every.wrong, every.waiting) == (4, 1, 1)  # messages handed up count as right

    with SqliteLedger(tmp_path / "d.sqlite", group_ms=0) as ledger:
        asyncio.run(scenario(ledger))


def test_the_evidence_is_that_of_labels_in_request_order_whenever_they_come(tmp_path: Path) -> None:
    wrong = [i % 7 == 3 for i in range(30)]

    async def scenario(ledger: SqliteLedger) -> None:
        ids = await ask(ledger, [f"audit {i}" for i in range(30)])
        queue = ReviewQueue(ledger.reader, ledger)
        watch = AuditWatch(ledger, certificate(), AUDIT, on_alarm=lambda _: None)
        order = list(range(30))
        random.Random(1).shuffle(order)
        for i in order:
            await queue.label(ids[i], "no" if wrong[i] else "yes", "ana")
            await watch.refresh()
        expected = Monitor(monitor_plan(certificate(), AUDIT))
        for i, decision in enumerate(ids):
            expected.watch(decision, local=True, audit=True, probability=0.5)
            expected.label(decision, wrong=wrong[i])
        assert watch.status.e_value == pytest.approx(expected.reading().e_value)
        assert watch.status.wrong == sum(wrong)
        await queue.undo(ids[0], "ana")
        await queue.label(ids[1], "no", "ana")  # a corrected label
        status = await watch.refresh()
        assert (status.audits, status.waiting, status.wrong) == (29, 1, sum(wrong) + 1)

    with SqliteLedger(tmp_path / "d.sqlite", group_ms=0) as ledger:
        asyncio.run(scenario(ledger))


def test_an_alarm_sounds_once_is_on_the_disk_and_stays(tmp_path: Path) -> None:
    sounded: list[str] = []

    async def scenario(ledger: SqliteLedger) -> None:
        ids = await ask(ledger, [f"audit {i}" for i in range(12)])
        queue = ReviewQueue(ledger.reader, ledger)
        watch = AuditWatch(ledger, certificate(), AUDIT, on_alarm=sounded.append, clock=lambda: 5.0)
        for decision in ids:
            await queue.label(decision, "no", "ana")
            await watch.refresh()
        assert watch.status.alarmed
        assert len(sounded) == 1
        assert "above 0.05" in sounded[0]
        for decision in ids:  # the labels were a mistake: too late
            await queue.label(decision, "yes", "ana")
        status = await watch.refresh()
        assert (status.wrong, status.alarmed) == (0, True)
        assert len(sounded) == 1

    path = tmp_path / "d.sqlite"
    with SqliteLedger(path, group_ms=0) as ledger:
        asyncio.run(scenario(ledger))
    with SqliteLedger(path, group_ms=0) as ledger:
        kept = standing_alarm(ledger.reader, "c1")
        assert (kept.created, kept.detail) == (5.0, sounded[0])
        assert standing_alarm(ledger.reader, "c2") is None
        AuditWatch(ledger, certificate(), AUDIT, on_alarm=sounded.append)
        assert sounded == [kept.detail] * 2  # a restart finds the promise still suspended


def test_nothing_is_watched_without_a_promise_or_a_coin(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "d.sqlite", group_ms=0) as ledger:
        for held, audit in (
            (replace(certificate(), state="estimated"), AUDIT),
            (certificate(), AuditConfig(rate=0.0)),
        ):
            watch = AuditWatch(ledger, held, audit, on_alarm=lambda _: None)
            assert asyncio.run(watch.refresh()) is None
