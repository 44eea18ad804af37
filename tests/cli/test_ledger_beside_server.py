"""Keys and retention beside a running server, which then does the writing; and what it puts into its log by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_ledger_command import as_json, fill, rightsized

from rightsized.core.egress import JOURNAL, Journal
from rightsized.ledger.log import SqliteLedger
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.remote import RunningServer, find_server
from tests.command_line import command

SETTINGS = "[record]\ntext_days = 1.0\nlabelled_text_days = 1.0\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with ten decisions from a year ago, and a journal with a line."""
    import asyncio

    made = Home(tmp_path / "home").ensure()
    (made.path / "rightsized.toml").write_text(SETTINGS)
    with SqliteLedger(made.decisions, group_ms=0, secrets=SecretFolder(made.secrets)) as ledger:
        asyncio.run(fill(ledger, range(10)))
    Journal(made.path / JOURNAL).note("opened", "api.example.com", "The tier 'cloud'")
    return made.path


@contextmanager
def serving(home: Path) -> Iterator[RunningServer]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RIGHTSIZED_")}
    code = "import rightsized.tasks.log_upkeep as u; u.RETENTION_S = u.ERASURE_S = 1e6; "
    code += "from rightsized.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--json", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=home) as process:
        try:
            assert process.stdout
            assert json.loads(process.stdout.readline())["url"]
            server = find_server(Home(home))
            assert server is not None
            yield server
        finally:
            process.terminate()
            process.wait(60)


def asked(server: RunningServer, path: str) -> Any:
    return server._call("GET", path)


def test_a_key_is_changed_beside_a_server(home: Path, tmp_path: Path) -> None:
    with serving(home) as server:
        before = asked(server, "/v1/record")
        changed = as_json(home, "rotate-key")
        after = asked(server, "/v1/record")
        assert after["keys"] == [*before["keys"], changed["key"]]
        assert after["entries"] > before["entries"]
        assert as_json(home, "verify")["ok"]
        proof = asked(server, "/v1/decisions/d3/proof")
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    script = Path(__file__).parents[2] / "docs" / "verify_proof.py"
    for key in after["keys"]:  # either is trusted by somebody
        command = [sys.executable, str(script), str(tmp_path / "proof.json"), key]
        assert subprocess.run(command, check=False).returncode == 0
    assert as_json(home, "verify")["key"] == changed["key"]


def test_who_looked_is_in_the_log_and_in_the_report(home: Path, tmp_path: Path) -> None:
    with serving(home) as server:
        for number in (3, 3, 4):
            asked(server, f"/v1/decisions/d{number}")
    done = command("report", "audit", "--home", home, "--json", "--out", tmp_path / "a.html", cwd=home)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["looked"]
    assert (row["by"], row["what"], row["times"], row["decisions"]) == ("local", "decision", 3, 2)
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "Who looked at texts" in page
    assert "3 times somebody was shown recorded texts" in page
    assert "No place outside this machine is named" in page
    assert as_json(home, "verify")["ok"]


def test_changes_of_policy_and_keys_are_in_the_log(home: Path, tmp_path: Path) -> None:
    keys = KeyStore(Home(home))
    made, secret = keys.create("Kim", roles=("reviewer",))

    def events() -> list[dict[str, Any]]:
        words = ("report", "audit", "--no-check", "--home", home, "--json", "--out", tmp_path / "a.html")
        done = command(*words, cwd=home)
        shown = json.loads(done.stdout)["events"]
        return [one for one in shown if one["kind"] in ("policy", "keys")]

    def until(count: int) -> list[str]:
        deadline = time.monotonic() + 20
        while len(found := events()) < count and time.monotonic() < deadline:
            time.sleep(0.3)
        return [one["words"] for one in found]

    with serving(home):
        assert until(1) == ["keys were made, changed or revoked: Kim (reviewer)"]
        (home / "policy.toml").write_text("version = 1\n")
        assert until(2)[1].startswith("another policy is in force: sha256:")
        keys.revoke(made.id)
        assert until(3)[2].endswith("Kim (reviewer, revoked)")
    with serving(home):  # nothing changed meanwhile
        time.sleep(1.0)
    assert len(events()) == 3
    assert secret.encode() not in (home / "decisions.sqlite").read_bytes()


def test_decisions_are_found_beside_the_log_that_is_written(home: Path) -> None:
    with serving(home) as server:
        found = asked(server, "/v1/decisions?label=refund&until=2025-11-24T16:00:06&limit=2")
        assert [one["id"] for one in found["decisions"]] == ["d5", "d3"]
        assert found["more"]
        assert [one["id"] for one in asked(server, "/v1/decisions?subject=alice")["decisions"]] == ["d9", "d8"]
        assert asked(server, "/v1/decisions?rule=no-health")["decisions"][0]["verdicts"][0]["rule"] == "no-health"


def test_a_sink_that_lacks_checkpoints_is_told(home: Path) -> None:
    (home / "rightsized.toml").write_text(SETTINGS + '[ledger]\nsinks = ["https://witness.example/w"]\n')
    (sink,) = as_json(home, "checkpoint")["sinks"]
    assert (sink["sink"], sink["size"], sink["last"]) == ("https://witness.example/w", 0, None)
    assert sink["waiting"] >= 1
    assert "https://witness.example/w has no checkpoint yet; " in rightsized(home, "checkpoint")


def test_texts_are_deleted_beside_a_server(home: Path) -> None:
    with serving(home):
        deadline = time.monotonic() + 20
        while as_json(home, "retention")["texts"] and time.monotonic() < deadline:  # it does so by itself at its start
            time.sleep(0.2)
        found = as_json(home, "retention", "--apply")
        assert (found["texts"], found["deleted"]) == (0, 0)
        assert as_json(home, "verify")["ok"]


def test_the_server_puts_the_egress_journal_under_the_log(home: Path) -> None:
    with serving(home):
        Journal(home / JOURNAL).note("opened", "api.example.com", "while it ran")
    size = (home / JOURNAL).stat().st_size
    assert as_json(home, "verify")["journal_bytes"] == size
    line = (home / JOURNAL).read_text().replace("api.example.com", "127.0.0.1......")
    (home / JOURNAL).write_text(line)
    found = as_json(home, "verify", status=1)
    assert [one["kind"] for one in found["findings"]] == ["journal"]


def test_every_command_is_inside_the_net(tmp_path: Path) -> None:
    code = (
        "import socket, typer\n"
        "from rightsized.cli.commands import Common, Result, add\n"
        "def run(options):\n    'Call home.'\n    socket.getaddrinfo('home.example', 443)\n"
        "app = typer.Typer()\nadd(app, 'go', Common, run)\nadd(app, 'no', Common, run)\napp()\n"
    )
    command = [sys.executable, "-c", code, "go", "--json", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "egress-denied"
    assert "home.example" in json.loads(done.stdout)["error"]["message"]
