"""A large inbox to measure with: the sample mailbox's incoming messages again and again, each with a key of its own.

Nothing is read by a model: what became of a message is drawn, with labels, fields and a summary of the usual size.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from rightsized import data
from rightsized.apps.triage.mail import MailOptions, read_mail
from rightsized.apps.triage.records import (
    LEVELS,
    Extracted,
    Handled,
    Labelled,
    Level,
    Mail,
    Priority,
    Route,
    Sentence,
    Summary,
)
from rightsized.apps.triage.store import MessageStore
from rightsized.core.types import LabelScore

QUEUES = ("orders", "delivery", "returns", "billing", "rental", "account", "product", "other")
SHARES = (0.05, 0.15, 0.6, 0.2)  # of the levels
PEOPLE = 20
CAPACITY = 10
DAYS = 60.0  # over which the messages came; those that wait came in the last of them
WAITING_DAYS = 3.0
AT_ONCE = 1_000  # messages a transaction
SOURCE = "bench:"
DESK = 'timezone = "Europe/Berlin"\n' + "".join(
    f'\n[[person]]\nname = "person{n}"\ncapacity = {CAPACITY}\nqueues = ["{QUEUES[n % 8]}", "{QUEUES[(n + 3) % 8]}"]\n'
    'hours = { monday = ["00:00-24:00"], tuesday = ["00:00-24:00"], wednesday = ["00:00-24:00"], '
    'thursday = ["00:00-24:00"], friday = ["00:00-24:00"], saturday = ["00:00-24:00"], sunday = ["00:00-24:00"] }\n'
    for n in range(PEOPLE)
)


def sample_mails() -> list[Mail]:
    """The messages of the sample mailbox, as they are read."""
    folder = data.folder("mailbox") / "messages"
    return [read_mail(one.read_bytes(), MailOptions()) for one in sorted(folder.glob("*.eml"))]


def mail_of(mails: list[Mail], number: int, received: float) -> Mail:
    """The message of this number; three in a row are of one thread."""
    one = mails[number % len(mails)]
    return replace(
        one, key=f"m{number}@bench", thread=f"m{number - number % 3}@bench", received=received, references=()
    )


def handled_of(mail: Mail, rng: np.random.Generator) -> Handled:
    """What might have become of a message."""
    queue, level = QUEUES[int(rng.integers(len(QUEUES)))], LEVELS[int(rng.choice(4, p=SHARES))]
    scores = tuple(LabelScore(one, 1 / len(QUEUES)) for one in QUEUES[:5])
    labels = {
        role: Labelled(role, (queue,), "answered", 0.8, "certified", "c1", True, scores, 0.1, 3, f"{mail.key}-{role}")
        for role in ("department", "tone", "topic")
    }
    urgency = tuple(LabelScore(one, float(p)) for one, p in zip(LEVELS, rng.dirichlet(np.ones(4)), strict=True))
    labels["priority"] = replace(labels["tone"], task="priority", labels=(level,), suggested=urgency)
    start = mail.fresh[0].start if mail.fresh else 0
    sentence = Sentence("request", mail.body[start : start + 120], start, start + 120, key=mail.key)
    return Handled(
        key=mail.key, source=SOURCE, thread=mail.thread, subject=mail.subject, sender=mail.sender.address,
        received=mail.received, language="en", automatic="", labels=labels,
        fields=(Extracted("order", "FH-10234", "FH-10234", 10, 18),),
        priority=_priority(level, rng), route=Route(queue, False, "the department is not certain"),
        summary=Summary("extract", (sentence, sentence), (sentence,)), tier=0, decision=f"{mail.key}-whole",
        due=mail.received + 8 * 3600,
    )  # fmt: skip


def _priority(level: Level, rng: np.random.Generator) -> Priority:
    return Priority(level, "a rule", "rules") if rng.random() < 0.2 else Priority(level, "a task", "model", 0.7)


def fill(folder: Path, messages: int, waiting: int, now: float, mails: list[Mail]) -> None:
    """An inbox of so many messages, the latest of which wait; those before are done."""
    folder.mkdir(parents=True)
    (folder / "desk.toml").write_text(DESK)
    rng = np.random.default_rng(5)
    done = messages - waiting
    times = [
        *np.sort(now - WAITING_DAYS * 86400 - rng.random(done) * (DAYS - WAITING_DAYS) * 86400),
        *np.sort(now - rng.random(waiting) * WAITING_DAYS * 86400),
    ]
    store = MessageStore(folder)
    for start in range(0, messages, AT_ONCE):
        with store.writing():
            for number in range(start, min(start + AT_ONCE, messages)):
                put(store, mail_of(mails, number, float(times[number])), rng, done=number < done)
    store.close()


def put(store: MessageStore, mail: Mail, rng: np.random.Generator, *, done: bool = False) -> None:
    """One message as if it had been taken, read and, where `done`, answered."""
    store.take(mail, SOURCE, mail.key, hashlib.sha256(mail.key.encode()).hexdigest())
    store.handled(handled_of(mail, rng), "waiting", "made")
    if done:
        store.update(mail.key, "person1", "assigned", "person1", assignee=f"person{int(rng.integers(PEOPLE))}")
        store.update(mail.key, "person1", "done", "", status="done")
