"""The JSON bodies of the API that are not core records: what each route takes and gives, and nothing else."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rightsized.core.generation import DataClass
from rightsized.core.types import Decision, Frozen, Reply
from rightsized.tasks.records import JobStatus, PromiseStatus, QueueItem, TaskStatus, Written

MAX_TEXTS = 1000  # texts in one request; more should be a job
MAX_NAME = 200  # characters of a reviewer's name

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class ClassifyRequest(Frozen, frozen=True):
    """One text (`text`) or several (`texts`, at most 1,000) for a task: exactly one of the two.

    `conversation` names the thread that a single text belongs to; audits take one message a conversation. `data_class`
    says what the texts hold; the class of the key counts where that is stricter. `subject` names whom the texts are
    about, so that they are sealed under a key of that person and can be erased.
    """

    task: str
    text: str | None = None
    texts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_TEXTS)] | None = None
    conversation: str = ""
    data_class: DataClass | None = None
    subject: Annotated[str, Meta(max_length=MAX_NAME)] = ""


class Replies(Frozen, frozen=True):
    """The replies, in the order of the texts. A single text gets a list of one."""

    replies: tuple[Reply, ...]


class Tasks(Frozen, frozen=True):
    """Every task served, by name."""

    tasks: tuple[TaskStatus, ...]


class Promises(Frozen, frozen=True):
    """Every promise about what is no task, such as answers from documents, by name."""

    promises: tuple[PromiseStatus, ...]


class DecisionView(Frozen, frozen=True):
    """A decision and the text it was about; `text` is null once retention removed it.

    So it is where it quotes documents that the reader may not see.

    Where text was written, `text` is the request's body as JSON, and `written` says what was asked and answered.
    """

    decision: Decision
    text: str | None
    written: Written | None = None


class SeenRequest(Frozen, frozen=True):
    """Documents of a collection of which a command is about to show something to `name`, or to give them out."""

    name: Name
    what: Literal["document", "production"]
    collection: str
    documents: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_TEXTS)]


class Decisions(Frozen, frozen=True):
    """Decisions without their texts, newest first. `more`: as many as were asked for, so there may be others.

    One that waits for a blind look comes without its outcome, but for whoever has the role `auditor` or `admin`.
    """

    decisions: tuple[Decision, ...]
    more: bool


class FeedbackRequest(Frozen, frozen=True):
    """A correction: the label that a decision should have had. It trains; it never calibrates.

    Several labels of a multi-label task are written `a|b`; `out_of_scope` says that none fits. Of text that was written
    the label is `right` or `wrong`. `reviewer` says who gives it where no key is asked for; of a key, it is its name.
    """

    decision: str
    label: str
    reviewer: Name = "api"


class LabelRequest(Frozen, frozen=True):
    """A person's label for a waiting message. Several are written `a|b`; `out_of_scope` says that none fits.

    Of text that was written the label is `right` or `wrong`. `reviewer` says who gives it where no key is asked for; of
    a key, it is the key's name.
    """

    label: str
    reviewer: Name = "api"


class Queue(Frozen, frozen=True):
    """Messages that wait for a person, oldest first."""

    items: tuple[QueueItem, ...]


class Jobs(Frozen, frozen=True):
    """Long work, newest first."""

    jobs: tuple[JobStatus, ...]


class Health(Frozen, frozen=True):
    """`ok` from /healthz, `ready` from /readyz."""

    status: str
