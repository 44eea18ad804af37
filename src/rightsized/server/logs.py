"""The log of a server: what went wrong and what changed, one line an event, on standard error.

Other parts speak through Python's `logging`, under names that begin with `rightsized`, and give what they know as
`extra` fields. Here is how that is written: as text for people, or as JSON for a collector. Only the fields of FIELDS
are written, and of an exception only its class and where it came from: neither prompts nor keys can get into the log.
Lines are written by a thread of their own, so that a terminal or a pipe that takes nothing holds up no request.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from rightsized.core.config import LogConfig

OURS = "rightsized"
FIELDS = (
    "decision", "task", "certificate", "tier", "route", "status", "error", "reason", "upstream_status", "seconds",
    "count", "url", "sink",
)  # fmt: skip
WAITING = 10_000  # lines that may wait to be written; more are counted, and that is said
LAST_WORDS_S = 2.0  # how long the end of the server waits for lines that nobody takes
MOST_FRAMES = 20  # of an exception, the innermost


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record as ordered fields: when, how grave, who says it, what, and what is known of it."""
    moment = datetime.fromtimestamp(record.created, UTC)
    ours = record.name == OURS or record.name.startswith(f"{OURS}.")
    found: dict[str, Any] = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        # What others say may hold a repr of whatever they were at work on.
        "event": record.getMessage() if ours else f"{record.name} reports an error",
    }
    found |= {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name) not in (None, "")}
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
        found["exception"] = type(error).__name__
        found["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return found


def as_json(record: logging.LogRecord) -> str:
    """One JSON object."""
    return msgspec.json.encode(fields_of(record), enc_hook=str).decode()


def as_text(record: logging.LogRecord) -> str:
    """One line for people; values with spaces in quotes."""
    found = fields_of(record)
    head = f"{found.pop('time')} {found.pop('level').upper():<7} {found.pop('event')}"
    found.pop("logger")
    frames = found.pop("frames", ())
    said = " ".join(f"{name}={_shown(value)}" for name, value in found.items())
    return "".join([f"{head} {said}".rstrip(), *(f"\n    {frame}" for frame in frames)])


def _shown(value: Any) -> str:
    text = str(value)
    plain = text and text.isprintable() and not any(c in text for c in ' "=')
    return text if plain else msgspec.json.encode(text).decode()


FORMATS: dict[str, Callable[[logging.LogRecord], str]] = {"text": as_text, "json": as_json}


class Writer(logging.Handler):
    """Hands lines to the thread that writes them; drops and counts those for which there is no room."""

    def __init__(self, stream: TextIO, form: Callable[[logging.LogRecord], str], *, waiting: int = WAITING) -> None:
        super().__init__()
        self._stream, self._form = stream, form
        self._lines: queue.Queue[str | None] = queue.Queue(waiting)
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Called under the handler's lock, in whichever thread logs."""
        try:
            self._lines.put_nowait(self._form(record))
        except queue.Full:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - a log must not break what it reports on
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, as long as it is taken."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=LAST_WORDS_S)
            self._thread.join(LAST_WORDS_S)
        super().close()

    def _write(self) -> None:
        told = 0
        while (line := self._lines.get()) is not None:
            if self.dropped > told:
                told, more = self.dropped, self.dropped - told
                line = f"{self._form(_dropped(more))}\n{line}"
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                self._stream.write(line + "\n")
                self._stream.flush()


def _dropped(count: int) -> logging.LogRecord:
    record = logging.LogRecord(OURS, logging.WARNING, "", 0, "Lines of this log were dropped", None, None)
    record.count = count
    return record


@contextlib.contextmanager
def logging_to(config: LogConfig, stream: TextIO | None = None) -> Iterator[Writer]:
    """Log as the settings say until the end of the block. `stream`: standard error where it is None."""
    root, ours = logging.getLogger(), logging.getLogger(OURS)
    before, writer = ours.level, Writer(stream or sys.stderr, FORMATS[config.format])
    ours.setLevel(config.level.upper())
    root.addHandler(writer)
    try:
        yield writer
    finally:
        root.removeHandler(writer)
        ours.setLevel(before)
        writer.close()
