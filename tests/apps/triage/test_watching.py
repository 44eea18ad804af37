"""Inboxes that a server reads: what comes is handled, a source that fails is read again, the end is quick."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage import watching
from rightsized.apps.triage.composing import mail_of
from rightsized.apps.triage.handling import Handling
from rightsized.apps.triage.inboxes import Inbox, Inboxes
from rightsized.core.egress import Egress
from rightsized.core.errors import UpstreamError
from rightsized.store.home import Home
from tests.apps.triage.triage_samples import FakeTasks, a_handled, a_mail, a_reply, asking

MAIL = b"From: a@example.com\nSubject: Parcel %d\nMessage-ID: <m%d@example.com>\n\nMy parcel is late.\n"


class Triage:
    """As far as watching asks of a TriageService."""

    def __init__(self, home: Path) -> None:
        self.inboxes = Inboxes(Home(home), FakeTasks({"support": lambda text: a_reply("support", "delivery")}))

    async def acted(self, one: object) -> None:
        raise AssertionError("no action is switched on")

    def handling(self, name: str) -> Handling:
        return Handling(self.inboxes.open(name), asking, mail_of)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is on a disk
            await asyncio.sleep(0.02)


async def test_mail_that_comes_is_handled_and_a_failing_source_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr("rightsized.apps.triage.inbox.opening.POLL_SECONDS", 0.05)
    folder, mails = tmp_path / "triage" / "inbox", tmp_path / "mails"
    folder.mkdir(parents=True)
    mails.mkdir()
    (folder / "inbox.toml").write_text(f'[[source]]\naddress = "eml:{mails}"\n')
    failures: list[int] = []
    real = Inbox.source

    def flaky(self: Inbox, *given: Any, **named: Any) -> Any:
        if len(failures) < 3:
            failures.append(1)
            raise UpstreamError("The mail server is away.") if len(failures) < 3 else ZeroDivisionError("a secret text")
        return real(self, *given, **named)

    monkeypatch.setattr(Inbox, "source", flaky)
    triage = Triage(tmp_path)
    (mails / "1.eml").write_bytes(MAIL % (1, 1))
    task = asyncio.ensure_future(watching.watch(triage, ["inbox"], Egress()))  # type: ignore[arg-type]  # of triage only what is watched
    store = triage.inboxes.open("inbox", new=True).store
    await until(lambda: sum(store.counts().values()) >= 1)
    (mails / "2.eml").write_bytes(MAIL % (2, 2))
    await until(lambda: sum(store.counts().values()) >= 2 and not store.unread())
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert len(failures) == 3
    assert caplog.text.count("A source of an inbox failed") == 3
    assert "a secret text" not in caplog.text
    triage.inboxes.close()


async def test_an_inbox_with_a_broken_file_leaves_the_others_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "triage" / "broken").mkdir(parents=True)
    (tmp_path / "triage" / "broken" / "inbox.toml").write_text("sauce = 1\n")
    triage = Triage(tmp_path)
    task = asyncio.ensure_future(watching.watch(triage, ["broken", "good"], Egress()))  # type: ignore[arg-type]  # of triage only what is watched
    await until(lambda: "An inbox is not read" in caplog.text and "good" in triage.inboxes.names())
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    triage.inboxes.close()


async def test_an_inbox_whose_file_is_mended_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(watching, "LONGEST_PAUSE", 0.05)
    mails = tmp_path / "mails"
    mails.mkdir()
    (mails / "1.eml").write_bytes(MAIL % (1, 1))
    file = tmp_path / "triage" / "inbox" / "inbox.toml"
    file.parent.mkdir(parents=True)
    file.write_text("sauce = 1\n")
    triage = Triage(tmp_path)
    task = asyncio.ensure_future(watching.watch(triage, ["inbox"], Egress()))  # type: ignore[arg-type]  # of triage only what is watched
    await until(lambda: "An inbox is not read" in caplog.text)
    file.write_text(f'[[source]]\naddress = "eml:{mails}"\n')
    store = triage.inboxes.open("inbox").store
    await until(lambda: sum(store.counts().values()) >= 1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    triage.inboxes.close()


async def test_what_a_program_sent_while_the_rules_were_broken_is_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "LEFT_SECONDS", 0.01)
    triage = Triage(tmp_path)
    inbox = triage.inboxes.open("inbox", new=True)
    inbox.store.take(a_mail("m1"), "api", "1", "sha")
    inbox.store.take(a_mail("m2"), "api", "2", "sha")
    inbox.store.handled(a_handled("m2"), "routed", "made")
    inbox.store.update("m2", "anna", "done", status="done")
    monkeypatch.setattr(inbox, "purge", lambda: inbox.store.purge(inbox.store.get("m2").updated + 1))
    rules = inbox.folder / "rules.toml"
    rules.write_text("rule = 1\n")
    task = asyncio.ensure_future(watching.look_after(triage))  # type: ignore[arg-type]
    await until(lambda: "An inbox was not looked after" in caplog.text)
    assert inbox.store.get("m1").state == "taken"
    assert inbox.store.get("m2").mail is None
    rules.unlink()
    await until(lambda: inbox.store.get("m1").state == "handled")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    triage.inboxes.close()
