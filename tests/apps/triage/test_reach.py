"""Sources say themselves whether they can be read: files, a mailbox, what a server reads for ever."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import dovecot
from rightsized.apps.triage import watching
from rightsized.apps.triage.inbox import Context, open_source
from rightsized.apps.triage.reach import Reach
from rightsized.core.egress import Egress
from tests.apps.triage.test_watching import Triage, until

USER = "anna"


def test_since_when_is_kept_while_it_lasts() -> None:
    moments = iter([1.0, 2.0])
    reach = Reach(lambda: next(moments))
    reach.told("mbox:/a", "away")
    reach.told("mbox:/a", "still away")
    reach.told("mbox:/b", "")
    assert {source: (one.since, one.problem) for source, one in reach.down().items()} == {
        "mbox:/a": (1.0, "still away")
    }
    reach.told("mbox:/a", "")
    reach.told("mbox:/a", "again")
    assert reach.down()["mbox:/a"].since == 2.0


async def test_a_folder_that_is_not_there_is_down_until_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FIRST_PAUSE", 0.01)
    folder, mails = tmp_path / "triage" / "inbox", tmp_path / "mails"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text(f'[[source]]\naddress = "eml:{mails}"\n')
    triage = Triage(tmp_path)
    task = asyncio.ensure_future(watching.watch(triage, ["inbox"], Egress()))  # type: ignore[arg-type]  # of triage only what is watched
    reach = triage.inboxes.open("inbox", new=True).reach
    await until(reach.down)
    assert list(reach.down()) == [f"eml:{mails}"]
    assert str(mails) in reach.down()[f"eml:{mails}"].problem
    mails.mkdir()
    await until(lambda: not reach.down())
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    triage.inboxes.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


async def test_a_mailbox_that_drops_says_so_and_one_that_answers_too(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", dovecot.PASSWORD)
    reach, options = Reach(), {"password_env": "MAIL_PASSWORD", "retry_s": 0.01}

    async def read(address: str) -> None:
        source = open_source(address, options, Context(egress=Egress(), told=reach.told))
        going = asyncio.ensure_future(anext(source.arrivals(wait=True), None))
        await until(lambda: bool(reach.down()) == (str(closed_port) in address))
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        await source.close()

    away = f"imap://{USER}@127.0.0.1:{closed_port}/INBOX"
    await read(away)
    assert list(reach.down()) == [away]
    assert "refused" in reach.down()[away].problem
    reach.told(away, "")
    if not dovecot.available():
        pytest.skip("no dovecot: apt-get install dovecot-imapd")
    with dovecot.running((USER,)) as server:
        there = f"imap://{USER}@127.0.0.1:{server.plain}/INBOX"
        reach.told(there, "it was away")
        await read(there)
        assert reach.down() == {}
