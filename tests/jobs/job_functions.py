"""Functions that tests run as jobs, in a child process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rightsized.core.errors import DataError
from rightsized.core.types import Interval
from rightsized.jobs.child import JobContext


def count(arguments: dict[str, Any], context: JobContext) -> Interval:
    """Counts to n in two stages."""
    for stage in ("read", "write"):
        for i in range(arguments["n"]):
            context.progress(stage, i + 1, arguments["n"])
    print("counted")
    return Interval(arguments["n"], 0.0, 1.0, os.getpid())


def sleep(arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Sleeps until cancelled; `polite` ends by itself, `stubborn` takes no notice and has a child."""
    stubborn = arguments.get("stubborn", False)
    if stubborn:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (context.checkpoint / "grandchild").write_text(str(process.pid))
    context.progress("sleep", 0, 0)
    while True:
        time.sleep(0.02)
        if not stubborn:
            context.progress("sleep", 0, 0)


def refuse(arguments: dict[str, Any], context: JobContext) -> None:
    """Raises an error of ours."""
    raise DataError("Row 3 has no label.", fix="Fill it in.")


def break_down(arguments: dict[str, Any], context: JobContext) -> None:
    """Raises an error nobody planned for."""
    raise ZeroDivisionError("oh no")


def crash(arguments: dict[str, Any], context: JobContext) -> None:
    """Dies without a word of Python's."""
    print("about to read address 0", flush=True)
    ctypes.string_at(0)


def leave(arguments: dict[str, Any], context: JobContext) -> None:
    """Ends the process without a result and without a signal."""
    os.write(2, b"first\nlast line\n")
    os._exit(3)


def fill_memory(arguments: dict[str, Any], context: JobContext) -> None:
    """Takes memory: slowly, so that the watch sees it, or at once."""
    context.progress("fill", 0, 0)
    if arguments.get("at_once"):
        bytearray(4_000_000_000)
    held = []
    while True:
        held.append(b"x" * 10_000_000)
        time.sleep(0.01)


def resumable(arguments: dict[str, Any], context: JobContext) -> int:
    """Fails at the first try, after leaving half of the work in the checkpoint folder."""
    half: Path = context.checkpoint / "half"
    if half.exists():
        return int(half.read_text()) + 1
    half.write_text("41")
    raise DataError("not yet")
