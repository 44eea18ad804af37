"""The seams of triage: where messages come from, and what carries actions out. Each implementation is one file.

Sources are found by scheme in the entry-point group `rightsized.inboxes`, systems that take actions in
`rightsized.desks`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import field

from rightsized.apps.triage.records import Action, Handled, Mail
from rightsized.core.frozen import Frozen


class Arrival(Frozen, frozen=True):
    """One message as a source hands it over, not yet read.

    `place` names it within its source (a file's name, `UIDVALIDITY/UID`, a row). `data` is the message as bytes
    (RFC 5322); of a ticket without mail `mail` is given instead. `received` is when it arrived, where the source knows.
    `error` says why a message cannot be handed over (too large, unreadable): it is recorded as failed, never lost.
    """

    place: str
    data: bytes = b""
    mail: Mail | None = None
    received: float = 0.0
    error: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """Where messages come from. It hands each over until it is told that it was recorded; then, and not before, it may
    be marked as seen, moved, or passed by at the next start. Handing one over twice is allowed; losing one is not."""

    @property
    def name(self) -> str:
        """The address without secrets, as shown and stored: `maildir:/var/mail/support`."""
        ...

    def arrivals(self, *, wait: bool) -> AsyncIterator[Arrival]:
        """Messages not recorded yet, oldest first. With `wait` it goes on for ever, as new ones come.

        Raises SourceError-like errors of core/errors with what to mend; what can be retried is retried inside.
        """
        ...

    async def recorded(self, arrival: Arrival) -> None:
        """The message is in the store: the source may forget it. Safe to call twice."""
        ...

    async def close(self) -> None: ...


class Done(Frozen, frozen=True):
    """The outcome of an action: what was changed, and what would undo it (None where the system cannot)."""

    detail: str
    undo: Action | None = None


class Desk(Protocol):
    """A system that carries actions out: a mailbox, a helpdesk, a web hook. Every action may be asked for twice and
    then changes nothing more."""

    @property
    def name(self) -> str: ...

    def takes(self, action: Action) -> bool:
        """Whether it can carry this kind of action out."""
        ...

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        """`token` names the action for good: a system that can is given it, so that a repeat is known as one.

        Raises UpstreamError (it may be tried again) or InputError (it never will).
        """
        ...
