"""Reads Markdown pages: their code blocks, links and headings; and runs the blocks of one page as one sitting.

```python               runs, in one namespace a page
```console run          `$ ` lines run in a shell; lines after one are its expected output, `...` standing for anything
```console serve        `$ ` line runs in the background until the page ends
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)[ ]?([^\n]*)\n(.*?)^```$", re.M | re.S)
LIMIT_S = 280

# Runs blocks of Python sent as JSON lines on standard input, all in one namespace.
INTERPRETER = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    out, fault = io.StringIO(), ""
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(json.loads(line), "block", "exec"), names)
        except BaseException:
            fault = traceback.format_exc()
    print(json.dumps([out.getvalue(), fault]), flush=True)
"""


class Block(NamedTuple):
    """A code block: its language, the word after it, its text, and its line in the page."""

    language: str
    mode: str
    text: str
    line: int


def pages() -> list[Path]:
    """README and everything under docs/."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """All code blocks in order."""
    text = page.read_text("utf-8")
    return [Block(m[1], m[2].strip(), m[3], text.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(text)]


def runnable(page: Path) -> list[Block]:
    """The blocks that are run."""
    return [b for b in blocks(page) if b.language == "python" or (b.language == "console" and b.mode)]


def without_code(text: str) -> str:
    """The page without code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """The fragment of every heading, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", page.read_text("utf-8")), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        fragment = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        count = sum(1 for f in found if re.fullmatch(re.escape(fragment) + r"(-\d+)?", f))
        found.add(f"{fragment}-{count}" if count else fragment)
    return found


class Sitting:
    """One page being worked through in an empty folder, with a home of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "RIGHTSIZED_HOME": str(home), "PATH": path, "COLUMNS": "200"}
        self._servers: list[subprocess.Popen[bytes]] = []
        self._python: subprocess.Popen[str] | None = None

    def run(self, block: Block) -> None:
        """Run a block. Raises AssertionError with what it said where it fails or says something else."""
        text = block.text.replace("8321", self.port)
        if block.language == "python":
            self._run_python(text)
        elif block.mode == "serve":
            self._serve(text)
        else:
            for command, expected in steps(text):
                self._run_shell(command, expected)

    def close(self) -> None:
        for process in self._servers:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        if self._python is not None:
            self._python.communicate(timeout=60)

    def _run_python(self, code: str) -> None:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", INTERPRETER],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        written, read = _pipes(self._python)
        written.write(json.dumps(code) + "\n")
        written.flush()
        _, fault = json.loads(read.readline())
        assert not fault, f"{code}\n{fault}"

    def _run_shell(self, command: str, expected: str) -> None:
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=LIMIT_S
        )
        said = f"$ {command}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        assert not expected or matches(expected, done.stdout), f"{said}\nexpected:\n{expected}"

    def _serve(self, text: str) -> None:
        ((command, _),) = steps(text)
        process = subprocess.Popen(f"exec {command}", shell=True, cwd=self.folder, env=self.environment)
        self._servers.append(process)
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as response:
                    assert response.status == 200
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"{command} did not get ready")


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def steps(text: str) -> list[tuple[str, str]]:
    """Commands of a console block, each with the output expected of it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            command, expected = found[-1]
            found[-1] = (command, f"{expected}{line}\n")
    return found


def matches(expected: str, said: str) -> bool:
    """Whether the output is as expected; `...` stands for anything, and line breaks are as good as blanks."""
    wanted = " ".join(expected.split())
    pattern = ".*".join(re.escape(part.strip()) for part in wanted.split("..."))
    return re.fullmatch(pattern, " ".join(said.split()), re.S) is not None
