"""What a worker does to itself before it reads anything: no network, no programs, no files written, no orphan.

The clock of processor time is set anew for each document; the kernel ends the process when it runs out. Memory and wall
time are watched by the parent (`process`); here are the backstops that hold should the parent be gone.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import sys
import threading

from rightsized.core.egress import Egress
from rightsized.parsers.limits import Limits

BACKSTOP = 1.5  # times the memory limit at which allocation itself fails; the parent looks every few milliseconds
GRACE_SECONDS = 5.0  # beyond the wall time, which the parent keeps
_FORBIDDEN = (
    *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"),
    *("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"),
)


def confine(lifeline: int) -> None:
    """For the life of the process. `lifeline` is the reading end of a pipe that the parent holds open and never writes.

    When the parent ends, however it ends, the kernel closes that pipe and signals this process, which ends it even
    inside native code.
    """
    Egress().watch()
    sys.addaudithook(_refuse)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails with an error
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform != "linux":  # others do not end a process for this signal
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    else:
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it ended meanwhile
        os._exit(0)


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(0)


def allow(limits: Limits) -> None:
    """Start the clocks of one document."""
    most = int(limits.memory_mb * 1e6 * BACKSTOP)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds + GRACE_SECONDS)


def rest() -> None:
    """Stop the clocks, before the answer is written: none may run out between two documents."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in _FORBIDDEN:
        raise PermissionError(f"A parser may not do that: {event}.")
