"""Two tiers that write behind one OpenAI-compatible address: calibrate them on labelled exchanges, serve, ask.

python examples/gateway.py        (the tiers are fakes, so no model is needed; name real ones in rightsized.toml)

The small tier copies the prompt. Where the prompt holds a wrong sum, so does its answer, and the check of the answer
sees it: such answers go up to the large tier.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SETTINGS = """
[[tiers]]
name = "small"
engine = "fake"

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {answer = "Please check the sum again."}
"""


def prompt(dice: random.Random, *, right: bool) -> str:
    """A line with a sum, right or wrong."""
    a, b = dice.randint(2, 90), dice.randint(2, 90)
    return f"Please copy this line: {a} + {b} = {a + b if right else a + b + dice.randint(1, 9)}"


def write_exchanges(file: Path, rows: int = 2000) -> None:
    """Labelled exchanges, as your own log and your own people would give them."""
    dice = random.Random(1)
    with file.open("w", encoding="utf-8") as out:
        for _ in range(rows):
            right = dice.random() < 0.8
            asked = prompt(dice, right=right)
            answers = {"small": " ".join(asked.split()[-12:]), "large": "Please check the sum again."}
            correct = {"small": right, "large": dice.random() < 0.95}
            out.write(json.dumps({"prompt": asked, "answers": answers, "correct": correct}) + "\n")


def rightsized(*arguments: str) -> dict[str, Any]:
    """Run a command; gives what it found."""
    command = [sys.executable, "-m", "rightsized.cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def server(*options: str) -> Iterator[str]:
    """A server on a free port; gives its address."""
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def ask(url: str, text: str) -> tuple[str, str, str]:
    """The answer, the tier that gave it, and whether a certificate covers it. Any OpenAI client does the same."""
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)["choices"][0]["message"]["content"]
        return answer, response.headers["x-rightsized-rung"], response.headers["x-rightsized-state"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings, exchanges = Path(folder) / "rightsized.toml", Path(folder) / "labelled.jsonl"
        settings.write_text(SETTINGS, encoding="utf-8")
        write_exchanges(exchanges)
        where = ("--home", str(Path(folder) / "home"), "--config", str(settings))
        report = rightsized(
            "calibrate", "chat", "--data", str(exchanges), "--max-error", "0.05", "--encoder", "", *where
        )
        print(report["certificate"]["sentence"])
        dice = random.Random(2)
        with server(*where) as url:
            for right in (True, False, True):
                print(*ask(url, prompt(dice, right=right)), sep="  |  ")


if __name__ == "__main__":
    main()
