"""What a shadow run has found: how often both models say the same, and who was right where a person has said.

Labels of audits are left out: a look at them before the test would be a look at the test.
"""

from __future__ import annotations

import numpy as np

from rightsized.apps.triage.learning.compare import paired
from rightsized.apps.triage.learning.labels import split_label
from rightsized.apps.triage.learning.records import Changed, Paired, ShadowReport
from rightsized.core.config import EngineConfig
from rightsized.core.types import Task
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks import shadow_run
from rightsized.tasks.dataset import SEPARATOR
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.shadow_run import ShadowLine, ShadowRun
from rightsized.tasks.versions import TaskStore

SHOWN = 10
WHERE = "messages of the shadow run that people labelled (picked by the model or a user)"


def catch_up(home: Home, run: ShadowRun) -> int:
    """Read everything that was answered since the last look, here and now; how many messages."""
    if run.stopped is not None:
        return 0
    task = TaskStore(home).read(run.task, "task.json", Task, run.version)
    encoder = open_encoder(task.encoder, ModelStore(home), EngineConfig())
    total = 0
    try:
        with LedgerReader(home.decisions) as reader:
            while found := shadow_run.catch_up(home, run, reader, encoder):
                total += found
    finally:
        encoder.close()
    return total


def report(home: Home, run: ShadowRun) -> ShadowReport:
    """Counts so far, labels that people gave meanwhile, and the newest messages on which the two differ."""
    task = TaskStore(home).read(run.task, "task.json", Task, run.version)
    lines = shadow_run.lines(home, run.task)
    read = [line for line in lines if line.read]
    with LedgerReader(home.decisions) as reader:
        given = {row.decision: row.label for row in ReviewQueue(reader).training_rows(run.task)}
        differing = [line for line in read if set(line.running) != set(line.candidate)]
        open_to_see = [line for line in differing if not line.audit]  # whoever labels an audit sees no prediction
        shown = tuple(_changed(line, reader.text(line.decision), given) for line in open_to_see[-SHOWN:][::-1])
    return ShadowReport(
        task=run.task,
        version=run.version,
        base=run.base,
        started=run.started,
        stopped=run.stopped,
        n=len(read),
        same=len(read) - len(differing),
        running_answered=sum(line.running_answered for line in read),
        candidate_answered=sum(line.candidate_answered for line in read),
        unread=len(lines) - len(read),
        labelled=_labelled(read, given, task.multi_label),
        differing=shown,
    )


def _labelled(lines: list[ShadowLine], given: dict[str, str], several: bool) -> Paired | None:
    rows = [(line, set(split_label(given[line.decision], several))) for line in lines if line.decision in given]
    if not rows:
        return None
    running = np.array([set(line.running) == label for line, label in rows])
    candidate = np.array([set(line.candidate) == label for line, label in rows])
    return paired(WHERE, running, candidate)


def _changed(line: ShadowLine, text: str | None, given: dict[str, str]) -> Changed:
    """What both said of one message; the label is empty where nobody has given one that may be looked at."""
    said = [SEPARATOR.join(labels) for labels in (line.running, line.candidate)]
    return Changed(text or "", given.get(line.decision, ""), *said)
