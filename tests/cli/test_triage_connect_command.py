"""`rightsized triage connect`: what is written into an inbox's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightsized.apps.triage.settings import load
from tests.command_line import command


def test_a_source_named_from_here_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = ("--home", tmp_path / "home", "--json")
    (tmp_path / "mails").mkdir()
    (tmp_path / "mails" / "one.eml").write_text("Subject: one\n\ntext\n")
    monkeypatch.chdir(tmp_path)
    connected = json.loads(command("triage", "connect", "eml:mails", *where).stdout)
    assert connected["first"].startswith("one.eml")
    monkeypatch.chdir("/")
    (source,) = load(tmp_path / "home" / "triage" / "inbox").sources
    assert source.address == connected["source"] == f"eml:{tmp_path / 'mails'}"
    assert command("triage", "connect", source.address, *where).returncode != 0  # it is there already
