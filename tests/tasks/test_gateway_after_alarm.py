"""The watch over a cascade in service: regret by shadow calls, and what answers after an alarm."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway_samples import AUDITED, CALLER, LARGE, TIERS, asked, certified, settings, sum_of, write_rows
from rightsized.cascade.chain import nested_chain
from rightsized.cascade.generate import Ladder, LadderSetup
from rightsized.cascade.promise import Promise
from rightsized.core.errors import ConfigError
from rightsized.core.types import Decision, Reply, Targets
from rightsized.ledger.reader import Search
from rightsized.store.home import Home
from rightsized.tasks import shadows as shadow_calls
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_cascade import gateways
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.chat_records import ChatPlan
from rightsized.tasks.gateway_status import status_at_rest
from rightsized.tasks.records import MonitorStatus
from rightsized.tasks.service import LocalService
from rightsized.tasks.shadows import shadow_id
from rightsized.tasks.written import RIGHT, WRONG


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("certified")
    assert certified(home).certificate.state == "certified"
    return home


@pytest.fixture(scope="module")
def made_regret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("regret")
    assert certified(home, loss="regret").certificate.state == "certified"
    return home


@pytest.fixture(scope="module")
def made_graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sums below 100 are right but for 1%, those above but for 9%: a strict threshold tells them apart."""
    home = tmp_path_factory.mktemp("graded")
    dice, rows = random.Random(2), []
    for _ in range(1400):
        prompt = sum_of(dice, right=dice.random() < 0.9)
        total = int(prompt.rsplit("=", 1)[1])
        right = eval_sum(prompt) == total and dice.random() < (0.99 if total < 100 else 0.91)
        answers = {"small": " ".join(prompt.split()[-12:]), "large": LARGE}
        rows.append({"prompt": prompt, "answers": answers, "correct": {"small": right, "large": True}})
    data = write_rows(home / "rows.jsonl", rows)
    plan = ChatPlan(
        str(home), "chat", str(data), targets=Targets(0.1), encoder="", serving=serving_tiers(settings(home))
    )
    report = calibrate_chat(plan)
    assert report.state == "certified", report.certificate.sentence
    return home


def eval_sum(prompt: str) -> int:
    a, b = prompt.rsplit("=", 1)[0].split(":")[1].split("+")
    return int(a) + int(b)


@asynccontextmanager
async def serving(home: Path, toml: str = AUDITED) -> AsyncIterator[LocalService]:
    async with LocalService(settings(home, toml), purpose="serve", record=True, gateway=True) as service:
        yield service


async def ask(service: LocalService, count: int, seed: int = 5, **more: str) -> list[Reply]:
    """So many answers, all of them right and sure."""
    assert service.gateway is not None
    dice = random.Random(seed)
    prompts = [sum_of(dice, right=True) for _ in range(count)]
    return [await service.gateway.generate(asked(prompt, **more), CALLER) for prompt in prompts]


async def label(service: LocalService, ids: list[str], verdict: str) -> None:
    assert service.gateway is not None
    for one in ids:
        await service.label(one, verdict, "ana")
    await service.gateway.refresh()
    await service.gateway.refresh()  # what the first look asked for is seen by the second


def state(service: LocalService) -> str:
    assert service.gateway is not None
    return service.gateway.force.promise.state


def shadows(service: LocalService) -> list[Decision]:
    assert service.gateway is not None
    assert service.gateway._ledger is not None
    found = service.gateway._ledger.reader.search(Search(audit=True), limit=1000)
    return [decision for decision in found if "-last" in decision.id]


def copied(home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(home, tmp_path / "home"))


def test_the_last_tier_is_asked_only_where_an_audited_answer_was_wrong(made_regret: Path, tmp_path: Path) -> None:
    home = copied(made_regret, tmp_path)

    async def main() -> None:
        async with serving(home) as service:
            local = [reply.id for reply in await ask(service, 30) if reply.certified]
            await label(service, local[:20], RIGHT)
            assert shadows(service) == []
            await label(service, local[20:22], WRONG)
            made = {decision.id: decision for decision in shadows(service)}
            assert set(made) == {shadow_id(one) for one in local[20:22]}
            for decision in made.values():
                assert decision.reply is not None
                assert (decision.reply.rung, decision.reply.certificate) == ("large", "")
                assert decision.tenant == CALLER.tenant
            assert service.gateway is not None
            status = service.gateway.standing().monitor
            assert status is not None
            assert (status.wrong, status.audits) == (0, 20)  # nobody has said whether the last tier was right
            await label(service, [shadow_id(local[20])], WRONG)  # wrong both: nothing was lost
            await label(service, [shadow_id(local[21])], RIGHT)
            status = service.gateway.standing().monitor
            assert status is not None
            assert (status.wrong, status.audits) == (1, 22)
            assert len(shadows(service)) == 2

    asyncio.run(main())
    at_rest = status_at_rest(settings(home, AUDITED)).monitor
    assert at_rest is not None
    assert (at_rest.wrong, at_rest.audits) == (1, 22)  # the same to whoever looks at the home


