"""What the store hands out: a message with what became of it, and an event. Frozen, without behaviour."""

from __future__ import annotations

from typing import Literal

from rightsized.apps.triage.records import Handled, Level, Mail
from rightsized.core.frozen import Frozen

MessageState = Literal["taken", "handled", "failed"]
Status = Literal["waiting", "routed", "done", "none"]  # for a person; given out without one; finished; not read yet
ANSWERED = "answered"  # the queue of our own messages: nobody is to do anything
What = Literal[
    "taken",
    "duplicate",
    "handled",
    "failed",
    "accepted",
    "corrected",
    "assigned",
    "routed",
    "done",
    "reopened",
    "incident",
    "detached",
    "action",
    "drafted",
    "purged",
]


class Kept(Frozen, frozen=True):
    """A message of an inbox. `mail` is None once its text was deleted, `handled` until it was read.

    `made` names the versions of tasks and rules that read it. `due` is when an answer is owed, seconds since the epoch.
    `error` says why it could not be handed over.
    """

    number: int
    key: str
    thread: str
    source: str
    received: float
    taken: float
    state: MessageState
    status: Status
    made: str
    queue: str
    level: Level
    assignee: str
    due: float | None
    incident: str
    mail: Mail | None
    handled: Handled | None
    updated: float
    error: str = ""


class Event(Frozen, frozen=True):
    """Something that happened to a message: who did what. `detail` is JSON or words, as `what` has it."""

    number: int
    key: str
    at: float
    by: str
    what: What
    detail: str


class Waits(Frozen, frozen=True):
    """What the store should show: of one status, queue, assignee or thread; the newest first where `newest`."""

    status: Status | None = "waiting"
    queue: str | None = None
    assignee: str | None = None
    thread: str | None = None
    incident: str | None = None
    newest: bool = False
    limit: int = 100
    offset: int = 0
