"""The records that pass between the parts of triage: frozen, serialisable, without behaviour beyond plain look-ups.

Offsets are in characters (Python's `str` index) of `Mail.body`, the one text of a message that is shown; those of a
subject are marked by their `place`. Times are seconds since the epoch, UTC.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from rightsized.core.frozen import Frozen
from rightsized.core.types import LabelScore, State

Automatic = Literal["", "auto-reply", "bounce", "bulk", "calendar", "report"]  # what no person wrote; "" is a person
Level = Literal["urgent", "high", "normal", "low"]
LEVELS: tuple[Level, ...] = ("urgent", "high", "normal", "low")
SentenceKind = Literal["subject", "complaint", "request", "commitment", "fact"]
Place = Literal["subject", "body"]
ActionKind = Literal["label", "assign", "move", "note", "forward", "webhook", "close"]


class Address(Frozen, frozen=True):
    """A mailbox: the name shown and `local@domain`, lower case."""

    address: str
    name: str = ""


class Span(Frozen, frozen=True):
    """`body[start:end]`."""

    start: int
    end: int


class Attachment(Frozen, frozen=True):
    """A file that came with a message. `text` only where the inbox reads attachments; `note` says what was not read."""

    name: str
    media_type: str
    size: int
    sha256: str
    text: str = ""
    note: str = ""


class Mail(Frozen, frozen=True):
    """One message as it is read.

    `key` names it for good: its Message-ID where it has one, else a digest of its content. `thread` is the key of the
    first message of its conversation as far as headers and subject tell. `fresh` are the parts of `body` that its
    sender wrote for it; `quoted` and `signature` are shown and not classified. `automatic` says what kind of machine
    wrote it, empty where a person did. `authenticated`: the server that took it in vouches for the sender's address.
    `language` is an ISO 639-1 code, empty where it cannot be told. `notes` say what
    was not read, in words.
    """

    key: str
    subject: str
    body: str
    sender: Address
    message_id: str = ""
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    date: float | None = None
    received: float = 0.0
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    thread: str = ""
    fresh: tuple[Span, ...] = ()
    quoted: tuple[Span, ...] = ()
    signature: tuple[Span, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    automatic: Automatic = ""
    language: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    authenticated: bool = False

    @property
    def written(self) -> str:
        """What the sender wrote for this message, without quotes and signature."""
        return "\n\n".join(self.body[one.start : one.end].strip() for one in self.fresh if one.end > one.start)

    @property
    def text(self) -> str:
        """What tasks read: the subject, then what was written."""
        return f"{self.subject}\n\n{self.written}".strip()


class NextTier(Frozen, frozen=True):
    """What a tier that writes said of a message where the task abstained: no certificate covers it.

    `name` is the tier's in the settings, empty where none wrote anything; `decision` names the record of the call.
    `labels` are those that it gave, `out_of_scope` where none fits; where there are none, `reason` says why. `left_out`
    are the characters of the message that it was not given, for want of context.
    """

    name: str = ""
    tier: int = 0
    model: str = ""
    decision: str = ""
    labels: tuple[str, ...] = ()
    reason: str = ""
    latency_ms: float = 0.0
    left_out: int = 0


class Labelled(Frozen, frozen=True):
    """What one task said of a message: its labels, how sure, and under which promise.

    `labels` is empty where every tier abstained (`status` "abstained"), or where no label of several fits. `suggested`
    are the best guesses either way, for whoever decides. `decision` is that of the task, which people's labels are
    given to. Where the task abstained and a tier that writes was asked, `next_tier` says what came of it; `labels` and
    `tier` are then that tier's, never certified, and of no known confidence (0).
    """

    task: str
    labels: tuple[str, ...]
    status: Literal["answered", "abstained"]
    confidence: float
    state: State
    certificate: str = ""
    certified: bool = False
    suggested: tuple[LabelScore, ...] = ()
    out_of_scope: float = 0.0
    tier: int = 0
    decision: str = ""
    next_tier: NextTier | None = None

    @property
    def left_open(self) -> bool:
        """Whether the task itself gave no label: its decision waits for a person's, whatever a tier said."""
        return self.status == "abstained" or self.next_tier is not None


class Extracted(Frozen, frozen=True):
    """A field found in a message. `value` is normalised (ISO dates, amounts as `12.50 EUR`), `text` as written.

    `by` says what found it: a pattern, a list of names, or a model of tokens; `confidence` is in [0, 1], 1 for patterns
    with check digits. `state` is that of the field's own certificate, whose id `certificate` is; `certified` where it
    covers this value.
    """

    name: str
    value: str
    text: str
    start: int
    end: int
    place: Place = "body"
    by: Literal["pattern", "list", "model"] = "pattern"
    confidence: float = 1.0
    state: State = "none"
    certified: bool = False
    certificate: str = ""


class Priority(Frozen, frozen=True):
    """How urgent a message is, and why. `certified` only where a model on the customer's own labels said so."""

    level: Level
    reason: str
    by: Literal["rules", "model", "default"] = "default"
    confidence: float = 1.0
    certificate: str = ""
    certified: bool = False
    decision: str = ""


class Action(Frozen, frozen=True):
    """Something to be done outside. `value` is the label, assignee, folder, address or hook; `text` a note's words."""

    kind: ActionKind
    value: str
    text: str = ""


class Route(Frozen, frozen=True):
    """Who gets a message. `automatic` where nobody looks at it first; else `queue` is where it waits for a person.

    `rule` names the rule that decided, empty where none did. `reason` says why, in words. `uncertified` are the roles
    and fields that it rests on although no certificate covers what they say here.
    """

    queue: str
    automatic: bool
    reason: str
    rule: str = ""
    assignee: str = ""
    actions: tuple[Action, ...] = ()
    uncertified: tuple[str, ...] = ()


class Sentence(Frozen, frozen=True):
    """A sentence taken over unchanged: `text` is `body[start:end]` (or of the subject) of the message `key`, to the
    character, line ends included. Of an abstract `text` is what was written, and the places are what bears it out."""

    kind: SentenceKind
    text: str
    start: int
    end: int
    place: Place = "body"
    key: str = ""
    confidence: float = 1.0


class Summary(Frozen, frozen=True):
    """What a message or thread says. `kind` "extract": sentences of the source; "abstract": written and checked.

    `action` are the sentences that ask for something to be done. `text` is an abstract's; empty for an extract.
    `decision` is that of what was written, also where nothing of it is shown; `note` then says why.
    """

    kind: Literal["extract", "abstract"]
    sentences: tuple[Sentence, ...] = ()
    action: tuple[Sentence, ...] = ()
    text: str = ""
    decision: str = ""
    note: str = ""


class Handled(Frozen, frozen=True):
    """What became of one message: one JSON line of `rightsized triage run --json`.

    `tier` is the highest tier that was needed (0: a person), `decision` the id of the record of the whole message; each
    label has a decision of its own. `error` is empty where it was handled; else why not, and nothing was done.
    `dry_run`: it was only looked at, and the inbox has nothing of it. `acts`: the inbox carries actions out, once the
    message is routed; without it they are only shown.
    """

    key: str
    source: str
    thread: str
    subject: str
    sender: str
    received: float
    language: str
    automatic: Automatic
    labels: dict[str, Labelled]
    fields: tuple[Extracted, ...]
    priority: Priority
    route: Route
    summary: Summary
    tier: int
    decision: str
    due: float | None = None
    dry_run: bool = False
    acts: bool = False
    certified: bool = False
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
