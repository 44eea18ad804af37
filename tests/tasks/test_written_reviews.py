"""Written answers in the review queue: right or wrong, blind audits, and labels that watch the gateway's promise."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway_samples import AUDITED, CALLER, LARGE, TIERS, asked, certified, row, settings, sum_of, write_rows
from rightsized.core.errors import DataError, InputError
from rightsized.core.generation import Generation
from rightsized.core.types import Reply
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.chat_calibration import calibrate_chat
from rightsized.tasks.chat_data import read_chat
from rightsized.tasks.chat_records import ChatPlan
from rightsized.tasks.chat_rows import chat_row
from rightsized.tasks.chat_slices import prepare
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.records import Turn
from rightsized.tasks.service import LocalService
from rightsized.tasks.written import turns_of
from tests.command_line import command


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


def exported(home: Path, out: Path) -> list[dict[str, Any]]:
    done = command("queue", "export", "chat", out, "--json", "--home", home, "--config", home / "rightsized.toml")
    done.check_returncode()
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert json.loads(done.stdout)["rows"] == len(rows)
    return rows


def test_exported_verdicts_train_the_next_calibration_and_never_calibrate(with_person: Path, tmp_path: Path) -> None:
    home, never = Path(shutil.copytree(with_person, tmp_path / "home")), TIERS + "\n[audit]\nrate = 0.0\n"

    async def main() -> list[str]:
        async with opened(home, never) as service:
            assert service.gateway is not None
            handed_up = (await replies(service, 3, right=False))[0]
            named = await service.gateway.generate(asked("Say it.", model="large"), CALLER, "thread-7")
            plain = await service.gateway.generate(asked("Copy: 1 + 1 = 2", model="small"), CALLER)
            await service.label(handed_up.id, "wrong", "ben")
            await service.feedback(named.id, "right", "user")
            await service.feedback(plain.id, "wrong", "user")
            await service.unlabel(plain.id)  # taken back: it is no row
            return [handed_up.id, named.id]

    ids = asyncio.run(main())
    rows = exported(home, tmp_path / "labels.jsonl")
    assert [(row["decision"], row["rightsized_source"], row["conversation"]) for row in rows] == [
        (ids[0], "queue", ""),
        (ids[1], "correction", "thread-7"),
    ]
    assert (list(rows[0]["answers"]), rows[0]["correct"]) == (["small"], {"small": False})
    assert (rows[1]["answers"], rows[1]["correct"]) == ({"large": LARGE}, {"large": True})
    assert rows[1]["messages"] == [{"role": "user", "content": "Say it."}]

    picked = [picked_row(row, number) for number in range(40) for row in rows]
    data = write_rows(home / "more.jsonl", [*picked, *json_rows(home / "labelled.jsonl")])
    slices = prepare(ChatPlan(home=str(home), name="chat", data=str(data), encoder=""))
    assert slices.train.tiers == ("small", "large")
    assert slices.calibrate is not None
    assert not any(row.train_only for row in slices.calibrate.rows)
    assert len(slices.partial) == 80
    assert sum(row.train_only for row in slices.about("small")) == 40
    assert sum(row.train_only for row in slices.about("large")) == 40
    report = calibrate_chat(ChatPlan(home=str(home), name="chat", data=str(data), encoder="", person=True))
    assert report.certificate.state == "certified"
    with pytest.raises(DataError, match="cannot calibrate"):
        prepare(ChatPlan(home=str(home), name="chat", data=str(data), calibrate=str(data), encoder=""))


def json_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def picked_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    """An exported row with a prompt of its own, so that it nearly repeats no other."""
    dice = random.Random(number)
    words = " ".join("".join(dice.choices("abcdefghij", k=7)) for _ in range(9))
    return row | {"messages": [{"role": "user", "content": words}], "conversation": f"q{number}"}


def test_a_source_that_says_nothing_is_refused_and_tiers_that_are_gone_reported(tmp_path: Path) -> None:
    dice = random.Random(3)
    rows = [row(dice) for _ in range(4)]
    gone = rows[0] | {"answers": {"tiny": "x"}, "correct": {"tiny": True}, "rightsized_source": "queue"}
    data = read_chat(write_rows(tmp_path / "rows.jsonl", [gone, *rows]))
    assert (data.tiers, len(data.rows)) == (("small", "large"), 4)
    assert [finding.kind for finding in data.findings] == ["other-tiers"]
    with pytest.raises(DataError, match="rightsized_source is 'me'"):
        read_chat(write_rows(tmp_path / "rows.jsonl", [*rows, gone | {"rightsized_source": "me"}]))
    with pytest.raises(DataError, match="no row beside those from the queue"):
        read_chat(write_rows(tmp_path / "rows.jsonl", [gone]))


def test_answers_that_were_judged_are_kept_as_long_as_their_prompts(home: Path) -> None:
    async def main() -> None:
        async with opened(home, TIERS + "\n[audit]\nrate = 0.0\n") as service:
            kept, dropped = await replies(service, 2)
            await service.feedback(kept.id, "right", "user")
            ids.extend((kept.id, dropped.id))

    async def later() -> None:
        with SqliteLedger(Home(home).decisions, secrets=SecretFolder(Home(home).secrets)) as ledger:
            assert await ledger.purge_texts(float("inf"), 0.0) == 2  # a prompt and its answer
            queue = ReviewQueue(ledger.reader)
            (verdict,) = queue.verdicts("chat")
            assert verdict.decision == ids[0]
            assert chat_row(verdict, queue.text_of) is not None
            assert ledger.reader.text(ids[1]) is None

    ids: list[str] = []
    asyncio.run(main())
    asyncio.run(later())
