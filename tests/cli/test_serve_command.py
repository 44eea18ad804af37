"""What `rightsized serve` says at its start, and how its log comes out, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rightsized.cli.serve import whereabouts
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

WAIT_S = 60
TOML = """
[[tiers]]
name = "cloud"
model = "acme"
url = "https://models.example/v1"

[log]
format = "json"
"""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_a_server_on_every_address_says_so(host: str) -> None:
    said = whereabouts(host, 8321, "http://127.0.0.1:8321")
    assert said == "Port 8321 on every address of this machine; from this machine itself http://127.0.0.1:8321"
    assert whereabouts("10.0.0.7", 8321, "http://10.0.0.7:8321") == "http://10.0.0.7:8321"


def served(home: Path, *arguments: str) -> tuple[str, list[dict[str, Any]]]:
    """What a server that is stopped as soon as it is up wrote: its first lines, and its log."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RIGHTSIZED_")}
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--home", str(home), *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, cwd=home, **pipes) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        if "--json" not in arguments:
            first += process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, log
    return first, [json.loads(line) for line in log.splitlines()]


def test_the_start_names_every_address_and_the_log_is_json(tmp_path: Path) -> None:
    (tmp_path / "rightsized.toml").write_text(TOML)
    KeyStore(Home(tmp_path)).create("bot", roles=("client",))
    said, log = served(tmp_path, "--host", "0.0.0.0", "--json")
    start = json.loads(said)
    assert (start["host"], start["url"]) == ("0.0.0.0", f"http://127.0.0.1:{start['port']}")
    events = [(line["level"], line["event"]) for line in log]
    assert events[0] == ("info", "Serving")
    assert events[-1] == ("info", "Stopped")
    assert ("warning", "cloud: nothing can be sent there: models.example is not in [egress] allow.") in events
    assert any(level == "warning" and "in clear" in event for level, event in events)


def test_the_start_for_people(tmp_path: Path) -> None:
    (tmp_path / "rightsized.toml").write_text(TOML + 'level = "error"\n')
    said, log = served(tmp_path)
    assert "Tiers: cloud at http://127.0.0.1:" in said
    assert "every address" not in said
    assert log == []
