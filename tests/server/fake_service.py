"""A Service with realistic records and no model behind it: the rungs are keyword counts, the rest is true to type.

`python tests/server/fake_service.py --port 8400` serves it, to look at the pages.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
from collections.abc import Sequence
from itertools import count

import msgspec
from fake_record import FakeRecord
from letter_encoder import LetterEncoder

from rightsized.core.config import AuditConfig
from rightsized.core.errors import BusyError, InputError, JobError, NotFoundError
from rightsized.core.generation import Caller, DataClass
from rightsized.core.protocols import Answerer, Encoder
from rightsized.core.types import (
    Attempt,
    Certificate,
    Contribution,
    Decision,
    Explanation,
    Interval,
    LabelScore,
    Neighbour,
    Prediction,
    Reply,
    State,
    Targets,
    Task,
)
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR
from rightsized.tasks.gateway_protocol import Gateway
from rightsized.tasks.promises import Promises
from rightsized.tasks.records import JobStatus, MonitorStatus, QueueItem, Review, TaskStatus, Written
from rightsized.tasks.written import MayRead

NOW = 1_795_000_000.0  # 2026-11-18
DAY = 86_400.0
KEYWORDS = {
    "billing": ("invoice", "charged", "refund", "payment", "card"),
    "delivery": ("parcel", "courier", "delivery", "arrived", "tracking"),
    "account": ("password", "login", "account", "email", "locked"),
    "technical": ("crash", "error", "screen", "update", "app"),
    "returns": ("return", "exchange", "size", "label", "box"),
    "sales": ("quote", "price", "discount", "order", "bulk"),
    "complaints": ("unacceptable", "manager", "rude", "complaint", "worst"),
    "other": ("hello", "thanks"),
}
SENTENCES: dict[State, str] = {
    "certified": "Certified 2026-11-18 by a test that wrongly certifies at most 5 times in 100 (attempt 1): "
    "in the long run at most 5% of the messages answered here are wrong, while traffic stays like the 600 messages "
    "sampled at random from support.csv (37 out of scope). About 83% (80–86%) are answered here; the rest goes to a "
    "person. Test again by 2027-02-16, after 100,000 messages, or on any change of model.",
    "estimated": "Estimated, not certified: 40 labels are too few to prove at most 5% wrong. "
    "On them 1 of 31 answers was wrong (3.2%, 0.1–16.7%). About 180 fresh random labels would do.",
    "none": "No promise: no configuration kept within 5% on the calibration labels.",
    "suspended": "Suspended 2026-11-17: audits show that more than 2% of the answers given here were wrong. "
    "Nothing is answered here until 300 fresh random labels certify it again.",
}


def make_certificate(task: str, state: State, epsilon: float = 0.05) -> Certificate:
    share = Interval(0.83, 0.80, 0.86, 600)
    return Certificate(
        id=f"cert-{task}-1", task=task, state=state, promise="selective_error", epsilon=epsilon, delta=0.05,
        delta_spent=0.025, attempt=1, method="pareto",
        n=600, m=498, errors=13, rungs=("ngram", "head"),
        thresholds=(0.91, 0.72) if state != "none" else (None, None), rejected=((0.95, 0.80), (0.91, 0.72)),
        local_share=share, expected_cost=0.0004, sampling="simple random sample", unit="messages", label_kind="human",
        out_of_scope_rows=37, digests={"model": "sha256:" + "5e" * 32, "head": "sha256:" + "a7" * 32, "cpu": "avx2"},
        created=NOW, expires=NOW + 90 * DAY, expires_requests=100_000, code_version="0.1.0", sentence=SENTENCES[state],
        p_value=0.0081, needed=180 if state == "estimated" else None,
        selective_error=Interval(0.026, 0.014, 0.044, 498), wrong_local_rate=Interval(0.022, 0.012, 0.037, 600),
    )  # fmt: skip


def _status(
    name: str, labels: tuple[str, ...], state: State, monitor: MonitorStatus | None, note: str = ""
) -> TaskStatus:
    task = Task(name, "classify", labels, version="20261118-1", targets=Targets(max_error=0.05))
    return TaskStatus(task, state, make_certificate(name, state), 0, 0, 0, monitor, note)


MONITOR = MonitorStatus(214, 4, 6, 1.7, 20.0, False, 3900.0)
ALARMED = MonitorStatus(388, 31, 0, 24.8, 20.0, True, None, "Scores have drifted from those of the calibration sample.")
LABELS = tuple(KEYWORDS)
WAITING = (
    ("abstained", "Good morning, I moved house last week and the gate code is different now, who do I tell?"),
    ("audit", "The courier left my parcel with a neighbour I have never met, tracking says delivered."),
    ("abstained", "Is it you or the bank that keeps charging me 1.99 a month, nobody can say."),
    ("feedback", "My login works on the phone but not on the laptop since the update, error 403."),
    ("abstained", "wat is de prijs van twee dozen"),
)


class FakeService:
    """Implements `rightsized.tasks.service_protocol.Service`. `delay` slows answers; `busy` refuses them."""

    def __init__(self, *, empty: bool = False, delay: float = 0.0) -> None:
        self.delay, self.busy, self.broken, self.started, self.closed = delay, False, False, False, False
        self.arrived, self.waiting, self.closed_while_busy = threading.Event(), 0, False
        self.unopenable, self.unrecordable, self.record = dict[str, str](), "", FakeRecord()
        self.gateway: Gateway | None = None
        self.promises = Promises(AuditConfig())
        self._ids = count(1)
        self._tasks = {} if empty else {
            s.task.name: s
            for s in (
                _status("support", LABELS, "certified", MONITOR),
                _status("urgency", ("can wait", "today", "at once"), "estimated", None),
                _status("invoices", ("pay", "query", "reject"), "suspended", ALARMED, "Local answers have stopped."),
            )
        }  # fmt: skip
        self._decisions: dict[str, Decision] = {}
        self.texts_written: dict[str, Written] = {}
        self._texts: dict[str, str | None] = {}
        self._queue: dict[str, QueueItem] = {}
        self.reviews: dict[str, Review] = {}
        self._jobs = {} if empty else {job.id: job for job in JOBS}
        if not empty:
            self._seed()

    def add_task(self, name: str, labels: tuple[str, ...], *, multi_label: bool = False) -> None:
        """One more task, without local answers: everything asked of it waits for a person."""
        status = _status(name, labels, "none", None)
        task = msgspec.structs.replace(status.task, multi_label=multi_label)
        self._tasks[name] = msgspec.structs.replace(status, task=task)

    def remove_task(self, name: str) -> None:
        """What deleting its folder does."""
        del self._tasks[name]

    def _seed(self) -> None:
        for kind, text in WAITING:
            reply = self._record("support", text, kind == "audit")
            suggestion = None if kind == "audit" else reply.suggestion
            self._queue[reply.id] = QueueItem(reply.id, "support", text, NOW, kind, suggestion)  # type: ignore[arg-type]

    async def start(self) -> None:
        self.started = True

    async def close(self) -> None:
        self.closed, self.closed_while_busy = True, self.waiting > 0

    async def trouble(self) -> str:
        return self.unrecordable

    def ready(self) -> bool:
        return self.started and not self.closed and not self.unopenable

    def permit(self, operation: str, model: str, caller: Caller, data_class: DataClass) -> None: ...

    async def classify(
        self,
        task: str,
        text: str,
        *,
        conversation: str = "",
        caller: Caller | None = None,
        data_class: DataClass | None = None,
    ) -> Reply:
        self.task(task)
        if self.busy:
            raise BusyError("The queue of 256 texts is full.", fix="Try again in a second, or raise [engine] queue.")
        if self.broken:
            raise ZeroDivisionError("secret internals")
        if not text.strip():
            raise InputError("The text is empty.", fix="Send at least one word.")
        if self.delay:
            await self._dawdle()
        reply = self._record(task, text, audit=False, conversation=conversation)
        if reply.output is None:
            self._queue[reply.id] = QueueItem(reply.id, task, text, NOW, "abstained", reply.suggestion)
        return reply

    async def _dawdle(self) -> None:
        self.waiting += 1
        self.arrived.set()
        await asyncio.sleep(self.delay)
        self.waiting -= 1

    def recorded(self, inner: Answerer, version: str) -> Answerer:
        return inner

    async def classify_many(
        self, task: str, texts: Sequence[str], *, caller: Caller | None = None, data_class: DataClass | None = None
    ) -> list[Reply]:
        return [await self.classify(task, text) for text in texts]

    def encoders(self) -> list[str]:
        return ["letters"]

    async def encoder(self, name: str) -> Encoder:
        return self.open_encoder(name)

    def open_encoder(self, name: str) -> Encoder:
        if name != "letters":
            raise NotFoundError(f"There is no model {name!r}.")
        return LetterEncoder()

    def tasks(self) -> list[TaskStatus]:
        return [self.task(name) for name in sorted(self._tasks)]

    def task(self, name: str) -> TaskStatus:
        if name not in self._tasks:
            raise NotFoundError(
                f"There is no task {name!r}.", fix=f"Tasks here: {', '.join(sorted(self._tasks)) or 'none'}."
            )
        done = [d.reply for d in self._decisions.values() if d.task == name and d.reply]
        answered = sum(1 for reply in done if reply.output)
        waiting = len(self.queue(name, 1_000_000))
        return msgspec.structs.replace(
            self._tasks[name], answered=answered, abstained=len(done) - answered, waiting=waiting
        )

    def unopened(self) -> dict[str, str]:
        return self.unopenable

    def decision(self, decision_id: str) -> Decision:
        if decision_id not in self._decisions:
            raise NotFoundError(f"There is no decision {decision_id!r}.", fix="The id stands in X-Rightsized-Decision.")
        return self._decisions[decision_id]

    def decision_text(self, decision_id: str) -> str | None:
        self.decision(decision_id)
        return self._texts[decision_id]

    def written(self, decision_id: str) -> Written | None:
        self.decision(decision_id)
        return self.texts_written.get(decision_id)

    def forget(self, decision_id: str) -> None:  # what retention does
        self._texts[decision_id] = None

    async def explain(self, task: str, text: str, about: Decision | None = None) -> Explanation:
        labels = self.task(task).task.labels
        scored = _scores(text, labels)
        words = KEYWORDS.get(scored[0].label, ())
        parts, at = [], 0
        for word in text.split():
            at = text.index(word, at)
            bare = word.lower().strip(".,?!")
            value = 0.9 if any(bare.startswith(k) for k in words) else 0.03 * (len(bare) % 5) - 0.06
            parts.append(Contribution(word, at, at + len(word), value))
            at += len(word)
        total = math.fsum(p.value for p in parts)
        near = (
            Neighbour("I was charged twice for one invoice", "billing", 0.81),
            Neighbour("why is there a payment I do not know", "billing", 0.74),
            Neighbour("refund has not arrived on my card", "returns", 0.69),
        )
        return Explanation(scored[0].label, "permutation", tuple(parts), -1.2, total, 128, 41.0, near)

    async def feedback(self, decision_id: str, label: str, reviewer: str) -> Review:
        return self._review(decision_id, label, reviewer, "feedback")

    def queue(self, task: str | None, limit: int, may_read: MayRead | None = None) -> list[QueueItem]:
        return [i for i in self._queue.values() if task in (None, i.task) and i.decision not in self.reviews][:limit]

    async def label(self, decision_id: str, label: str, reviewer: str) -> Review:
        self.decision(decision_id)
        if decision_id not in self._queue:
            raise NotFoundError(f"Decision {decision_id!r} does not wait for a person.")
        return self._review(decision_id, label, reviewer, self._queue[decision_id].kind)

    def labels_of(self, decision_id: str) -> list[Review]:
        return [self.reviews[decision_id]] if decision_id in self.reviews else []

    async def unlabel(self, decision_id: str, reviewer: str = "") -> None:
        if self.reviews.pop(decision_id, None) is None:
            raise NotFoundError(f"Decision {decision_id!r} has no label to take back.")

    def _review(self, decision_id: str, label: str, reviewer: str, kind: str) -> Review:
        task = self.decision(decision_id).task
        labels = self.task(task).task.labels
        if not all(part in (*labels, OUT_OF_SCOPE) for part in label.split(SEPARATOR)):
            raise InputError(f"{label!r} is not a label of {task}.", fix=f"Labels: {', '.join(labels)}.")
        review = Review(decision_id, task, label, reviewer, NOW, kind)  # type: ignore[arg-type]
        self.reviews[decision_id] = review
        return review

    def report_html(self, task: str) -> str:
        self.task(task)
        head = f"<meta name=viewport content=width=device-width><title>{task}</title><style>p{{margin:0}}</style>"
        return f"<!doctype html>{head}<p>Report of {task}</p>"

    def jobs(self) -> list[JobStatus]:
        return sorted(self._jobs.values(), key=lambda job: -job.created)

    def cancel_job(self, job_id: str) -> None:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFoundError(f"There is no job {job_id!r}.")
        if job.state != "running":
            raise JobError(f"Job {job_id} is {job.state}; only a running job can be cancelled.")
        self._jobs[job_id] = msgspec.structs.replace(job, state="cancelled", ended=NOW)

    def _record(self, task: str, text: str, audit: bool, conversation: str = "") -> Reply:
        decision_id = f"d{next(self._ids):07d}"
        reply = _reply(decision_id, self._tasks[task], text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._decisions[decision_id] = Decision(
            decision_id, task, "20261118-1", NOW, digest, "done", audit, 0.02, conversation, NOW + 0.004, reply
        )
        self._texts[decision_id] = text
        return reply


JOBS = (
    JobStatus("job-3", "fit", "running", "embed", 620, 1000, NOW + 30),
    JobStatus(
        "job-2",
        "fit",
        "failed",
        "read",
        0,
        0,
        NOW + 20,
        NOW + 21,
        "tickets.csv has no column 'label'. Columns: id, text.",
    ),
    JobStatus("job-1", "fit", "done", "report", 6, 6, NOW, NOW + 94, result="support 20261118-1, certified at 5%"),
)


def _scores(text: str, labels: tuple[str, ...]) -> tuple[LabelScore, ...]:
    low = text.lower()
    raw = [0.2 + sum(low.count(k) for k in KEYWORDS.get(label, (label,))) * 1.7 for label in labels]
    top = [math.exp(value) for value in raw]
    ranked = sorted(zip(labels, top, strict=True), key=lambda pair: -pair[1])
    return tuple(LabelScore(label, value / sum(top)) for label, value in ranked[:5])


def _reply(decision_id: str, status: TaskStatus, text: str) -> Reply:
    scores = _scores(text, status.task.labels)
    best = scores[0].probability
    said = Prediction(scores[0].label, (scores[0].label,), scores, out_of_scope=round(1 - best, 3))
    local = status.state in ("certified", "estimated")
    thresholds = (0.91, 0.60) if local else (None, None)
    attempts = []
    for rung, score, threshold, ms in zip(("ngram", "head"), (best * 0.97, best), thresholds, (0.17, 4.9), strict=True):
        taken = threshold is not None and score >= threshold
        reason = "" if taken else "suspended: may not answer" if threshold is None else "below its threshold"
        attempts.append(Attempt(rung, 3, "sha256:" + "ab" * 32, score, threshold, taken, said, reason, ms))
        if taken:
            break
    last = attempts[-1]
    return Reply(
        decision_id, status.task.name, "answered" if last.accepted else "abstained", said if last.accepted else None,
        last.rung if last.accepted else "person", 3 if last.accepted else 0, last.model, last.score, status.state,
        status.certificate.id, last.accepted and status.state == "certified", 0.0, sum(a.latency_ms for a in attempts),
        attempts=tuple(attempts),
    )  # fmt: skip


def main() -> None:
    import argparse

    from rightsized.server.app import Config, create_app
    from rightsized.server.run import serve

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8400)
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0)
    given = parser.parse_args()
    service = _Talking(empty=given.empty, delay=given.delay)
    serve(create_app(service, Config()), "127.0.0.1", given.port, on_ready=lambda at: print(at.url, flush=True))


class _Talking(FakeService):
    """Says on standard output what happens to it, for a test that watches from outside."""

    async def _dawdle(self) -> None:
        print("arrived", flush=True)
        await super()._dawdle()

    async def close(self) -> None:
        await super().close()
        print("closed", flush=True)


if __name__ == "__main__":
    main()
