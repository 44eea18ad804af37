"""The gateway of a home: tiers from the settings, every decision on record, limits and the cache of exact repeats."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rightsized.cascade.failures import LATE, LEFT
from rightsized.core.config import Config, load
from rightsized.core.errors import BusyError, ConfigError, ForbiddenError, UpstreamError, UpstreamTimeoutError
from rightsized.core.generation import Caller, Delta, Generation
from rightsized.core.types import Begun, Reply
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.recorded import CANCELLED
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.service import LocalService

TWO = """
[[tiers]]
name = "small"
engine = "fake"
model = "tiny"
options = {answer = "small says"}

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {answer = "large says", delay_s = 0.02}
"""
WARD = Caller(key="k1", tenant="ward-3")


def settings(tmp_path: Path, toml: str = TWO) -> Config:
    file = tmp_path / "rightsized.toml"
    file.write_text(toml)
    return load(file, environment={}, flags={"home": str(tmp_path / "home")})


def chat(text: str = "hello", **more: Any) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": text}]}, **more)


def with_gateway(
    tmp_path: Path, work: Callable[[LocalGateway, SqliteLedger], Coroutine[Any, Any, None]], toml: str = TWO
) -> None:
    async def main() -> None:
        with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
            gateway = LocalGateway(settings(tmp_path, toml), ledger)
            await gateway.start()
            try:
                await work(gateway, ledger)
            finally:
                await gateway.close()

    asyncio.run(main())


def test_an_answer_is_recorded_with_its_tier_tenant_and_class(tmp_path: Path) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        reply = await gateway.generate(chat(model="tiny", data_class="health"), WARD, "c1")
        decision = ledger.get(reply.id)
        assert decision is not None
        assert decision.reply is not None
        assert (decision.phase, decision.reply.rung, decision.conversation) == ("done", "small", "c1")
        assert (decision.tenant, decision.key, decision.data_class) == ("ward-3", "k1", "health")

    with_gateway(tmp_path, work)


def test_auto_without_a_certificate_goes_to_the_last_tier_or_the_one_named(tmp_path: Path) -> None:
    async def last(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        reply = await gateway.generate(chat(), WARD)
        assert (reply.rung, reply.state, reply.certified) == ("large", "none", False)

    async def named(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        assert (await gateway.generate(chat(), WARD)).rung == "small"

    with_gateway(tmp_path, last)
    (tmp_path / "decisions.sqlite").unlink()
    with_gateway(tmp_path, named, '[gateway]\nuncertified_tier = "small"\n' + TWO)


def test_models_names_all_that_a_request_may_ask_for(tmp_path: Path) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        assert [(m.id, m.kind, m.tier) for m in gateway.models()] == [
            ("auto", "cascade", 2),
            ("small", "tier", 2),
            ("tiny", "model", 2),
            ("large", "tier", 1),
        ]
        assert gateway.status()["small"].ready

    async def with_vectors(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        auto, *_, vectors = gateway.models()
        assert auto.operations == ("chat", "completions")  # vectors of two models cannot be compared
        assert vectors.operations == ("embeddings",)

    more = '[[tiers]]\nname = "vectors"\nmodel = "m"\nurl = "http://127.0.0.1:9/v1"\noperations = ["embeddings"]\n'
    with_gateway(tmp_path, work)
    (tmp_path / "decisions.sqlite").unlink()
    with_gateway(tmp_path, with_vectors, TWO + more)


def test_a_stream_is_on_record_before_its_first_piece(tmp_path: Path) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        pieces: list[Any] = []
        async for piece in gateway.stream(chat(model="small", stream=True), WARD):
            pieces.append(piece)
            if isinstance(piece, Begun):
                begun = ledger.get(piece.id)
                assert begun is not None
                assert begun.phase == "started"
        assert "".join(p.text for p in pieces if isinstance(p, Delta)) == "small says"
        assert isinstance(pieces[-1], Reply)
        done = ledger.get(pieces[-1].id)
        assert done is not None
        assert done.phase == "done"

    with_gateway(tmp_path, work)


def test_nobody_waits_past_the_deadline(tmp_path: Path) -> None:
    slow = TWO.replace("delay_s = 0.02", "delay_s = 30")

    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        generation = chat(model="large", deadline=time.monotonic() + 0.05)
        with pytest.raises(UpstreamTimeoutError, match="deadline") as whole:
            await gateway.generate(generation, WARD)
        with pytest.raises(UpstreamTimeoutError, match="deadline") as streamed:
            async for _ in gateway.stream(generation, WARD):
                pass
        for error in (whole.value, streamed.value):
            late = ledger.get(error.decision)  # whole on the disk before the client is told
            assert late is not None
            assert (late.phase, "before the request's deadline" in late.error) == ("failed", True)
            assert [attempt.reason for attempt in late.attempts] == [LATE]

    with_gateway(tmp_path, work, slow)


def test_a_stream_cut_off_at_the_deadline_is_no_client_that_went_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first word comes at once, the second never."""

    async def hangs(generation: Generation) -> AsyncIterator[Delta]:
        yield Delta({"choices": [{"index": 0, "delta": {"content": "large"}}]}, "large")
        await asyncio.sleep(3600)

    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        begun: list[str] = []
        monkeypatch.setattr(gateway._tiers[1].generator, "stream", hangs)
        with pytest.raises(UpstreamTimeoutError, match="deadline") as caught:
            async for piece in gateway.stream(chat(model="large", deadline=time.monotonic() + 1.0), WARD):
                begun += [piece.id] if isinstance(piece, Begun) else []
        assert begun == [caught.value.decision]
        late = ledger.get(begun[0])
        assert late is not None
        assert (late.phase, "before the request's deadline" in late.error) == ("failed", True)
        assert late.attempts[-1].reason == LATE
        assert late.attempts[-1].completion is not None  # what was said until then was passed on, so it is kept
        async with contextlib.aclosing(gateway.stream(chat(model="large"), WARD)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Begun):
                    gone = piece.id
                    break
        await asyncio.sleep(0)
        for recorded in gateway._retired:
            await recorded.drain()
        left = ledger.get(gone)
        assert left is not None
        assert (left.phase, left.error) == ("failed", CANCELLED)
        assert left.attempts[-1].reason == LEFT

    with_gateway(tmp_path, work)


