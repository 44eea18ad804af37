"""The server as a process of its own on a real home: answers, keeps its home, reloads, drains, survives a kill."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rightsized.data import path as sample
from rightsized.ledger.reader import LedgerReader
from tests.command_line import command

WAIT_S = 60


def environment(**extra: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("RIGHTSIZED_")} | extra


@contextmanager
def served(home: Path, *arguments: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [
        sys.executable,
        "-m",
        "rightsized.cli",
        "serve",
        "--port",
        "0",
        "--json",
        "--home",
        str(home),
        *arguments,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment(**variables), **pipes) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield json.loads(line)["url"], process
        finally:
            process.terminate()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def call(url: str, body: Any = None, method: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method or None)
    with urllib.request.urlopen(request, timeout=WAIT_S) as response:
        content = response.read()
        return json.loads(content) if content else None


def cli(home: Path, *arguments: str, status: int = 0) -> Any:
    done = command(*arguments, "--home", home, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def until(condition: Any) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_answers_records_explains_and_queues(copied_home: Path) -> None:
    with served(copied_home) as (url, _):
        reply = call(f"{url}/v1/classify", {"task": "support", "text": "my parcel has not arrived"})["replies"][0]
        decision = call(f"{url}/v1/decisions/{reply['id']}")
        assert decision["decision"]["phase"] == "done"
        assert decision["decision"]["reply"]["id"] == reply["id"]
        why = call(f"{url}/v1/decisions/{reply['id']}/explanation")
        assert sum(c["value"] for c in why["contributions"]) == pytest.approx(why["total"], abs=1e-4)
        assert len(why["neighbours"]) == 5
        batch = call(f"{url}/v1/classify", {"task": "support", "texts": ["refund please", "qwerty uiop"]})["replies"]
        assert [r["task"] for r in batch] == ["support", "support"]
        assert batch[1]["status"] == "abstained"
        assert batch[1]["id"] in [item["decision"] for item in call(f"{url}/v1/queue")["items"]]


def test_commands_write_through_the_server(copied_home: Path) -> None:
    with served(copied_home) as (url, _):
        reply = cli(copied_home, "ask", "support", "qwerty uiop")
        assert call(f"{url}/v1/decisions/{reply['id']}")["decision"]["id"] == reply["id"]
        cli(copied_home, "queue", "label", reply["id"], "delivery", "--reviewer", "kim")
        assert cli(copied_home, "queue", "list") == []


def test_a_second_writer_is_told_who_has_the_home(copied_home: Path) -> None:
    with served(copied_home) as (url, process):
        error = cli(copied_home, "serve", "--port", "0", status=1)["error"]
        assert error["code"] == "home-locked"
        assert str(process.pid) in error["message"]
        assert url in error["message"] + error["fix"]


def test_port_in_use(copied_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = cli(copied_home, "serve", "--port", str(port), status=2)["error"]
    assert str(port) in error["message"]
    assert "--port" in error["fix"]


def test_a_new_version_is_taken_up_without_a_restart(copied_home: Path) -> None:
    with served(copied_home) as (url, _):
        before = call(f"{url}/v1/tasks/tone")["task"]["version"]
        cli(copied_home, "fit", str(sample("tone.csv")), "--task", "tone", "--label", "tone", "--seed", "7")
        until(lambda: call(f"{url}/v1/tasks/tone")["task"]["version"] != before)


def test_scores_are_the_same_under_load(copied_home: Path) -> None:
    texts = [f"where is parcel number {i}, it should be here by now" for i in range(40)]
    with served(copied_home) as (url, _):
        together = call(f"{url}/v1/classify", {"task": "support", "texts": texts})["replies"]
        alone = [call(f"{url}/v1/classify", {"task": "support", "text": text})["replies"][0] for text in texts[:10]]
    assert [[a["score"] for a in r["attempts"]] for r in together[:10]] == [
        [a["score"] for a in r["attempts"]] for r in alone
    ]


def test_killed_at_once_it_has_lost_nothing_it_acknowledged(copied_home: Path) -> None:
    with served(copied_home) as (url, process):
        ids = [
            call(f"{url}/v1/classify", {"task": "tone", "text": f"hello {i}"})["replies"][0]["id"] for i in range(20)
        ]
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    with LedgerReader(copied_home / "decisions.sqlite") as reader:
        assert [reader.get(i).phase for i in ids] == ["done"] * 20  # type: ignore[union-attr]  # None fails the test too
        assert reader.check() == []
    with served(copied_home) as (url, _):
        assert call(f"{url}/healthz")["status"] == "ok"


def test_an_unknown_task_is_a_problem_document(fitted_home: Path, copied_home: Path) -> None:
    with served(copied_home) as (url, _), pytest.raises(urllib.error.HTTPError) as caught:
        call(f"{url}/v1/classify", {"task": "absent", "text": "x"})
    with caught.value as error:
        assert error.code == 404
        assert error.headers["Content-Type"] == "application/problem+json"
        assert "rightsized fit" in json.loads(error.read())["fix"]
