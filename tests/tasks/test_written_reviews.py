"""Written answers in the review queue: right or wrong, blind audits, and labels that watch the gateway's promise."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway_samples import AUDITED, CALLER, TIERS, asked, certified, settings, sum_of
from rightsized.core.errors import InputError
from rightsized.core.generation import Generation
from rightsized.core.types import Reply
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.records import Turn
from rightsized.tasks.service import LocalService
from rightsized.tasks.written import turns_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("certified")
    assert certified(home).certificate.state == "certified"
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A home of the test's own with the certified cascade in it."""
    return Path(shutil.copytree(made, tmp_path / "home"))


@pytest.fixture(scope="module")
def with_person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("person")
    assert certified(home, person=True, tiers=("small",)).certificate.state == "certified"
    return home


def state_of(service: LocalService) -> str:
    assert service.gateway is not None
    return service.gateway.force.promise.state


def opened(home: Path, toml: str = AUDITED) -> LocalService:
    return LocalService(settings(home, toml), purpose="serve", record=True, gateway=True)


async def replies(service: LocalService, count: int, *, right: bool = True) -> list[Reply]:
    assert service.gateway is not None
    dice = random.Random(count)
    prompts = [sum_of(dice, right=right) for _ in range(count)]
    return [await service.gateway.generate(asked(prompt), CALLER) for prompt in prompts]


def test_an_audit_shows_prompt_and_answer_and_nothing_that_leads(home: Path) -> None:
    async def main() -> None:
        async with opened(home) as service:
            assert service.gateway is not None
            messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "Copy: 2 + 2 = 4"}]
            reply = await service.gateway.generate(Generation("chat", {"messages": messages}), CALLER)
            assert reply.certified
            (item,) = service.queue("chat", 10)
            assert (item.decision, item.kind, item.suggestion) == (reply.id, "audit", None)
            assert item.text == "system: Be exact.\n\nuser: Copy: 2 + 2 = 4"
            assert item.written is not None
            assert item.written.turns == (Turn("system", "Be exact."), Turn("user", "Copy: 2 + 2 = 4"))
            assert (item.written.answer, item.written.given) == ("Be exact. Copy: 2 + 2 = 4", True)
            assert item.written.drafts == ()
            whole = service.written(reply.id)
            assert whole is not None
            assert whole.drafts == (Turn("small", "Be exact. Copy: 2 + 2 = 4"),)

    asyncio.run(main())


def test_only_answers_under_the_promise_are_audited(home: Path) -> None:
    async def main() -> None:
        async with opened(home) as service:
            assert service.gateway is not None
            named = await service.gateway.generate(asked("Copy: 3 + 4 = 7", model="small"), CALLER)
            escalated = (await replies(service, 1, right=False))[0]
            assert (named.certified, escalated.rung, escalated.certified) == (False, "large", False)
            assert service.queue(None, 10) == []

    asyncio.run(main())


def test_labels_are_right_or_wrong_and_can_be_taken_back(home: Path) -> None:
    async def main() -> None:
        async with opened(home) as service:
            (reply,) = await replies(service, 1)
            for label in ("billing", "", "out_of_scope", "right|wrong"):
                with pytest.raises(InputError):
                    await service.label(reply.id, label, "ana")
            review = await service.label(reply.id, " wrong ", "ana")
            assert (review.label, review.kind) == ("wrong", "audit")
            assert service.queue("chat", 10) == []
            await service.unlabel(reply.id, "ana")
            assert [item.decision for item in service.queue("chat", 10)] == [reply.id]

    asyncio.run(main())


def test_an_abstention_asks_about_the_most_capable_draft(with_person: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(with_person, tmp_path / "home"))

    async def main() -> None:
        async with opened(home, TIERS + "\n[audit]\nrate = 0.0\n") as service:
            (reply,) = await replies(service, 1, right=False)
            assert (reply.status, reply.rung) == ("abstained", "person")
            (item,) = service.queue("chat", 10)
            assert item.written is not None
            assert (item.kind, item.written.given, item.written.wrote) == ("abstained", False, True)
            assert " = " in (item.written.answer or "")
            assert (await service.label(reply.id, "right", "ben")).kind == "abstained"
            assert service.queue("chat", 10) == []

    asyncio.run(main())


