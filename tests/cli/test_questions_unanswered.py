"""A command that asks before it deletes, and gets no for an answer, or none: nothing was done, and it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightsized.apps.triage.store import MessageStore
from tests.apps.triage.triage_samples import a_mail
from tests.command_line import command


@pytest.mark.parametrize("answer", ["", "n\n"])
def test_forgetting_asks_first(tmp_path: Path, answer: str) -> None:
    folder = tmp_path / "triage" / "inbox"
    store = MessageStore(folder)
    store.take(a_mail("m1", "words"), "test:", "1", "")
    done = command("triage", "forget", "anna@example.com", "--home", tmp_path, stdin=answer)
    assert done.returncode == 1
    assert "should not have happened" not in done.stderr
    assert "Delete 1 messages" in done.stdout + done.stderr
    kept = store.numbered(1)
    assert kept is not None
    assert kept.mail is not None
    store.close()
    if not answer:
        assert "Nothing was done." in done.stderr
