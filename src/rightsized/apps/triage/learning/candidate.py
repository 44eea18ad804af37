"""A candidate: the running version's examples and the corrections since, fitted and not put in force.

Where it is written down, and what may be asked of it. The fit itself is `tasks.fit`; who runs it (this process or a
child) is handed in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from rightsized.apps.triage.learning.labels import Learnt, learn_from, text_digest
from rightsized.apps.triage.learning.records import Candidate
from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.core.types import Certificate, Task
from rightsized.ledger.reader import LedgerReader
from rightsized.store import atomic
from rightsized.store.home import Home
from rightsized.tasks.dataset import Columns
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.records import FitReport
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.versions import TaskStore, check_name

Fit = Callable[[FitPlan], FitReport]
FILE, DESCRIBED = "candidate.json", "described.json"
RECHECK = 300  # old examples on which the two are compared, at least, where there are so many
TIMED = 40  # texts timed of a candidate; of what is put in force, as many as of any version


def folder_of(home: Home, task: str) -> Path:
    """Where learning of one task keeps what it must remember: `<home>/learning/<task>/`."""
    return home.path / "learning" / check_name(task)


def candidate_of(home: Home, task: str) -> Candidate:
    """The candidate of a task. Raises NotFoundError where there is none, or its version is gone; IntegrityError."""
    path = folder_of(home, task) / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Candidate)
    except FileNotFoundError:
        raise NotFoundError(
            f"The task {task!r} has no candidate.", fix=f"Make one: rightsized triage learn refit {task}"
        ) from None
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path} cannot be read: {error}.", fix="Make a candidate again.") from None
    TaskStore(home).folder(task, found.version)
    return found


def has_candidate(home: Home, task: str) -> bool:
    """Whether `candidate_of` finds one."""
    try:
        candidate_of(home, task)
    except NotFoundError:
        return False
    return True


def keep(home: Home, candidate: Candidate) -> None:
    """Write a candidate down; the one before it stays among the task's versions."""
    folder = folder_of(home, candidate.task)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    atomic.write(folder / FILE, msgspec.json.format(msgspec.json.encode(candidate), indent=1))


def note_described(home: Home, task: str, texts: Sequence[str]) -> None:
    """Remember which texts are words about a label: they train, and no figure of a candidate counts them."""
    folder = folder_of(home, task)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    atomic.write(folder / DESCRIBED, msgspec.json.encode([text_digest(text) for text in texts]))


def described(home: Home, task: str, texts: Sequence[str]) -> tuple[int, ...]:
    """Numbers, from 1, of those texts that are words about a label. Raises IntegrityError."""
    path = folder_of(home, task) / DESCRIBED
    if not path.is_file():
        return ()
    try:
        words = set(msgspec.json.decode(path.read_bytes(), type=list[str]))
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path} cannot be read: {error}.", fix="Restore it, or start the task anew.") from None
    return tuple(number for number, text in enumerate(texts, 1) if text_digest(text) in words)


def refit(
    home: Home, task: str, fit: Fit, *, full: bool = False, seed: int = 0, max_error: float = 0.0, labels: int = 0
) -> Candidate:
    """Fit a candidate on what the running version knows and on the corrections since.

    As a rule the running version's choices and out-of-fold scores are kept, and seconds are enough. Everything is
    chosen and scored anew where a label is new, or the rows since the last full fit are more than three tenths.

    Args:
        fit: runs a fit, here or in a child process.
        full: choose and score everything anew in any case.
        max_error: another error budget than the running version's; 0 keeps it.
        labels: test it on so many audits that come after it; 0 takes as many as simulation asks for, of all fresh ones.
    Raises:
        NotFoundError: no such task, or no decision is on record. InputError: there is nothing new to learn.
    """
    store = TaskStore(home)
    base = store.current(task)
    running = store.read(task, "task.json", Task, base)
    with LedgerReader(home.decisions) as reader:
        learnt = learn_from(ReviewQueue(reader), store.folder(task, base), task, running.multi_label)
    if not learnt.corrections:
        raise InputError(
            f"There is no correction of {task!r} to learn from; {len(learnt.held)} are kept back to compare with.",
            fix="Label messages first: rightsized triage learn ask, rightsized queue label.",
        )
    before = _learned_before(home, task, learnt)
    report = fit(_plan(home, running, learnt, base=base, quick=not full, seed=seed, max_error=max_error))
    certificate = store.read(task, "certificate.json", Certificate, report.task.version)
    candidate = Candidate(
        task=task,
        version=report.task.version,
        base=base,
        created=time.time(),
        examples=len(learnt.texts),
        corrections=learnt.corrections,
        held=len(learnt.held),
        replaced=learnt.replaced,
        max_error=report.task.targets.max_error,
        needed=certificate.needed,
        learned=tuple(dict.fromkeys((*learnt.learned, *before))),
        declared=labels,
    )
    keep(home, candidate)
    return candidate


def _learned_before(home: Home, task: str, learnt: Learnt) -> list[tuple[str, str]]:
    """Conversations of what earlier candidates learned and this one knows; the record may have lost their texts."""
    if not has_candidate(home, task):
        return []
    known = {text_digest(text) for text in learnt.texts}
    return [pair for pair in candidate_of(home, task).learned if pair[1] in known]


def _plan(home: Home, running: Task, learnt: Learnt, *, base: str, quick: bool, seed: int, max_error: float) -> FitPlan:
    targets = running.targets
    if max_error:
        targets = msgspec.structs.replace(targets, max_error=max_error)
    return FitPlan(
        home=str(home.path),
        task=running.name,
        rows=(learnt.texts, given(learnt.labels, running.multi_label)),
        columns=Columns(multi_label=running.multi_label),
        targets=targets,
        encoder=running.encoder,
        seed=seed,
        incremental=quick,
        base=base,
        recheck=RECHECK,
        timed=TIMED,
        described=described(home, running.name, learnt.texts),
        train_only=True,
        promote="never",
    )


def given(labels: list[tuple[str, ...]], several: bool) -> list[str | list[str]]:
    """Labels as a fit takes rows from Python; `out_of_scope` where no label fits."""
    if several:
        return [list(row) for row in labels]
    return [row[0] if row else Columns().out_of_scope for row in labels]
