"""Drives another library in a pinned virtual environment of its own, over JSON lines.

The environment is `.venvs/NAME`, built with pip from exact pins and built again when the pins change. The script
(in benchmarks/peers/, which imports `wire` there) reads one JSON object a line and writes one back; while it works
it may call back into this process, for instance for scores. A peer that cannot be installed or fails is reported
in the result as {"peer": ..., "unavailable": reason}; it is never left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmarks.harness import ROOT, note

VENVS = ROOT / ".venvs"
SCRIPTS = ROOT / "benchmarks" / "peers"
TORCH_CPU = "torch==2.13.0"
STAMP = "requirements.sha256"
INSTALL_SECONDS = 1800.0  # torch with its libraries is more than a gigabyte
REPLY_SECONDS = 3600.0  # the longest single piece of work: fine-tuning on all of banking77
TAIL_CHARACTERS = 600  # of what pip or a script last wrote, in a reason

Handler = Callable[[dict[str, Any]], Any]


class PeerUnavailable(Exception):  # noqa: N818 - a state to report, not a fault of this program
    """The peer could not be installed or started, or stopped answering; the message says why."""


class Peer:
    """A library in its own environment.

    Args:
        name: folder under .venvs/ and the name in results.
        requirements: exact pins, such as ("shap==0.48.0", "numpy==2.2.6").
        script: file name in benchmarks/peers/.
        environment: variables for the script, beside those of this process.
    """

    def __init__(
        self, name: str, requirements: Sequence[str], script: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.requirements = tuple(requirements)
        self._script = SCRIPTS / script
        self._environment = {**os.environ, "PYTHONNOUSERSITE": "1", **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._pumps: list[threading.Thread] = []
        self.cost: dict[str, float] = {}  # CPU and wall seconds of the last call

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        folder = "Scripts" if sys.platform == "win32" else "bin"
        return VENVS / self.name / folder / "python"

    def unavailable(self, reason: object) -> dict[str, Any]:
        """What a result file says of a peer that could not take part."""
        return {"peer": self.name, "unavailable": str(reason), "requirements": list(self.requirements)}

    def install(self) -> None:
        """Build the environment unless it stands already. Raises PeerUnavailable with pip's last words."""
        folder = VENVS / self.name
        digest = hashlib.sha256("\n".join(self.requirements).encode()).hexdigest()
        stamp = folder / STAMP
        if stamp.exists() and stamp.read_text("utf-8") == digest and self.python.exists():
            return
        note(f"building the environment of {self.name}")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._run([sys.executable, "-m", "venv", str(folder)])
            self._run([str(self.python), "-m", "pip", "install", "--quiet", *self.requirements])
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            written = getattr(error, "stderr", "") or ""
            raise PeerUnavailable(f"installation failed: {str(written).strip()[-TAIL_CHARACTERS:] or error}") from None
        stamp.write_text(digest, "utf-8")

    @staticmethod
    def _run(command: list[str]) -> None:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)

    def versions(self) -> dict[str, str]:
        """Every distribution installed in the environment, with its version."""
        command = [str(self.python), "-m", "pip", "list", "--format=json"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {row["name"]: row["version"] for row in json.loads(listed)}

    def __enter__(self) -> Peer:
        self.install()
        command = [str(self.python), str(self._script)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", env=self._environment, cwd=ROOT,
        )  # fmt: skip
        self._follow(self._process.stdout, self._lines.put)
        self._follow(self._process.stderr, lambda line: self._errors.append(line) if line else None)
        return self

    def _follow(self, stream: IO[str] | None, take: Callable[[str | None], object]) -> None:
        def pump() -> None:
            if stream is not None:
                with stream:
                    for line in stream:
                        take(line)
            take(None)

        self._pumps.append(threading.Thread(target=pump, daemon=True))
        self._pumps[-1].start()

    @property
    def pid(self) -> int:
        """Process id of the running script."""
        if self._process is None:
            raise PeerUnavailable(f"{self.name} is not running")
        return self._process.pid

    def call(self, operation: str, handlers: Mapping[str, Handler] | None = None, **arguments: Any) -> Any:
        """Run one operation and return its result; `self.cost` then holds its `cpu_s` and `wall_s`.

        Args:
            operation: name of a function the script serves.
            handlers: what the script may call back, by name; each gets the message and returns a JSON value.
            arguments: JSON values for the operation.
        Raises:
            PeerUnavailable: the script failed, ended or was silent too long.
        """
        self._send({"operation": operation, "arguments": arguments})
        while True:
            message = self._receive()
            if "callback" in message:
                handler = (handlers or {})[message["callback"]]
                self._send({"value": handler(message["arguments"])})
                continue
            if "error" in message:
                raise PeerUnavailable(f"{operation} failed: {message['error']}")
            self.cost = {"cpu_s": message["cpu_s"], "wall_s": message["wall_s"]}
            return message["value"]

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise PeerUnavailable(f"{self.name} is not running")
        try:
            process.stdin.write(json.dumps(message, ensure_ascii=True) + "\n")
            process.stdin.flush()
        except OSError:
            raise PeerUnavailable(self._last_words()) from None

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=REPLY_SECONDS)
        except queue.Empty:
            raise PeerUnavailable(f"no reply within {REPLY_SECONDS:g} s") from None
        if line is None:
            raise PeerUnavailable(self._last_words())
        message: dict[str, Any] = json.loads(line)
        return message

    def _last_words(self) -> str:
        return f"the script ended: {''.join(self._errors).strip()[-TAIL_CHARACTERS:]}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pump in self._pumps:
            pump.join(timeout=10)
