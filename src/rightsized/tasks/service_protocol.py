"""What the server, and any other front, asks of the tasks on this machine. `tasks/service.py` is the real one.

Methods without `async` answer from memory or one short read and may be called on the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rightsized.core.generation import Caller, DataClass
from rightsized.core.protocols import Answerer, Encoder
from rightsized.core.types import Decision, Explanation, Reply
from rightsized.tasks.gateway_protocol import Gateway
from rightsized.tasks.promises import Promises
from rightsized.tasks.record_views import Record
from rightsized.tasks.records import JobStatus, QueueItem, Review, TaskStatus, Written
from rightsized.tasks.written import MayRead


class Service(Protocol):
    """Answers, explains and reviews; the one thing a front talks to."""

    @property
    def gateway(self) -> Gateway | None:
        """What writes text; None where no tier is configured."""
        ...

    @property
    def promises(self) -> Promises:
        """The promises of applications about what is no task; kept on record, audited and watched."""
        ...

    @property
    def record(self) -> Record:
        """The record of this home and what binds it, for auditors and for whoever keeps it."""
        ...

    def encoders(self) -> list[str]:
        """Encoders installed here, by name. Raises IntegrityError (a card cannot be read)."""
        ...

    async def encoder(self, name: str) -> Encoder:
        """An installed encoder, opened at its first use. Raises NotFoundError, IntegrityError."""
        ...

    def open_encoder(self, name: str) -> Encoder:
        """The same in the calling thread."""
        ...

    def permit(self, operation: str, model: str, caller: Caller, data_class: DataClass) -> None:
        """Ask the policy about work of a model here that leaves no decision. Raises ForbiddenError."""
        ...

    async def classify(
        self,
        task: str,
        text: str,
        *,
        conversation: str = "",
        caller: Caller | None = None,
        data_class: DataClass | None = None,
    ) -> Reply:
        """Answer one text. `caller` None is this machine's own user; `data_class` is what the request declares.

        Raises NotFoundError (no such task), InputError, BusyError, ForbiddenError (the policy).
        """
        ...

    async def classify_many(
        self, task: str, texts: Sequence[str], *, caller: Caller | None = None, data_class: DataClass | None = None
    ) -> list[Reply]:
        """Answer several; replies stand in the order of the texts. Raises as `classify` does."""
        ...

    def recorded(self, inner: Answerer, version: str) -> Answerer:
        """Something of an application that answers, behind the policy and with each decision on record.

        No audit coin is thrown for it: what it decides follows from decisions that have had one.
        """
        ...

    def tasks(self) -> list[TaskStatus]:
        """Every task served, by name."""
        ...

    def task(self, name: str) -> TaskStatus:
        """One task. Raises NotFoundError."""
        ...

    def unopened(self) -> dict[str, str]:
        """Tasks that are there but could not be opened, by name, each with the reason and what mends it."""
        ...

    def decision(self, decision_id: str) -> Decision:
        """The record of one request. Raises NotFoundError."""
        ...

    def decision_text(self, decision_id: str) -> str | None:
        """The text of a decision, or None once retention removed it. Raises NotFoundError (no such decision)."""
        ...

    def written(self, decision_id: str) -> Written | None:
        """What was asked and written, where a decision is about text and the request is still kept. Raises
        NotFoundError."""
        ...

    async def explain(self, task: str, text: str, about: Decision | None = None) -> Explanation:
        """Which words moved the label, and the nearest labelled examples.

        `about`: the decision that the text is of; the policy in force now is asked whether its task may read it again.
        Raises NotFoundError, BusyError, ForbiddenError (the policy).
        """
        ...

    async def feedback(self, decision_id: str, label: str, reviewer: str) -> Review:
        """A user's correction of an answer; it trains and never calibrates. Raises NotFoundError, InputError."""
        ...

    def queue(self, task: str | None, limit: int, may_read: MayRead | None = None) -> list[QueueItem]:
        """Messages that wait for a person, oldest first; of one task, or of all (None).

        `may_read` says of documents whether somebody may see them all; what quotes others is passed over.
        """
        ...

    async def label(self, decision_id: str, label: str, reviewer: str) -> Review:
        """A person's label for a waiting message; a second one replaces the first. Raises NotFoundError, InputError."""
        ...

    def labels_of(self, decision_id: str) -> list[Review]:
        """Labels in force for a decision: first the one that `unlabel` takes back. Empty where there is none."""
        ...

    async def unlabel(self, decision_id: str, reviewer: str = "") -> None:
        """Take a label back; the message waits again.

        Raises NotFoundError (no such decision, or it has no label).
        """
        ...

    def report_html(self, task: str) -> str:
        """The task's right-sizing report, self-contained HTML. Raises NotFoundError."""
        ...

    def jobs(self) -> list[JobStatus]:
        """Long work, newest first."""
        ...

    def cancel_job(self, job_id: str) -> None:
        """Stop a job. Raises NotFoundError (no such job), JobError (it had already ended)."""
        ...

    async def trouble(self) -> str:
        """Why decisions cannot be recorded now, in words; empty where they can, or where none are."""
        ...

    def ready(self) -> bool:
        """True once decisions can be recorded and a task can be answered (or there is none at all)."""
        ...

    async def start(self) -> None:
        """Load the tasks and take the writer lock."""
        ...

    async def close(self) -> None:
        """Finish what is in flight, then let go of everything."""
        ...
