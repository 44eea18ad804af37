"""What a rules file holds, as frozen structs. Every condition named must hold; of a list, one value must fit."""

from __future__ import annotations

from typing import Literal

import msgspec

from rightsized.apps.triage.records import Action, Automatic, Level

Accept = Literal["certified", "estimated", "uncertified"]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class When(_Table, frozen=True):
    """When a rule fits. Without any condition it always does."""

    labels: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # role -> labels, one of which it has
    confidence: float = 0.0  # least confidence of each of those labels
    sender: tuple[str, ...] = ()  # addresses, with * for any run of characters: *@example.com
    to: tuple[str, ...] = ()  # the same for whom it was sent to
    lists: tuple[str, ...] = ()  # names of [lists] that the sender is on, such as vip
    fields: tuple[str, ...] = ()  # fields that were found in it, all of them
    priority: tuple[Level, ...] = ()  # of routing rules: the level that it has
    language: tuple[str, ...] = ()  # ISO 639-1 codes
    automatic: tuple[Automatic, ...] | None = None  # kinds of machine that wrote it; ["" ] is a person
    authenticated: bool | None = None  # whether our mail server vouches for the sender's address
    attachments: bool | None = None  # whether it has files
    hours: Literal["open", "closed"] | None = None  # whether the desk is open when it is read
    words: tuple[str, ...] = ()  # words or phrases of subject or text: a last resort


class Then(_Table, frozen=True):
    """What a rule does with a message."""

    queue: str = ""  # who gets it
    accept: Accept = "certified"  # labels and fields that are enough to do it without a person
    person: bool = False  # a person looks at it in any case
    assignee: str = ""  # one person of the queue
    labels: tuple[str, ...] = ()  # to be set in the mailbox or helpdesk
    move: str = ""  # folder to move it to
    note: str = ""  # internal note to leave
    forward: str = ""  # address to forward it to
    webhook: str = ""  # name of a web hook to call
    close: bool = False  # nothing is left to do


class Rule(_Table, frozen=True):
    """One `[[rule]]`."""

    name: str
    then: Then
    when: When = When()


class Urgency(_Table, frozen=True):
    """One `[[priority]]`: the level of what fits. The first one counts."""

    level: Level
    when: When = When()
    reason: str = ""  # said to whoever asks why


class Expected(_Table, frozen=True):
    """What a test asks for; what is left out is not looked at."""

    queue: str | None = None
    automatic: bool | None = None
    priority: Level | None = None
    rule: str | None = None


class Trial(_Table, frozen=True):
    """One `[[test]]`: a message, what the tasks say of it, and what must become of it."""

    name: str
    expect: Expected
    subject: str = ""
    text: str = ""
    sender: str = "customer@example.com"
    to: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)  # role -> label
    certified: bool = True  # whether those labels and fields are
    confidence: float = 0.99
    fields: tuple[str, ...] = ()  # names of fields found in it
    language: str = "en"
    automatic: Automatic = ""
    attachments: bool = False
    authenticated: bool = False
    at: str = ""  # when it is read, 2026-11-23T10:00 in the desk's time zone; empty: now


class Rulebook(_Table, frozen=True):
    """A rules file, read and checked. `lists`: addresses by name, with * for any run of characters."""

    rules: tuple[Rule, ...] = ()
    urgencies: tuple[Urgency, ...] = ()
    trials: tuple[Trial, ...] = ()
    lists: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    default: str = ""  # the queue of what no rule takes; empty: `inbox`
    origin: str = ""


def actions_of(then: Then) -> tuple[Action, ...]:
    """What is to be done outside, in the order in which it is done: a close comes last."""
    found = [Action("label", label) for label in then.labels]
    found += [Action("assign", then.assignee)] if then.assignee else []
    found += [Action("note", "", then.note)] if then.note else []
    found += [Action("forward", then.forward)] if then.forward else []
    found += [Action("webhook", then.webhook)] if then.webhook else []
    found += [Action("move", then.move)] if then.move else []
    found += [Action("close", "")] if then.close else []
    return tuple(found)
