"""A promise in service: alarms and expiry stop local answers at once, and neither restart nor rollback mends it."""

from __future__ import annotations

import asyncio
import csv
import random
import shutil
from pathlib import Path

import msgspec

from rightsized.cascade.certificate import sign
from rightsized.core.config import AuditConfig, Config
from rightsized.core.types import Certificate
from rightsized.data import path as sample
from rightsized.server.console.views import promised
from rightsized.store.home import Home
from rightsized.tasks.dataset import OUT_OF_SCOPE
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.service import LocalService, open_service
from rightsized.tasks.standing import known_state, verify_task
from rightsized.tasks.versions import TaskStore, write_record

SURE = 14  # messages answered locally that are audited


def messages() -> list[str]:
    with sample("support_calibrate.csv").open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in csv.DictReader(stream)]


def config(home: Path) -> Config:
    return Config(home=str(home), audit=AuditConfig(rate=1.0))


def rewrite(home: Path, **changed: object) -> Certificate:
    """The certificate of `support`, changed and signed anew by its home."""
    store = TaskStore(Home(home))
    certificate = msgspec.structs.replace(store.read("support", "certificate.json", Certificate), **changed)
    signed = sign(certificate, Home(home).secret(SIGNING_SECRET))
    write_record(store.folder("support"), "certificate.json", signed)
    return signed


def older_version(home: Path) -> str:
    """A version made an hour before the one in force, with a certificate of its own; it is not in force."""
    store = TaskStore(Home(home))
    now, before = store.current("support"), "20260101-000000-0000"
    shutil.copytree(store.folder("support"), store.folder("support").parent / before)
    store.promote("support", before, "test")
    made = store.read("support", "certificate.json", Certificate).created
    rewrite(home, created=made - 3600)
    task = store.folder("support") / "task.json"
    task.write_bytes(task.read_bytes().replace(now.encode(), before.encode()))
    store.promote("support", now, "test")
    return before


async def local(service: LocalService, wanted: int) -> list[str]:
    """Decisions of messages that were answered here, under the certificate."""
    found: list[str] = []
    for text in messages():
        reply = await service.classify("support", text)
        if reply.status == "answered":
            assert (reply.certified, reply.state) == (True, "certified")
            found.append(reply.id)
        if len(found) == wanted:
            break
    return found


async def stopped(service: LocalService, state: str) -> str:
    """That nothing is answered here any more; returns what the task's page says of it."""
    for text in messages()[:20]:
        reply = await service.classify("support", text)
        assert (reply.status, reply.certified, reply.state) == ("abstained", False, state)
    return service.task("support").note


def test_late_wrong_audits_suspend_the_promise_for_good(copied_home: Path) -> None:
    settings, store = config(copied_home), TaskStore(Home(copied_home))
    before = older_version(copied_home)
    certificate = store.read("support", "certificate.json", Certificate)

    async def alarm() -> str:
        async with open_service(settings, purpose="test", record=True) as service:
            audits = await local(service, SURE)
            random.Random(0).shuffle(audits)  # labels come late, and in no order
            for decision in audits:
                await service.label(decision, OUT_OF_SCOPE, "ana")
            watch = service.loaded("support").watch
            assert watch is not None
            await watch.refresh()
            status = service.task("support")
            assert status.state == "suspended"
            assert status.monitor is not None
            assert status.monitor.alarmed
            assert promised(status).startswith("Nothing is promised now: ")
            return await stopped(service, "suspended")

    async def again(record: bool) -> str:
        async with open_service(settings, purpose="test", record=record) as service:
            assert service.task("support").state == "suspended"
            return await stopped(service, "suspended")

    said = asyncio.run(alarm())
    assert "audited answers were wrong" in said
    assert said in asyncio.run(again(record=True))
    assert said in asyncio.run(again(record=False))  # a process that records nothing knows it too
    assert known_state(Home(copied_home), certificate, store.current("support")) == ("suspended", said)
    standing = asyncio.run(verify_task(settings, "support"))
    assert [check.name for check in standing.checks if not check.ok] == ["alarm"]
    store.promote("support", before, "rolled back")  # its promise is older than the one that failed
    assert said in asyncio.run(again(record=True))


def test_a_promise_runs_out_while_it_is_served_and_stays_out(copied_home: Path) -> None:
    rewrite(copied_home, expires_requests=5)
    settings, store = config(copied_home), TaskStore(Home(copied_home))

    async def until_it_runs_out() -> str:
        async with open_service(settings, purpose="test", record=True) as service:
            replies = [await service.classify("support", text) for text in messages()[:5]]
            assert {reply.state for reply in replies} == {"certified"}
            return await stopped(service, "none")

    async def again(record: bool) -> str:
        async with open_service(settings, purpose="test", record=record) as service:
            return await stopped(service, "none")

    assert "for 5 requests" in asyncio.run(until_it_runs_out())
    assert "for 5 requests" in asyncio.run(again(record=True))
    assert "for 5 requests" in asyncio.run(again(record=False))
    certificate = store.read("support", "certificate.json", Certificate)
    assert known_state(Home(copied_home), certificate, store.current("support"))[0] == "none"


def test_requests_of_another_version_do_not_count_against_this_one(copied_home: Path) -> None:
    rewrite(copied_home, expires_requests=5)
    settings, store = config(copied_home), TaskStore(Home(copied_home))
    before, now = older_version(copied_home), store.current("support")

    async def ask(many: int) -> int:
        async with open_service(settings, purpose="test", record=True) as service:
            for text in messages()[:many]:
                await service.classify("support", text)
            return service.loaded("support").counts.requests

    store.promote("support", before, "test")
    assert asyncio.run(ask(4)) == 4
    store.promote("support", now, "test")
    assert asyncio.run(ask(3)) == 3
    store.promote("support", before, "test")
    assert asyncio.run(ask(0)) == 4


def test_nothing_runs_out_where_nothing_is_promised(copied_home: Path) -> None:
    store = TaskStore(Home(copied_home))
    certificate = store.read("tone", "certificate.json", Certificate)
    signed = sign(msgspec.structs.replace(certificate, expires=1.0), Home(copied_home).secret(SIGNING_SECRET))
    write_record(store.folder("tone"), "certificate.json", signed)

    async def ask() -> str:
        async with open_service(config(copied_home), purpose="test", record=False) as service:
            return (await service.classify("tone", "What a rude answer!")).state

    assert asyncio.run(ask()) == "estimated"  # as it would have gone on, had the process not been started again
