"""One life of a worker: started, ready or failed, ended. Its standard error is kept for the reason.

Ends only the process it started, and knows nothing of requests. `supervisor` decides when the next life begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
from collections import deque
from pathlib import Path

import msgspec

from rightsized.core.errors import UpstreamError
from rightsized.engines.llamacpp.wire import Report, WorkerSettings, encode

KEPT_LINES = 60  # of standard error
SAID_LINES = 2  # of those, how many a message quotes
LONGEST_LINE = 1 << 16  # bytes; longer ones are cut by the reader
LONGEST_SOCKET_PATH = 100  # bytes; the system's limit is 104 on macOS and 108 on Linux
NO_BACKTRACE = "GGML_NO_BACKTRACE"  # else a failed check starts a debugger, whose lines would hide the reason
GRACE_SECONDS = 3.0  # from the closed pipe until it is killed
_LOG = re.compile(r"^[\d.]+ ([EWI]) (?:\w+\s+\S+: )?(.*)$")  # time, level, then mostly the function


class WorkerProcess:
    """A running worker. Made by `spawn`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reader = asyncio.create_task(self._read_errors())
        self.killed_for = ""  # why we ended it ourselves, where we did

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def socket(self) -> str:
        return str(self._folder / "worker.sock")

    @classmethod
    async def spawn(cls, settings: WorkerSettings) -> WorkerProcess:
        """Start a process and hand it the settings; `settings.socket` is chosen here. Raises UpstreamError."""
        folder = private_folder()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "rightsized.engines.llamacpp.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
                env={**os.environ, NO_BACKTRACE: "1"},
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise UpstreamError(f"No process can be started for {settings.model}: {error.strerror}.") from None
        worker = cls(process, folder)
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it died at once: `ready` says why
            process.stdin.write(encode(msgspec.structs.replace(settings, socket=worker.socket)))
            await process.stdin.drain()
        return worker

    async def ready(self) -> None:
        """Wait until the model is loaded. Raises UpstreamError with llama.cpp's reason."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        report = msgspec.json.decode(line, type=Report) if line else Report(error="it ended while loading")
        if not report.error:
            return
        ended = await self.wait()
        raise UpstreamError(f"The model could not be loaded: {self._said() or f'{report.error}, {ended}'}.")

    async def wait(self) -> str:
        """Wait for its end; says in words how it ended."""
        code = await self._process.wait()
        with contextlib.suppress(TimeoutError):  # a grandchild could hold the pipe open
            await asyncio.wait_for(asyncio.shield(self._reader), 1.0)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self.killed_for:
            return self.killed_for
        if code >= 0:
            return f"its process ended with status {code}"
        hint = " (the machine may be out of memory)" if -code == signal.SIGKILL else ""
        said = f"; it said: {self._said()}" if self._said() else ""
        return f"its process was ended by {signal.Signals(-code).name}{hint}{said}"

    def kill(self, why: str) -> None:
        """End it now; `wait` gives the reason back."""
        self.killed_for = why
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """Close the pipe, which tells it to end; kill it if it has not ended within seconds."""
        self.killed_for = self.killed_for or "it was closed"
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), GRACE_SECONDS)
            return
        self.kill("it was closed")
        await self.wait()

    async def _read_errors(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        rest = b""
        while chunk := await stream.read(LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            self._lines.extend(line.decode("utf-8", "replace") for line in lines if line.strip())
            rest = rest[-LONGEST_LINE:]
        if rest.strip():
            self._lines.append(rest.decode("utf-8", "replace"))

    def _said(self) -> str:
        """What llama.cpp gave as its first errors, the later ones follow from them; else the last lines there were."""
        matches = [_LOG.match(line) for line in self._lines]
        errors = [match[2].strip() for match in matches if match and match[1] == "E"]
        return "; ".join(dict.fromkeys(errors[:SAID_LINES] or list(self._lines)[-SAID_LINES:]))


def private_folder() -> Path:
    """A new folder for the socket that only this user may enter; short, as socket paths must be."""
    folder = Path(tempfile.mkdtemp(prefix="rightsized-"))
    if len(str(folder / "worker.sock").encode()) > LONGEST_SOCKET_PATH and Path("/tmp").is_dir():  # noqa: S108 - only as a parent
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="rightsized-", dir="/tmp"))
    return folder
