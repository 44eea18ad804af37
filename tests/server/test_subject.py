"""Whom a request is about: by header, or as a field of a request to a task; on record sealed under their key."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rightsized.core.config import load
from rightsized.core.errors import ConfigError
from rightsized.core.generation import Caller, Generation
from rightsized.core.tiers import GatewayConfig
from rightsized.ledger.notes import parse_checkpoints
from rightsized.ledger.subjects import PERSON, TENANT, SubjectKeys
from rightsized.server.classify import Classify
from rightsized.server.metrics import Metrics
from rightsized.server.openai import asked as asked_headers
from rightsized.server.openai.asked import CALLER
from rightsized.server.openai.errors import InvalidError
from rightsized.store.home import Home, WriterLock
from rightsized.tasks import log_upkeep
from rightsized.tasks.service import LocalService

TIERS = '[[tiers]]\nname = "small"\nengine = "fake"\noptions = { answer = "small says" }\n'


def service(home: Path, *more: str) -> LocalService:
    file = home / "rightsized.toml"
    file.write_text("\n".join([*more, TIERS]))
    config = load(file, environment={}, flags={"home": str(home)})
    return LocalService(config, purpose="serve", record=True, gateway=True)


def chat(text: str) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": text}]}, model="small", data_class="public")


def test_the_header_names_whom_it_is_about() -> None:
    def asked(*fields: tuple[bytes, bytes]) -> Caller:
        return asked_headers.read({"headers": list(fields), CALLER: Caller("k", "ward")}, GatewayConfig()).caller

    assert asked((b"x-rightsized-subject", b"patient 12")) == Caller("k", "ward", subject="patient 12")
    assert asked() == Caller("k", "ward")
    with pytest.raises(InvalidError, match="X-Rightsized-Subject"):
        asked((b"x-rightsized-subject", b" "))


def test_a_request_to_a_task_names_it_in_its_body() -> None:
    seen: list[Caller | None] = []

    class Service:
        async def classify(self, task: str, text: str, *, caller: Caller | None, **rest: object) -> None:
            seen.append(caller)

    handler = Classify(Service(), Metrics(Service()), 1000)  # type: ignore[arg-type]
    for body in (b'{"task": "t", "text": "x", "subject": "patient 12"}', b'{"task": "t", "text": "x"}'):
        asyncio.run(handler._ask(handler._decoder.decode(body), None))
    assert seen[0] is not None
    assert (seen[0].subject, seen[1]) == ("patient 12", None)


def test_what_a_person_asked_is_sealed_and_can_be_erased_under_a_running_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_upkeep, "ERASURE_S", 0.02)

    async def main() -> None:
        async with service(tmp_path) as running:
            assert running.gateway is not None
            reply = await running.gateway.generate(chat("my pin is 4711"), Caller(subject="patient 12"), "thread 9")
            reader = running._reader
            assert reader is not None
            stored = b"".join(path.read_bytes() for path in tmp_path.glob("decisions.sqlite*"))
            assert b"4711" not in stored
            assert b"small says" not in stored
            assert b"thread 9" not in stored
            assert "4711" in (reader.text(reply.id) or "")
            keys = SubjectKeys(tmp_path / "secrets")
            assert keys.erase(PERSON + "patient 12", at=1.0)
            assert reader.text(reply.id) is None
            while keys.unlogged():  # noqa: ASYNC110 - another process would look so too
                await asyncio.sleep(0.01)
            keys.close()
            assert reader.query("SELECT count(*) FROM texts") == [(0,)]

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_tenant_is_the_subject_where_the_settings_say_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with service(tmp_path, '[record]\nsubject = "tenant"') as running:
            assert running.gateway is not None
            reply = await running.gateway.generate(chat("hello"), Caller(tenant="ward-3"), "")
            keys = SubjectKeys(tmp_path / "secrets")
            assert keys.erase(TENANT + "ward-3", at=1.0)
            keys.close()
            assert running._reader is not None
            assert running._reader.text(reply.id) is None

    asyncio.run(main())


def test_a_server_sends_its_checkpoints_to_the_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_upkeep, "PUBLISH_S", 0.02)
    kept = tmp_path / "elsewhere.txt"

    async def main() -> None:
        async with service(tmp_path, f'[ledger]\nsinks = ["file:{kept}"]') as running:
            assert running.gateway is not None
            await running.gateway.generate(chat("hello"), Caller(), "")
            while not kept.exists() or not kept.read_text():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 30))
    assert parse_checkpoints(kept.read_text("utf-8"))


def test_an_address_that_is_no_sink_stops_the_start(tmp_path: Path) -> None:
    async def main() -> None:
        async with service(tmp_path, '[ledger]\nsinks = ["gopher:hole"]'):
            raise AssertionError("it started")

    with pytest.raises(ConfigError, match=r"ledger\.sinks"):
        asyncio.run(main())
    with WriterLock(Home(tmp_path), "another"):  # the home was let go again
        pass
