"""Servers under measurement: start one, wait until it answers, read its memory and CPU, stop it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from benchmarks import models
from benchmarks.harness import ROOT, note

START_SECONDS = 180.0  # torch and its model take a while on a loaded machine
POLL_SECONDS = 0.1
MEBIBYTE = 2**20


class ServerFailed(Exception):  # noqa: N818 - a state to report
    """The server ended or never answered; the message holds its last words."""


class Server:
    """A server process and its children.

    Args:
        command: what to run.
        url: its address on the loopback interface.
        ready: path that answers 200, or 405, once it serves.
        environment: added to this process's own.
        cpus: cores it may use; empty leaves all.
    """

    def __init__(
        self,
        command: Sequence[str],
        url: str,
        ready: str,
        environment: Mapping[str, str] | None = None,
        cpus: Sequence[int] = (),
    ) -> None:
        self.url = url
        self._command, self._ready, self._cpus = list(command), ready, list(cpus)
        self._environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> Server:
        logs = models.home().path / "benchmarks"
        logs.mkdir(parents=True, exist_ok=True)
        self._log = (logs / f"server-{os.getpid()}.log").open("wb+")
        self._process = psutil.Popen(
            self._command, stdout=self._log, stderr=subprocess.STDOUT, env=self._environment, cwd=ROOT
        )
        if self._cpus and hasattr(self._process, "cpu_affinity"):
            self._process.cpu_affinity(self._cpus)  # threads and children started from now on inherit it
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"it ended with status {self._process.returncode}: {self._tail()}")
            try:
                with urllib.request.urlopen(self.url + self._ready, timeout=5):
                    return
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    return
            except OSError:
                pass
            time.sleep(POLL_SECONDS)
        raise ServerFailed(f"no answer within {START_SECONDS:g} s: {self._tail()}")

    def _tail(self) -> str:
        return self.log().strip()[-600:]

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def log(self) -> str:
        """Everything it has written."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """User and system CPU seconds so far, children included."""
        times = [process.cpu_times() for process in self._family()]
        return float(sum(t.user + t.system for t in times))

    def rss_mb(self) -> float:
        """Resident memory now, children included, in mebibytes."""
        return float(sum(process.memory_info().rss for process in self._family())) / MEBIBYTE

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        family = self._family() if self._process.poll() is None else []
        for process in family[:1]:
            process.terminate()
        _, alive = psutil.wait_procs(family, timeout=20)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=5)
        self._log.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rightsized(home: Path, cpus: Sequence[int] = (), environment: Mapping[str, str] | None = None) -> Server:
    """`rightsized serve` over this home; sessions are one a core it may use."""
    port = free_port()
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", str(port), "--json"]
    given = {"RIGHTSIZED_HOME": str(home), **({"RIGHTSIZED_ENGINE_SESSIONS": str(len(cpus))} if cpus else {})}
    return Server(command, f"http://127.0.0.1:{port}", "/readyz", {**given, **(environment or {})}, cpus)


def home_with_task(name: str, rows: Path, text: str, label: str, max_error: float) -> Path:
    """A home whose one task was fitted by the command line from `rows`; made anew each time."""
    home = models.home().path / "benchmarks" / f"home-{name}"
    shutil.rmtree(home, ignore_errors=True)
    models.encoder().close()  # pulled if absent
    shutil.copytree(models.home().path / "models", home / "models")
    note(f"rightsized fit {rows.name} --task {name}")
    command = [
        sys.executable, "-m", "rightsized.cli", "fit", str(rows), "--task", name, "--text", text, "--label", label,
        "--max-error", str(max_error), "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "RIGHTSIZED_HOME": str(home)}
    )
    if done.returncode != 0:
        raise SystemExit(f"rightsized fit failed: {(done.stdout + done.stderr)[-1500:]}")
    fitted = json.loads(done.stdout)
    note(f"{fitted['state']}, coverage {fitted['coverage']}, rss {fitted['rss_mb']} MB")
    return home
