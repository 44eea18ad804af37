"""Which messages on record to label next. Their labels train; messages of the audit coin are never among them."""

from __future__ import annotations

import numpy as np

from rightsized.apps.triage.learning.candidate import described
from rightsized.apps.triage.learning.choose import Floats, Strategy, choose, margin_uncertainty, starts, typical
from rightsized.apps.triage.learning.labels import learn_from
from rightsized.apps.triage.learning.records import Question
from rightsized.core.config import EngineConfig
from rightsized.core.errors import InputError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Prediction, Task
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.embeddings import Embedder
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.learnable import Message, unlabelled
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.versions import TaskStore

NEWEST = 5_000  # messages that are chosen from


def ask(
    home: Home,
    task: str,
    count: int,
    *,
    strategy: Strategy = "active",
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[Question]:
    """The messages that would teach most, the most uncertain first; typical ones while hardly any is labelled.

    `kind` is "queue" for a message that waits for a person, and "feedback" for one that was answered.

    Raises NotFoundError: no such task, or nothing is on record. InputError: `count` is not positive.
    """
    if count < 1:
        raise InputError(f"{count} messages cannot be chosen.", fix="Give a number from 1 on.")
    store = TaskStore(home)
    known = store.read(task, "task.json", Task, store.current(task))
    with LedgerReader(home.decisions) as reader:
        queue = ReviewQueue(reader)
        pool = _pool(queue, unlabelled(reader, task, NEWEST), task)
        learnt = learn_from(queue, store.folder(task, known.version), task, known.multi_label)
    if not pool:
        return []
    doubt = np.array([_doubt(message.reply.suggestion, known.multi_label) for message in pool], dtype=np.float32)
    words = {number - 1 for number in described(home, task, learnt.texts)}
    labelled = [text for i, text in enumerate(learnt.texts) if i not in words] + [row.text for row in learnt.held]
    texts = [message.text or "" for message in pool]
    if strategy == "active" and starts(len(labelled), len(known.labels)):
        both = vectors_of(home, known, [*texts, *labelled], progress)
        picked = typical(both[: len(pool)], both[len(pool) :], count, seed=seed)
    else:
        picked = choose(doubt, vectors_of(home, known, texts, progress), count, strategy=strategy, seed=seed)
    return [_question(pool[row], float(doubt[row])) for row in picked]


def vectors_of(home: Home, task: Task, texts: list[str], progress: Progress = no_progress) -> Floats:
    """Vectors of the task's encoder, from the cache where they stand there; an interrupted run goes on from those."""
    encoder = open_encoder(task.encoder, ModelStore(home), EngineConfig())
    try:
        return Embedder(home, encoder).vectors(texts, progress)
    finally:
        encoder.close()


def _pool(queue: ReviewQueue, found: list[Message], task: str) -> list[Message]:
    """Each text once, and none of a conversation of which the coin chose a message: those are not learned from."""
    audited = {outcome.conversation for outcome in queue.audit_outcomes(task) if outcome.conversation}
    kept: dict[str, Message] = {}
    for message in found:
        if message.conversation not in audited:
            kept.setdefault(message.text or "", message)
    return list(kept.values())


def _doubt(said: Prediction | None, several: bool) -> float:
    """How unsure the running model was, from what is on record; 1 where it said nothing."""
    if said is None or len(said.scores) < 2:
        return 1.0
    return float(margin_uncertainty(np.array([[one.probability for one in said.scores]]), several)[0])


def _question(message: Message, doubt: float) -> Question:
    said = message.reply.suggestion
    kind = "queue" if message.reply.status == "abstained" else "feedback"
    guesses = said.scores if said else ()
    return Question(message.decision, message.text or "", kind, doubt, guesses[:3], message.started)