def test_regret_sounds_the_alarm_and_errors_of_both_do_not(made_regret: Path, tmp_path: Path) -> None:
    async def outcome(home: Path, of_last: str) -> str:
        async with serving(home) as service:
            local = [reply.id for reply in await ask(service, 14) if reply.certified]
            await label(service, local, WRONG)
            await label(service, [decision.id for decision in shadows(service)], of_last)
            return state(service)

    assert asyncio.run(outcome(copied(made_regret, tmp_path / "a"), WRONG)) == "certified"
    assert asyncio.run(outcome(copied(made_regret, tmp_path / "b"), RIGHT)) == "suspended"


def test_a_shadow_call_keeps_the_rules_of_its_request(made_regret: Path, tmp_path: Path) -> None:
    home = copied(made_regret, tmp_path)
    elsewhere = AUDITED.replace("tier = 1\n", 'tier = 1\nregion = "us"\n')

    async def main() -> None:
        async with serving(home, elsewhere) as service:
            local = [reply.id for reply in await ask(service, 4, region="eu") if reply.certified]
            assert local
            await label(service, local, WRONG)
            assert {decision.phase for decision in shadows(service)} == {"failed"}  # refused: it must stay in the eu
            assert "must stay in eu" in shadows(service)[0].error
            status = monitor(service)
            assert (status.wrong, status.waiting, status.missing) == (0, len(local), 0)  # it may be asked again

    asyncio.run(main())


DOWN = AUDITED.replace("options = {", 'options = {fail = "out of order", ')


def monitor(service: LocalService) -> MonitorStatus:
    assert service.gateway is not None
    status = service.gateway.standing().monitor
    assert status is not None
    return status


