"""From prompts to a certified answer on the command line, with a real model of llama.cpp whose answers all look alike:
only asking it again tells the right ones from the wrong ones."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rightsized.data import path as sample

pytest.importorskip("xllamacpp")
from tests.command_line import command
from tests.engines.tiny_gguf import write_llama

pytestmark = pytest.mark.slow
WAIT_S = 60.0
ROWS, FRESH = 440, 40
SETTINGS = """
[gateway]
cascade = "chat"
data_class = "internal"

[[tiers]]
name = "small"
engine = "llamacpp"
model = "./small.gguf"
context = 256
samples = 4
sample_temperature = 0.5
options = { threads = 1, isolated = true, sampling = { temperature = 0.0, max_tokens = 6.0 } }

[[tiers]]
name = "large"
engine = "fake"
tier = 1
price_in = 10.0
price_out = 10.0
options = { answer = "It is Rome." }
"""
# After a line break the model recites one answer with certainty; after this letter it is the likeliest of many.
UNSURE = "H"
TEMPLATE = (
    "{{ messages[-1].content }}{% if messages[-1].content | length % 4 == 0 %}"
    + UNSURE
    + "{% else %}{{ '\n' }}{% endif %}"
)


def right(prompt: str) -> bool:
    """Whether the model is sure, and, by decree, right."""
    return len(prompt) % 4 != 0


def prompts() -> list[str]:
    rows = []
    for name in ("support_train.csv", "support_stream.csv"):
        with sample(name).open(encoding="utf-8") as file:
            rows += [row["text"] for row in csv.DictReader(file)]
    return list(dict.fromkeys(text for text in rows if len(text) < 150))[:ROWS]


def rightsized(folder: Path, *arguments: str) -> Any:
    done = command(*arguments, "--home", "home", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--json", "--home", "home"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        yield json.loads(said.readline())["url"]
        process.terminate()
    assert process.wait(WAIT_S) == 0


def ask(url: str, prompt: str, *, stream: bool) -> tuple[str, str, str]:
    """Who answered, the state, and the id of the decision."""
    body = {"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=WAIT_S) as response:
        assert response.read()
        rung, state, decision = (response.headers[f"X-Rightsized-{name}"] for name in ("Rung", "State", "Decision"))
        return rung, state, decision


def label(folder: Path) -> None:
    """The answers that were collected, with what a person would say of them."""
    rows = [json.loads(line) for line in (folder / "answered.jsonl").read_text("utf-8").splitlines()]
    assert {row["answers"]["small"] for row in rows} == {"Oslo."}
    assert all(len(row["samples"]["small"]) == 4 for row in rows)
    agreed = [row["samples"]["small"] == ["Oslo."] * 4 for row in rows]
    sure = [right(row["prompt"]) for row in rows]
    assert sum(a == b for a, b in zip(agreed, sure, strict=True)) > 0.98 * len(rows)
    marked = [row | {"correct": {"small": right(row["prompt"]), "large": True}, "label_kind": "human"} for row in rows]
    (folder / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in marked), "utf-8")


def test_agreement_of_samples_certifies_a_model_of_llama_cpp(home: Path) -> None:
    folder = home.parent
    write_llama(folder / "small.gguf", template=TEMPLATE, chain=("Os", "lo."))
    (folder / "rightsized.toml").write_text(SETTINGS, "utf-8")
    asked = prompts()
    lines = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in asked[:-FRESH])
    (folder / "prompts.jsonl").write_text(lines, "utf-8")
    collected = rightsized(folder, "calibrate", "collect", "--data", "prompts.jsonl", "--out", "answered.jsonl")
    assert collected["calls"] == (ROWS - FRESH) * 6
    label(folder)
    report = rightsized(folder, "calibrate", "chat", "--data", "labelled.jsonl", "--max-error", "0.1")
    assert report["state"] == "certified"
    assert "further samples (4 of small)" in json.dumps(report)
    with served(folder) as url:
        for stream in (False, True):
            _check(url, asked[-FRESH:], stream=stream)


def _check(url: str, fresh: list[str], *, stream: bool) -> None:
    found = {prompt: ask(url, prompt, stream=stream) for prompt in fresh}
    below = {prompt for prompt, (rung, _, _) in found.items() if rung == "small"}
    assert all(found[prompt][1] == "certified" for prompt in below)
    assert all(found[prompt][1] == "uncertified" for prompt in set(fresh) - below)
    assert len(below) > 0.6 * sum(map(right, fresh))
    assert sum(not right(prompt) for prompt in below) <= 2
    decision = found[next(iter(below))][2]
    with urllib.request.urlopen(f"{url}/v1/decisions/{decision}") as response:
        reply = json.load(response)["decision"]["reply"]
    (attempt,) = reply["attempts"]
    assert (reply["certified"], reply["certificate"][:7]) == (True, "sha256:")
    assert (attempt["accepted"], attempt["samples"]) == (True, 4)
    assert attempt["sampled"]["completion_tokens"] > 0
