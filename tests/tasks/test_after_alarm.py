"""What answers after an alarm: nothing, the loosest stricter thresholds without one, or everything as before."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest

from rightsized.cascade.chain import answering_rung
from rightsized.cascade.path import Thresholds
from rightsized.core.config import AfterAlarm, AuditConfig, Config, load
from rightsized.core.errors import ConfigError
from rightsized.core.types import Certificate, Reply
from rightsized.data import path as sample
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.recorded import Recorded
from rightsized.store.home import Home
from rightsized.tasks.dataset import OUT_OF_SCOPE
from rightsized.tasks.fallback import Fallback
from rightsized.tasks.service import LocalService, open_service
from rightsized.tasks.versions import TaskStore

TRAFFIC = 240


def messages() -> list[str]:
    with sample("support_calibrate.csv").open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in csv.DictReader(stream)][:TRAFFIC]


def config(home: Path, on_alarm: AfterAlarm) -> Config:
    return Config(home=str(home), audit=AuditConfig(rate=1.0, on_alarm=on_alarm))


def certificate_of(home: Path) -> Certificate:
    return TaskStore(Home(home)).read("support", "certificate.json", Certificate)


def ledger_of(service: LocalService) -> SqliteLedger:
    recorded = service.loaded("support").answerer
    assert isinstance(recorded, Recorded)
    assert isinstance(recorded._ledger, SqliteLedger)
    return recorded._ledger


def links_of(service: LocalService) -> tuple[Thresholds, ...]:
    loaded = service.loaded("support")
    return Fallback(ledger_of(service), loaded.certificate, loaded.rungs, lambda _: None).links


async def scores(service: LocalService, text: str) -> list[float]:
    return [(await rung.score(text)).score for rung in service.loaded("support").rungs]


async def refreshed(service: LocalService) -> None:
    watch = service.loaded("support").watch
    assert watch is not None
    for _ in range(1 + TRAFFIC // 64):  # each look asks again about so many texts at most
        await watch.refresh()


async def audited(service: LocalService, strict: Thresholds) -> list[Reply]:
    """Traffic that the tested thresholds get wrong, and that stricter ones hand to a person or get right."""
    replies = []
    for text in messages():
        reply = await service.classify("support", text)
        replies.append(reply)
        kept = answering_rung(strict, await scores(service, text)) >= 0
        if reply.output is None:
            await service.label(reply.id, OUT_OF_SCOPE, "ana")
        else:
            suggested = reply.attempts[-1].prediction
            assert suggested is not None
            await service.label(reply.id, suggested.label if kept else OUT_OF_SCOPE, "ana")
    return replies


def test_the_loosest_configuration_without_an_alarm_answers_on_uncertified(copied_home: Path) -> None:
    settings, deployed = config(copied_home, "loosest"), certificate_of(copied_home).thresholds

    async def alarm() -> tuple[Thresholds, list[Reply]]:
        async with open_service(settings, purpose="test", record=True) as service:
            links = links_of(service)
            assert links[-1] == deployed
            assert len(links) > 1
            with pytest.raises(ConfigError, match="once the promise is suspended"):
                service.loaded("support").cascade.fall_back(links[0])
            await audited(service, links[0])
            await refreshed(service)
            status = service.task("support")
            assert status.state == "suspended"
            assert status.monitor is not None
            assert status.monitor.alarm_at == pytest.approx(len(links) * 20)
            chosen = status.monitor.fallback
            assert chosen in links[:-1]
            assert "nothing is promised of them" in status.note
            after = [await service.classify("support", text) for text in messages()]
            for text, reply in zip(messages(), after, strict=True):
                local = answering_rung(chosen, await scores(service, text)) >= 0
                assert (reply.status == "answered") == local
            events = ledger_of(service).reader.events(service.task("support").certificate.id)
            assert {event.kind for event in events} >= {"alarm", "shadow"}  # the stricter needed rungs not asked
            await ledger_of(service).purge_texts(9e12)  # whatever a restart needs must not hang on texts
            return chosen, after

    async def again() -> Thresholds | None:
        async with open_service(settings, purpose="test", record=True) as service:
            await refreshed(service)
            monitor = service.task("support").monitor
            assert monitor is not None
            assert (await service.classify("support", messages()[0])).state == "suspended"
            return monitor.fallback

    async def stopped() -> set[str]:
        async with open_service(config(copied_home, "stop"), purpose="test", record=True) as service:
            return {(await service.classify("support", text)).status for text in messages()[:30]}

    chosen, after = asyncio.run(alarm())
    assert {(r.state, r.certified) for r in after} == {("suspended", False)}
    assert {r.status for r in after} == {"answered", "abstained"}
    assert asyncio.run(again()) == chosen  # a restart finds the same, from what the ledger kept
    assert asyncio.run(stopped()) == {"abstained"}


def test_where_every_stricter_configuration_is_wrong_too_nothing_answers(copied_home: Path) -> None:
    async def scenario() -> None:
        async with open_service(config(copied_home, "loosest"), purpose="test", record=True) as service:
            for text in messages():
                reply = await service.classify("support", text)
                await service.label(reply.id, OUT_OF_SCOPE, "ana")
            await refreshed(service)
            monitor = service.task("support").monitor
            assert monitor is not None
            assert monitor.alarmed
            assert monitor.fallback is None
            assert {(await service.classify("support", text)).status for text in messages()[:30]} == {"abstained"}

    asyncio.run(scenario())


def test_settings_after_an_alarm_and_the_older_one(tmp_path: Path) -> None:
    assert AuditConfig().after_alarm == "stop"
    assert AuditConfig(stop_on_alarm=False).after_alarm == "continue"
    assert AuditConfig(on_alarm="loosest", stop_on_alarm=False).after_alarm == "loosest"
    file = tmp_path / "rightsized.toml"
    file.write_text('[audit]\non_alarm = "loosest"\n', "utf-8")
    assert load(file, environment={}).audit.after_alarm == "loosest"
    file.write_text('[audit]\non_alarm = "hope"\n', "utf-8")
    with pytest.raises(ConfigError, match=r"audit.on_alarm = 'hope'"):
        load(file, environment={})
