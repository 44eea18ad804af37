"""Child processes of the export: the Python that has torch and transformers, and the pipe that both sides speak on."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rightsized.core import net
from rightsized.core.errors import JobError, MissingExtraError

NEEDED = ("torch", "transformers", "sentencepiece")
_LAST = 2000  # characters of what a failed child said that are shown


def training_python(given: str = "", needed: Sequence[str] = NEEDED) -> str:
    """A Python that has torch and transformers, or what else is needed: the one given, else this one.

    Raises:
        MissingExtraError: it lacks one; names the command.
    """
    if given:
        probe = f"import importlib.util as i; print(*[n for n in {tuple(needed)!r} if i.find_spec(n) is None])"
        done = subprocess.run(  # noqa: S603 - no shell; the person named this program
            [given, "-c", probe], capture_output=True, text=True, check=False
        )
        missing = done.stdout.split() if done.returncode == 0 else list(needed)
        if missing:
            fix = f"Run: {given} -m pip install {' '.join(missing)}"
            raise MissingExtraError(f"{given} has no {' and no '.join(missing)}.", fix=fix)
        return given
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"This needs {' and '.join(missing)}, which serving does not.",
            fix="Run: pip install 'rightsized[tune]'; or name a Python that has them: --python PATH",
        )
    return sys.executable


def inside_the_net(command: Sequence[str]) -> list[str]:
    """The command of a script, run so that it cannot reach beyond this machine. A module of ours installs the net."""
    python, script = command[0], command[1]
    return list(command) if script == "-m" else [python, "-P", net.__file__, *command[1:]]


def score_command(path: Path, context: int) -> list[str]:
    """What says what a GGUF file answers (`score`); the path of an adapter may follow."""
    return [sys.executable, "-m", "rightsized.compress.gguf.score", str(path), str(context)]


def run(command: Sequence[str]) -> str:
    """Run a child to its end; what it said. Raises JobError with its last words."""
    done = subprocess.run(  # noqa: S603 - no shell; the arguments are this program's own
        inside_the_net(command), capture_output=True, text=True, errors="replace", check=False, env=_environment()
    )
    said = done.stderr + done.stdout
    if done.returncode:
        raise JobError(f"{Path(command[1]).name} ended with status {done.returncode}: {_tail(said)}")
    return said


class Peer:
    """A child that answers one JSON object with another until it is closed. `name` is what it has opened."""

    def __init__(self, command: Sequence[str], name: str) -> None:
        self._name = name
        self._folder = tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name) / "errors.txt"
        with self._errors.open("wb") as errors:
            self._child = subprocess.Popen(  # noqa: S603 - no shell; the arguments are this program's own
                inside_the_net(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                env=_environment(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.communicate()
        self._folder.cleanup()

    def ask(self, action: str, **arguments: Any) -> Any:
        """The answer. Raises JobError where the child ends instead."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps({"action": action, **arguments}) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._child.wait()
            said = self._errors.read_text("utf-8", "replace")
            raise JobError(f"Comparing {self._name} failed at {action!r}: {_tail(said)}")
        return json.loads(line)["answer"]


def _environment() -> dict[str, str]:
    """Nothing is fetched by a child: the checkpoint is a folder on this machine."""
    return {"OMP_NUM_THREADS": "1", **os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _tail(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line.strip() for line in lines if "error" in line.lower() and not line.strip().startswith("raise ")]
    return (" ".join(errors[-3:]) or " ".join(lines[-3:]) or "it said nothing")[-_LAST:]
