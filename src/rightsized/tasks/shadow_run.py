"""A shadow run: another version of a task reads what the running one has answered; what it says is kept, and not used.

It reads the record, a moment behind the running model, so that it can neither slow an answer nor change one: a score
depends on the text alone, and so comes out as it would have in service. `<home>/learning/<task>/shadow.json` says
which version runs, `shadow.jsonl` holds a line a message.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rightsized.core.errors import IntegrityError, NotFoundError
from rightsized.core.protocols import Encoder
from rightsized.core.types import Certificate, Frozen, Task
from rightsized.engines.classifier import Classifier
from rightsized.ledger.reader import LedgerReader
from rightsized.store import atomic
from rightsized.store.home import Home
from rightsized.tasks.learnable import Message, ended_after
from rightsized.tasks.versions import TaskStore, check_name

FILE, LINES = "shadow.json", "shadow.jsonl"
AT_ONCE = 100  # messages of one look, so that a look takes a second or so


class ShadowRun(Frozen, frozen=True):
    """Which version reads along, since when and since which row of the log; `stopped` is None while it runs."""

    task: str
    version: str
    base: str
    started: float
    after: int
    stopped: float | None = None


class ShadowLine(Frozen, frozen=True):
    """What both said of one message. `candidate_answered`: its score cleared the thresholds it was fitted with.

    `read` is false where the text was gone.
    """

    seq: int
    decision: str
    audit: bool
    running: tuple[str, ...]
    running_answered: bool
    candidate: tuple[str, ...] = ()
    candidate_answered: bool = False
    score: float = 0.0
    read: bool = True


def start(home: Home, task: str, version: str) -> ShadowRun:
    """Let a version read along from the next message on; a run before it ends, and its lines go."""
    store = TaskStore(home)
    store.folder(task, version)
    folder = _folder(home, task)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with LedgerReader(home.decisions) as reader:
        last = int(reader.query("SELECT coalesce(max(seq), 0) FROM ends")[0][0])
    run = ShadowRun(task, version, store.current(task), time.time(), last)
    with _alone(folder):
        (folder / LINES).unlink(missing_ok=True)
        _keep(folder, run)
    return run


def stop(home: Home, task: str) -> ShadowRun:
    """End the run; what it found stays. Raises NotFoundError."""
    folder = _folder(home, task)
    run = of(home, task)
    if run.stopped is None:
        run = msgspec.structs.replace(run, stopped=time.time())
        with _alone(folder):
            _keep(folder, run)
    return run


def of(home: Home, task: str) -> ShadowRun:
    """The shadow run of a task. Raises NotFoundError where there is none, IntegrityError."""
    path = _folder(home, task) / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=ShadowRun)
    except FileNotFoundError:
        raise NotFoundError(
            f"No version of {task!r} runs in the shadow.",
            fix=f"Start it: rightsized triage learn shadow {task} --start",
        ) from None
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path} cannot be read: {error}.", fix="Start the shadow run again.") from None


def running(home: Home) -> list[ShadowRun]:
    """All runs that have not been stopped."""
    found = []
    for path in sorted((home.path / "learning").glob(f"*/{FILE}")):
        run = of(home, path.parent.name)
        if run.stopped is None:
            found.append(run)
    return found


def lines(home: Home, task: str) -> list[ShadowLine]:
    """What was kept so far, in the order of the record."""
    path = _folder(home, task) / LINES
    if not path.is_file():
        return []
    decode = msgspec.json.Decoder(ShadowLine).decode
    return [decode(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def catch_up(home: Home, run: ShadowRun, reader: LedgerReader, encoder: Encoder, *, most: int = AT_ONCE) -> int:
    """Read the messages answered since the last look; how many. Two processes take turns and read none twice."""
    store, folder = TaskStore(home), _folder(home, run.task)
    with _alone(folder):
        if of(home, run.task) != run:
            return 0  # stopped or started anew meanwhile
        done = lines(home, run.task)
        found = ended_after(reader, run.task, done[-1].seq if done else run.after, most)
        if not found:
            return 0
        version = store.folder(run.task, run.version)
        classifier = Classifier.open(version)
        thresholds = store.read(run.task, "certificate.json", Certificate, run.version).thresholds
        _append(folder / LINES, [_line(message, classifier, encoder, thresholds) for message in found])
    return len(found)


def catch_up_all(home: Home, reader: LedgerReader | None, encoder: Callable[[str], Encoder]) -> int:
    """One look of every run that goes on; how many messages. `encoder` opens one by name; no record, no look."""
    store, total = TaskStore(home), 0
    if reader is None:
        return 0
    for run in running(home):
        task = store.read(run.task, "task.json", Task, run.version)
        total += catch_up(home, run, reader, encoder(task.encoder))
    return total


def _line(
    message: Message, classifier: Classifier, encoder: Encoder, thresholds: tuple[float | None, ...]
) -> ShadowLine:
    said = message.reply.suggestion
    labels = said.labels if said is not None else ()
    line = ShadowLine(message.seq, message.decision, message.audit, labels, message.reply.status == "answered")
    if message.text is None:
        return msgspec.structs.replace(line, read=False)
    first = classifier.score_text(message.text)
    if thresholds[0] is not None and first.score >= thresholds[0]:
        return msgspec.structs.replace(
            line, candidate=first.prediction.labels, candidate_answered=True, score=first.score
        )
    encoded = encoder.encode_now(message.text)
    last = classifier.score_vector(message.text, encoded.vector, encoded.truncated)
    answered = thresholds[1] is not None and last.score >= thresholds[1]
    return msgspec.structs.replace(
        line, candidate=last.prediction.labels, candidate_answered=answered, score=last.score
    )


def _append(path: Path, found: list[ShadowLine]) -> None:
    """Add lines; half a line that a crash left behind is cut off first."""
    with path.open("ab+") as file:
        file.seek(0)
        kept = file.read().rpartition(b"\n")
        file.truncate(len(kept[0]) + len(kept[1]))
        file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in found))
        file.flush()
        os.fsync(file.fileno())


def _keep(folder: Path, run: ShadowRun) -> None:
    atomic.write(folder / FILE, msgspec.json.format(msgspec.json.encode(run), indent=1))


def _folder(home: Home, task: str) -> Path:
    return home.path / "learning" / check_name(task)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "shadow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