def test_a_failure_says_under_which_decision_it_is_on_record(tmp_path: Path) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        with pytest.raises(UpstreamError, match="away") as caught:
            await gateway.generate(chat(model="small"), WARD)
        decision = ledger.get(caught.value.decision)
        assert decision is not None
        assert (decision.phase, "away" in decision.error) == ("failed", True)

    with_gateway(tmp_path, work, TWO.replace('answer = "small says"', 'fail = "away"'))


def test_more_requests_than_allowed_are_refused_as_busy(tmp_path: Path) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        first = asyncio.create_task(gateway.generate(chat(model="large"), WARD))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="1 requests"):
            await gateway.generate(chat(model="small"), WARD)
        await first
        assert (await gateway.generate(chat(model="small"), WARD)).rung == "small"

    with_gateway(tmp_path, work, "[gateway]\nin_flight = 1\n" + TWO)


def test_an_exact_repeat_is_answered_from_memory_and_recorded(tmp_path: Path) -> None:
    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        first = await gateway.generate(chat(), WARD)
        again = await gateway.generate(chat(), WARD)
        assert first.id != again.id
        assert (again.cost, again.certified) == (0.0, False)
        assert first.id in again.attempts[0].reason
        assert ledger.get(again.id) is not None
        pieces = [piece async for piece in gateway.stream(chat(), WARD)]
        assert "".join(p.text for p in pieces if isinstance(p, Delta)) == "large says"
        for other in (chat("hullo"), chat(model="small"), chat(data_class="public"), chat(region="eu")):
            assert "repeats" not in (await gateway.generate(other, WARD)).attempts[-1].reason
        stranger = await gateway.generate(chat(), Caller(key="k2", tenant="ward-4"))
        assert "repeats" not in stranger.attempts[-1].reason

    with_gateway(tmp_path, work, "[gateway]\ncache_entries = 10\n" + TWO)


def test_a_tier_beyond_this_machine_gets_nothing_unless_the_settings_say_so(tmp_path: Path) -> None:
    remote = '[[tiers]]\nname = "far"\nmodel = "m"\nurl = "https://models.example/v1"\n'

    async def work(gateway: LocalGateway, ledger: SqliteLedger) -> None:
        with pytest.raises(ForbiddenError, match="secret data may not be sent there"):
            await gateway.generate(chat(), WARD)

    with_gateway(tmp_path, work, remote)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[[tiers]]\nname = "a"\nurl = "x"\n', "is no http address"),
        ('[[tiers]]\nname = "a b"\nengine = "fake"\n', "no name for a tier"),
        ('[[tiers]]\nname = "a"\nengine = "fake"\n[[tiers]]\nname = "a"\nengine = "fake"\n', "Two tiers"),
        ('[[tiers]]\nname = "a"\nengine = "fake"\nfallback = ["b"]\n', "no other tier"),
        ('[[tiers]]\nname = "a"\nengine = "fake"\ncolour = "red"\n', "colour"),
        ('[[tiers]]\nname = "a"\nengine = "fake"\ntimeout_s = 0\n', "above 0"),
        ('[gateway]\nuncertified_tier = "b"\n[[tiers]]\nname = "a"\nengine = "fake"\n', "is no tier"),
    ],
)
def test_wrong_settings_name_the_tier_and_the_file(tmp_path: Path, toml: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        settings(tmp_path, toml)
    assert "rightsized.toml" in str(caught.value)


def test_the_service_opens_the_gateway_where_it_serves(tmp_path: Path) -> None:
    async def main() -> None:
        config = settings(tmp_path)
        async with LocalService(config, purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            reply = await service.gateway.generate(chat(), WARD)
            assert service.decision(reply.id).tenant == "ward-3"
        async with LocalService(config, purpose="ask", record=True) as service:
            assert service.gateway is None

    asyncio.run(main())