def test_feedback_trains_and_never_counts_as_an_audit(home: Path) -> None:
    async def main() -> None:
        async with opened(home) as service:
            assert service.gateway is not None
            (audited,) = await replies(service, 1)
            plain = await service.gateway.generate(asked("Copy: 3 + 4 = 7", model="small"), CALLER)
            with pytest.raises(InputError, match="'7'"):
                await service.feedback(plain.id, "7", "user")
            for reply in (audited, plain):
                assert (await service.feedback(reply.id, "wrong", "user")).kind == "feedback"
            await service.gateway.refresh()
            assert service.gateway.watch is not None
            assert service.gateway.watch.status is not None
            assert (service.gateway.watch.status.audits, service.gateway.watch.status.waiting) == (0, 1)

    asyncio.run(main())
    with LedgerReader(Home(home).decisions) as reader:
        assert ReviewQueue(reader).verdicts("chat") == []  # the coin picked both; neither label may train


async def label_all(service: LocalService, given: list[Reply], label: str) -> None:
    for reply in given:
        if reply.certified:
            await service.label(reply.id, label, "ana")
    assert service.gateway is not None
    await service.gateway.refresh()


def test_wrong_audits_sound_the_alarm_and_the_promise_stays_suspended(home: Path) -> None:
    async def until_alarm() -> str:
        async with opened(home) as service:
            assert service.gateway is not None
            given = await replies(service, 60)
            await label_all(service, given, "right")
            assert state_of(service) == "certified"
            assert service.gateway.watch is not None
            assert service.gateway.watch.status is not None
            assert service.gateway.watch.status.wrong == 0
            await label_all(service, given, "wrong")
            assert service.gateway.watch.status.alarmed
            assert state_of(service) == "suspended"
            assert "audited answers were wrong" in service.gateway.force.promise.void
            after = await replies(service, 3)
            assert [(reply.rung, reply.certified) for reply in after] == [("large", False)] * 3
            return given[0].id

    async def after_restart(first: str) -> None:
        async with opened(home) as service:
            assert service.gateway is not None
            await service.unlabel(first, "ana")  # whatever is relabelled: what was proven stays proven
            await service.gateway.refresh()
            assert state_of(service) == "suspended"
            assert [(reply.rung, reply.certified) for reply in await replies(service, 2)] == [("large", False)] * 2

    asyncio.run(after_restart(asyncio.run(until_alarm())))


def test_a_promise_of_regret_is_not_judged_by_labels_of_errors(tmp_path: Path) -> None:
    assert certified(tmp_path, loss="regret").certificate.state == "certified"

    async def main() -> None:
        async with opened(tmp_path) as service:
            assert service.gateway is not None
            await label_all(service, await replies(service, 40), "wrong")
            assert service.gateway.watch is not None
            assert service.gateway.watch.status is None
            assert state_of(service) == "certified"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "turns"),
    [
        ('{"prompt": "Once"}', [("user", "Once")]),
        ('{"prompt": "a(", "suffix": ")"}', [("user", "a("), ("suffix", ")")]),
        ('{"prompt": ["one", "two"]}', [("user", "one\ntwo")]),
        (
            '{"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url"}]}]}',
            [("user", "see\n[image_url]")],
        ),
        (
            '{"messages": [{"role": "assistant", "content": null, "tool_calls": '
            '[{"function": {"name": "weather", "arguments": "{}"}}]}]}',
            [("assistant", "weather({})")],
        ),
        ("not JSON", [("user", "not JSON")]),
        ("[1]", [("user", "[1]")]),
    ],
)
def test_a_stored_body_is_shown_as_who_said_what(body: str, turns: list[Any]) -> None:
    assert [(turn.role, turn.text) for turn in turns_of(body)] == turns
