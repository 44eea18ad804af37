"""One worker as its parent sees it: started, asked, watched, killed. Keeps time and memory; `sandbox` pools them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

from rightsized.core.errors import StoreError
from rightsized.parsers.limits import Limits
from rightsized.parsers.wire import LENGTH, Answer, Failure, Page, Ready, Request, frame, longest_answer

START_SECONDS = 60.0  # until a worker must have said that it is ready, on a busy machine
LOOK_SECONDS = 0.03  # between looks at its memory
NEAR = 0.6  # of the memory limit: a worker that ends by itself above it ended for want of memory
CHUNK = 1 << 20  # bytes
LONGEST_NAME = 2000  # characters of a name in messages
_SAID = 300  # characters of what a failed worker said that are shown
MODULE = "rightsized.parsers.worker"


class WorkerGoneError(StoreError):
    """A worker ended before it was asked: not the document's fault."""

    retryable = True


class WorkerProcess:
    """A child that parses one document at a time. Not safe for threads: its holder has it alone.

    Raises:
        StoreError: no process can be started.
    """

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker; what it says before its limits hold
        reading, self._lifeline = os.pipe()
        try:
            self._child = subprocess.Popen(  # noqa: S603 - no shell; the arguments are this program's own
                [sys.executable, "-P", "-B", "-m", MODULE, str(reading)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                pass_fds=(reading,),
                start_new_session=True,
                bufsize=0,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            os.close(self._lifeline)
            raise StoreError(f"No process can be started to read documents: {error.strerror}.") from None
        finally:
            os.close(reading)
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)
        self._ready, self.documents, self._resident = False, 0, 0

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it may be asked."""
        return self._child.poll() is None

    @property
    def resident(self) -> int:
        """Bytes in memory at the last look."""
        return self._resident

    def ask(self, path: Path, name: str, limits: Limits, page: Page | None = None) -> Answer:
        """Read a document, or draw a page of it. A worker that is not `alive` afterwards was killed or ended.

        Raises:
            WorkerGoneError: it had ended before it was asked. StoreError: it did not start.
        """
        self._start()
        self.documents += 1
        request = Request(str(path.absolute()), name[:LONGEST_NAME], limits, page)
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(frame(request))
        except BrokenPipeError:
            raise WorkerGoneError("A process that reads documents ended while it had nothing to do.") from None
        deadline = time.monotonic() + limits.wall_seconds
        try:
            return self._answer(request, deadline) or self._ended(request)
        except TimeoutError:
            return self._killed(f"{name} was not read within {limits.wall_seconds:g} seconds.", "timeout")
        except MemoryError:
            need = f"{name} needs more than the {limits.memory_mb:g} MB of memory that a document may use."
            return self._killed(need, "memory")
        except ValueError:  # msgspec's errors are among them
            return self._killed(f"Reading {name} gave an answer that is none.", "crash")

    def close(self) -> None:
        """End it and everything it started. May be called again."""
        if self._child.poll() is None:  # its number may be another's once it has ended
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _start(self) -> None:
        if self._ready:
            return
        request = Request("", "the first document", Limits())
        try:
            self._ready = isinstance(self._answer(request, time.monotonic() + START_SECONDS), Ready)
        except TimeoutError:
            self.close()
            raise StoreError(f"The process that reads documents was not ready in {START_SECONDS:g} s.") from None
        if not self._ready:
            self._child.wait()
            self._errors.seek(0)
            said = self._errors.read()[-_SAID:].decode("utf-8", "replace").strip()
            self.close()
            raise StoreError(f"The process that reads documents ended at its start: {said}")

    def _answer(self, request: Request, deadline: float) -> Answer | None:
        """The next answer; None where it ended. Raises TimeoutError, MemoryError, ValueError."""
        head = self._receive(LENGTH.size, request, deadline)
        if head is None:
            return None
        length = LENGTH.unpack(head)[0]
        if length > longest_answer(request.limits):
            raise ValueError("longer than allowed")
        data = self._receive(length, request, deadline)
        return None if data is None else msgspec.msgpack.decode(data, type=Answer)

    def _receive(self, length: int, request: Request, deadline: float) -> bytearray | None:
        assert self._child.stdout is not None
        descriptor, data = self._child.stdout.fileno(), bytearray()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while len(data) < length:
            if poll.poll(LOOK_SECONDS * 1000):
                chunk = os.read(descriptor, min(CHUNK, length - len(data)))
                if not chunk:
                    return None
                data += chunk
            else:
                self._look(request.limits)
            if time.monotonic() > deadline:
                raise TimeoutError
        return data

    def _look(self, limits: Limits) -> None:
        with contextlib.suppress(psutil.Error):
            self._resident = psutil.Process(self._child.pid).memory_info().rss
            if self._resident > limits.memory_mb * 1e6:
                raise MemoryError

    def _killed(self, message: str, reason: str) -> Failure:
        self.close()
        return Failure(message, reason)

    def _ended(self, request: Request) -> Failure:
        """Why it ended by itself."""
        code, name, limits = self._child.wait(), request.name, request.limits
        near = self._resident > NEAR * limits.memory_mb * 1e6
        self.close()
        if code == -signal.SIGPROF:
            took = f"{name} was not read within {limits.cpu_seconds:g} seconds of processor time."
            return Failure(took, "timeout")
        if near or code == -signal.SIGKILL:
            return Failure(f"Reading {name} took more memory than there was ({self._resident >> 20} MiB).", "memory")
        ended = signal.Signals(-code).name if code < 0 else f"status {code}"
        return Failure(f"Reading {name} broke the process that read it ({ended}).", "crash")
