from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from rightsized.apps.search.connectors.folder import FolderConnector
from rightsized.apps.search.connectors.stirring import Stirring

LONG_S = 30.0


def test_a_change_wakes_once(tmp_path: Path) -> None:
    with Stirring([FolderConnector(tmp_path)]) as stirring:
        for number in range(30):  # until the watch stands, changes go unseen
            (tmp_path / "a.txt").write_text(str(number))
            if stirring._stirred.wait(2.0):
                break
        assert stirring._stirred.is_set() and stirring.wait(0)
        assert not stirring._stirred.is_set()


def test_what_changes_between_two_waits_is_not_missed(tmp_path: Path) -> None:
    with Stirring([FolderConnector(tmp_path)]) as stirring:
        stirring._stirred.set()
        began = time.monotonic()
        assert stirring.wait(LONG_S)
        assert time.monotonic() - began < LONG_S / 2


def test_it_can_be_ended_by_another_thread(tmp_path: Path) -> None:
    with Stirring([FolderConnector(tmp_path)]) as stirring:
        threading.Timer(0.05, stirring.end).start()
        assert not stirring.wait(LONG_S)
        assert stirring.ended()
        assert not stirring.wait(0)


def test_a_source_that_cannot_be_watched_is_looked_at_in_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Stirring([FolderConnector(tmp_path / "gone")]) as stirring:
        assert stirring.wait(0.3)
    assert "is not watched any more" in caplog.text
