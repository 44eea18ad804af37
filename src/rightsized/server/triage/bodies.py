"""What the routes of triage take and give."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.records import Handled, Level
from rightsized.apps.triage.service import InboxStanding, Step
from rightsized.apps.triage.settings import DEFAULT_INBOX
from rightsized.apps.triage.store.records import Event, Status
from rightsized.apps.triage.together import Together
from rightsized.core.types import Frozen

LATEST = 4_102_444_800.0  # the year 2100, seconds since 1970


HOOK = "/v1/triage/{inbox}/hook"  # where signed messages are taken in


class MessageRequest(Frozen, frozen=True):
    """One message to be read: as mail (`message`, RFC 5322 in base64), or as subject and text.

    `id` names it for good: sent again, it is not handled again, and the answer has no `handled`. `sender` is a mail
    address. `received` is in seconds since 1970. `source` is the program's own name for where it has the message from.
    `arrival` is how this machine's own commands hand over what they have read from `source`. `dry_run`: it is only
    looked at.
    """

    inbox: str = DEFAULT_INBOX
    message: bytes = b""
    subject: str = ""
    text: str = ""
    sender: str = ""
    id: str = ""
    received: Annotated[float, Meta(ge=0, le=LATEST)] = 0.0
    dry_run: bool = False
    source: str = "api"
    arrival: Arrival | None = None


class MessageResponse(Frozen, frozen=True):
    """What became of a message; `handled` is null where it was handled before.

    A key that may not review messages is told nothing of the others in its conversation: `summary` leaves them out.
    """

    handled: Handled | None


class InboxList(Frozen, frozen=True):
    """The inboxes of this home."""

    inboxes: tuple[InboxStanding, ...]


class MessageRow(Frozen, frozen=True):
    """A message in a list. `number` names it in its inbox; `due` is when an answer is owed, seconds since 1970."""

    number: int
    subject: str
    sender: str
    received: float
    status: Status
    queue: str
    level: Level
    assignee: str
    due: float | None
    incident: str
    handled: Handled | None


class MessageList(Frozen, frozen=True):
    """Messages of an inbox, those first that it costs most to leave waiting; `total` counts those left out too."""

    messages: tuple[MessageRow, ...]
    total: int


class LateRow(Frozen, frozen=True):
    """A waiting message and the chance in [0, 1] that it is answered late, with its 95% interval."""

    number: int
    subject: str
    queue: str
    level: Level
    due: float | None
    late: float
    low: float
    high: float


class Forecast(Frozen, frozen=True):
    """What will be late, the dearest to leave first; `expected` of so many messages."""

    messages: tuple[LateRow, ...]
    expected: float


class MessageView(Frozen, frozen=True):
    """A message with its text, its thread and what happened to it.

    `text` is null once it was deleted. `blind`: roles whose answer is hidden, since an audit asks for a person's own.
    `together`: the incident that it belongs to, with the answer that one of it was given, for a person to send.
    """

    message: MessageRow
    text: str | None
    thread: tuple[MessageRow, ...]
    events: tuple[Event, ...]
    blind: tuple[str, ...] = field(default=())
    together: Together | None = None


class Taken(Frozen, frozen=True):
    """That a signed message is here; `again` where it was here before."""

    again: bool


class StepRequest(Frozen, frozen=True):
    """What a person does with a message.

    accept: the route stands and labels that wait are given as suggested. correct: the label of `role` is `value`.
    assign: to the person or queue `value`. done and reopen: as they say. detach: out of its incident. join: into that
    of the message number `value`. done-all: all of its incident that wait are finished.
    `reviewer` says who does it where no key is asked for; of a key, it is the key's name.
    """

    step: Step
    role: Annotated[str, Meta(max_length=200)] = ""
    value: Annotated[str, Meta(max_length=1000)] = ""
    reviewer: Annotated[str, Meta(max_length=200)] = ""