def test_a_last_tier_that_was_down_is_asked_again_and_then_counts(
    made_regret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied(made_regret, tmp_path)
    monkeypatch.setattr(shadow_calls, "WAITS_S", (0.0, 3600.0))

    async def while_down() -> list[str]:
        async with serving(home, DOWN) as service:
            local = [reply.id for reply in await ask(service, 3) if reply.certified]
            assert service.gateway is not None
            for one in local:
                await service.label(one, WRONG, "ana")
            await service.gateway.refresh()
            assert {decision.id for decision in shadows(service)} == {shadow_id(one) for one in local}
            assert {decision.phase for decision in shadows(service)} == {"failed"}
            return local

    async def afterwards(local: list[str]) -> None:
        async with serving(home) as service:
            assert service.gateway is not None
            await service.gateway.refresh()
            made = {decision.id for decision in shadows(service) if decision.phase == "done"}
            assert made == {shadow_id(one, 2) for one in local}
            await label(service, sorted(made), RIGHT)  # it would have been right: each is an error that counts
            assert (monitor(service).wrong, monitor(service).waiting, monitor(service).missing) == (len(local), 0, 0)
            assert len(shadows(service)) == 2 * len(local)

    local = asyncio.run(while_down())
    assert local
    asyncio.run(afterwards(local))


def test_what_the_last_tier_could_never_be_asked_is_missing_and_hides_in_no_figure(
    made_regret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied(made_regret, tmp_path)
    monkeypatch.setattr(shadow_calls, "WAITS_S", (0.0, 0.0))

    async def main() -> MonitorStatus:
        async with serving(home, DOWN) as service:
            local = [reply.id for reply in await ask(service, 14) if reply.certified]
            await label(service, local, WRONG)
            for _ in range(3):  # no more calls than the three
                await label(service, [], WRONG)
            assert len(shadows(service)) == 3 * len(local)
            status = monitor(service)
            assert (status.wrong, status.waiting, status.missing) == (0, 0, len(local))
            assert (status.audits, status.alarmed) == (0, False)  # nothing was observed, so nothing is proven
            assert status.if_waiting_wrong >= status.alarm_at  # and nothing is well: were they wrong, it would sound
            assert state(service) == "certified"
            return status

    status = asyncio.run(main())
    assert status_at_rest(settings(home, DOWN)).monitor == status  # the same to whoever looks at the home


def test_an_answer_that_stood_in_for_the_last_tier_observes_nothing(
    made_regret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied(made_regret, tmp_path)
    monkeypatch.setattr(shadow_calls, "WAITS_S", (0.0, 0.0))
    fallback = DOWN.replace("tier = 1\n", 'tier = 1\nfallback = ["small"]\n')

    async def main() -> None:
        async with serving(home, fallback) as service:
            local = [reply.id for reply in await ask(service, 2) if reply.certified]
            await label(service, local, WRONG)
            await label(service, [], WRONG)
            made = shadows(service)
            assert {decision.reply.rung for decision in made if decision.reply} == {"small"}
            assert len(made) == 3 * len(local)
            await label(service, [decision.id for decision in made], RIGHT)
            assert (monitor(service).wrong, monitor(service).missing) == (0, len(local))

    asyncio.run(main())


def test_shadow_calls_can_be_turned_off_and_then_nothing_is_watched(made_regret: Path, tmp_path: Path) -> None:
    home = copied(made_regret, tmp_path)

    async def main() -> None:
        async with serving(home, AUDITED + "last_tier = false\n") as service:
            local = [reply.id for reply in await ask(service, 4) if reply.certified]
            await label(service, local, WRONG)
            assert shadows(service) == []
            assert service.gateway is not None
            assert service.gateway.standing().monitor is None

    asyncio.run(main())


def test_after_an_alarm_stricter_thresholds_answer_uncertified_where_the_owner_allows_it(
    made_graded: Path, tmp_path: Path
) -> None:
    home = copied(made_graded, tmp_path)
    loosest = AUDITED + 'on_alarm = "loosest"\n'

    async def alarm() -> tuple[float | None, ...] | None:
        async with serving(home, loosest) as service:
            assert service.gateway is not None
            certificate = service.gateway.force.certificate
            assert certificate is not None
            strict = nested_chain(certificate.rejected, certificate.thresholds)[0][0]
            assert strict is not None
            local = [reply for reply in await ask(service, 150) if reply.certified]
            sure = [reply.id for reply in local if reply.confidence >= strict]
            unsure = [reply.id for reply in local if reply.confidence < strict]
            assert sure
            assert unsure
            for one in sure:
                await service.label(one, RIGHT, "ana")
            await label(service, unsure, WRONG)
            assert state(service) == "suspended"
            status = service.gateway.standing().monitor
            assert status is not None
            chosen = status.fallback
            assert chosen is not None
            for reply in await ask(service, 40, seed=6):
                assert not reply.certified
                assert (reply.state, reply.certificate) == ("suspended", certificate.id)
                assert (reply.rung == "small") == (reply.attempts[0].score >= (chosen[0] or 2.0))
            return chosen

    async def again() -> tuple[float | None, ...] | None:
        async with serving(home, loosest) as service:
            assert service.gateway is not None
            await service.gateway.refresh()
            return service.gateway.ladder.fallen_back

    assert asyncio.run(alarm()) == asyncio.run(again())  # a restart finds the same


def test_after_an_alarm_everything_may_go_on_uncertified_or_stop(made: Path, tmp_path: Path) -> None:
    async def rungs(home: Path, on_alarm: str) -> set[tuple[str, bool, str]]:
        async with serving(home, AUDITED + f'on_alarm = "{on_alarm}"\n') as service:
            await label(service, [reply.id for reply in await ask(service, 14) if reply.certified], WRONG)
            assert state(service) == "suspended"
            return {(reply.rung, reply.certified, reply.state) for reply in await ask(service, 10)}

    assert asyncio.run(rungs(copied(made, tmp_path / "a"), "continue")) == {("small", False, "suspended")}
    assert asyncio.run(rungs(copied(made, tmp_path / "b"), "stop")) == {("large", False, "none")}


def test_going_back_to_an_older_version_brings_no_promise_back(made: Path, tmp_path: Path) -> None:
    home = copied(made, tmp_path)
    settings(home, TIERS)
    second = certified(home, seed=3)
    assert second.certificate.state == "certified"

    async def main() -> str:
        async with serving(home) as service:
            await label(service, [reply.id for reply in await ask(service, 20) if reply.certified], WRONG)
            assert state(service) == "suspended"
            gateways(Home(home)).rollback("chat")
            await service.gateway.refresh()  # type: ignore[union-attr]  # it is there: the settings name tiers
            return state(service)

    assert asyncio.run(main()) == "suspended"


def test_thresholds_never_change_under_a_standing_promise() -> None:
    with pytest.raises(ConfigError, match="once the promise is suspended"):
        Ladder(LadderSetup((), Promise("certified", "c1"))).fall_back((0.9,))
