"""The sample mailbox, labelled by hand: what was written, which machine wrote it, its language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rightsized.data
from rightsized.apps.triage.mail import read_mail
from rightsized.apps.triage.mail.identity import normalised
from rightsized.apps.triage.records import Mail

LEAST = 0.95  # share of messages of which exactly the right words are taken for written
MAILBOX = Path(rightsized.data.__file__).parent / "mailbox"


@pytest.fixture(scope="module")
def read() -> list[tuple[dict[str, Any], Mail]]:
    rows = [json.loads(line) for line in (MAILBOX / "labels.jsonl").read_text("utf-8").splitlines()]
    return [(row, read_mail((MAILBOX / row["file"]).read_bytes())) for row in rows]


def test_what_was_written(read: list[tuple[dict[str, Any], Mail]]) -> None:
    right = [mail.written.split() == row["written"].split() for row, mail in read]
    assert sum(right) >= LEAST * len(right)


def test_machines_keys_and_languages(read: list[tuple[dict[str, Any], Mail]]) -> None:
    assert [row["id"] for row, mail in read if mail.automatic != row["automatic"]] == []
    named = [(row, mail) for row, mail in read if mail.message_id]
    assert [row["id"] for row, mail in named if mail.key != normalised(row["key"])] == []
    assert [row["id"] for row, mail in read if mail.language not in ("", row["language"])] == []


def test_threads_are_those_of_the_headers(read: list[tuple[dict[str, Any], Mail]]) -> None:
    threads: dict[str, set[str]] = {}
    for row, mail in read:
        threads.setdefault(mail.thread, set()).add(row["thread"])
    assert [one for one in threads.values() if len(one) > 1] == []
