"""Processes that are killed at any moment: each message handled once, none lost, none marked before it is on record."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from benchmarks.fault_proxy import Fault, proxied
from benchmarks.triage_worker import Worker
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.records import Waits
from tests.apps.triage.imap.mailboxes import Mailbox, message

pytestmark = pytest.mark.needs_imap
KILLS, A_ROUND = 3, 8
OPTIONS = {"password_env": "MAIL_PASSWORD", "seen": True, "retry_s": 0.01, "timeout_s": 5.0}


def marked_unrecorded(mailbox: Mailbox, store: MessageStore) -> set[str]:
    """Messages that are marked as read, and that the store does not have."""
    return {f"{uid}@shop.example" for uid, flags in mailbox.flags().items() if flags} - {
        key for (key,) in store.rows("SELECT key FROM messages WHERE dry = 0")
    }


def test_killed_again_and_again(mailbox: Mailbox, tmp_path: Path) -> None:
    chance, sent, told = random.Random(9), 0, []
    store = MessageStore(tmp_path)
    faults = [Fault("reset", b"BODY.PEEK", 3000), Fault("cut", b"STORE"), Fault("reset", b"SEARCH", 5)]
    with proxied("127.0.0.1", mailbox.server.plain, *faults) as proxy:
        address = mailbox.address(port=proxy.port)
        for _ in range(KILLS):
            mailbox.put(*(message(number, 500) for number in range(sent + 1, sent + A_ROUND + 1)))
            sent += A_ROUND
            worker = Worker(tmp_path, address, OPTIONS, wait=True)
            told += worker.told(chance.randrange(A_ROUND - 1))
            time.sleep(chance.random() * 0.01)
            worker.kill()
            told += worker.told()
            assert worker.end() == -signal.SIGKILL
            assert marked_unrecorded(mailbox, store) == set()
        worker = Worker(tmp_path, address, OPTIONS, wait=False)
        told += worker.told()
        assert worker.end() == 0
    keys = [f"{number}@shop.example" for number in range(1, sent + 1)]
    assert len(told) == len(set(told)), "none was handled twice"
    assert sorted(one.key for one in store.waiting(Waits(status=None, limit=1000))) == sorted(keys)
    for key in keys:
        assert [one.what for one in store.events(key) if one.what in ("handled", "failed")] == ["handled"], key
    assert set(mailbox.flags()) == set(range(1, sent + 1))
    assert all(flags == {"\\Seen"} for flags in mailbox.flags().values())
    store.close()
