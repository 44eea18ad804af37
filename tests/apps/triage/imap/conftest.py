"""A mail server that runs while a worker's tests of mailboxes do; each test has a mailbox of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from benchmarks import dovecot
from benchmarks.dovecot import Dovecot
from tests.apps.triage.imap.mailboxes import Mailbox

USERS = tuple(f"user{number}" for number in range(60))
_next = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Dovecot]:
    if not dovecot.available():
        pytest.skip("no dovecot: apt-get install dovecot-imapd")
    with dovecot.running(USERS) as started:
        yield started


@pytest.fixture
def mailbox(server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    monkeypatch.setenv("MAIL_PASSWORD", dovecot.PASSWORD)
    return Mailbox(server, USERS[next(_next)])
