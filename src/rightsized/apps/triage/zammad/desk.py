"""Zammad as a system that takes actions: tags, owner, group, internal notes and states of a message's ticket.

`label` is a tag, `assign` the owner (by login), `move` the group, `close` the state. Each looks first and may be asked
for twice. What undoes one is an action too, whose `text` says what must still be there: what somebody has
changed meanwhile is left. A note stays: Zammad keeps what was written.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

from rightsized.apps.triage.mail.identity import normalised
from rightsized.apps.triage.protocols import Done
from rightsized.apps.triage.records import Action, ActionKind, Handled, Mail
from rightsized.apps.triage.zammad.client import SCHEME, Ticket, Zammad, ZammadAccess
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, InputError, NotFoundError
from rightsized.core.tables import read_table

REMOVE = "remove"
CLOSED, NOBODY = "closed", "-"
_TICKET = re.compile(r"zammad-ticket:(\d{1,12})@(.+)")
_COLUMNS: dict[ActionKind, str] = {"assign": "owner", "move": "group", "close": "state"}


class ZammadOptions(ZammadAccess, frozen=True):
    """What a desk of this kind takes beside how it is reached."""

    address: str = ""  # zammad:https://HOST


class ZammadDesk:
    """Implements `Desk`."""

    def __init__(self, zammad: Zammad) -> None:
        self.name, self._zammad = zammad.name, zammad
        self._steps: dict[ActionKind, Callable[[int, Action, str], Done]] = {
            "label": self._label,
            "note": self._note,
            **dict.fromkeys(_COLUMNS, self._set),
        }

    def takes(self, action: Action) -> bool:
        """See `Desk`."""
        return action.kind in self._steps

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        """See `Desk`. Raises InputError, UpstreamError, ConfigError, EgressDeniedError."""
        return await asyncio.to_thread(self._carry_out, action, mail, handled, token)

    def _carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        try:
            return self._steps[action.kind](self._ticket(mail, handled), action, token)
        except NotFoundError as error:
            raise InputError(str(error)) from None

    def _ticket(self, mail: Mail, handled: Handled) -> int:
        """The id of the message's ticket. Raises InputError where there is none."""
        named = _TICKET.fullmatch(handled.thread)
        if named and handled.source == self.name and named[2] == self._zammad.host:
            return int(named[1])
        if not mail.message_id or not set('"\\*?').isdisjoint(mail.message_id):
            raise InputError(f"{mail.key} has no Message-ID that its ticket could be found by.")
        for one in self._zammad.search(f'article.message_id:"{mail.message_id}"'):
            ids = (normalised(article.message_id or "") for article in self._zammad.articles(one.id))
            if normalised(mail.message_id) in ids:
                return one.id
        raise InputError(f"The helpdesk {self._zammad.host} has no ticket with the message {mail.key}.")

    def _label(self, ticket: int, action: Action, token: str) -> Done:
        tag = action.value
        has = tag in self._zammad.tags(ticket)
        if action.text == REMOVE:
            if has:
                self._zammad.remove_tag(ticket, tag)
            return Done(f"ticket {ticket}: tag {tag!r} {'removed' if has else 'was gone'}", Action("label", tag))
        if has:
            return Done(f"ticket {ticket}: tag {tag!r} was there")
        self._zammad.add_tag(ticket, tag)
        return Done(f"ticket {ticket}: tag {tag!r} set", Action("label", tag, REMOVE))

    def _note(self, ticket: int, action: Action, token: str) -> Done:
        subject = f"Rightsized {token}"  # by which a note that was written before is known
        if any(one.internal and one.subject == subject for one in self._zammad.articles(ticket)):
            return Done(f"ticket {ticket}: the note was there")
        self._zammad.add_note(ticket, subject, action.text)
        return Done(f"ticket {ticket}: note added")

    def _set(self, ticket: int, action: Action, token: str) -> Done:
        column = _COLUMNS[action.kind]
        wanted = action.value or (CLOSED if column == "state" else "")
        now = getattr(self._zammad.ticket(ticket), column)
        if not wanted:
            raise InputError(f"No {column} is named for ticket {ticket}.")
        if now == wanted:
            return Done(f"ticket {ticket}: {column} was {wanted!r}")
        if action.text and now != action.text:
            raise InputError(f"The {column} of ticket {ticket} is {now!r} by now: somebody has changed it.")
        self._zammad.update(ticket, {"owner_id": 1} if (column, wanted) == ("owner", NOBODY) else {column: wanted})
        after: Ticket = self._zammad.ticket(ticket)
        if getattr(after, column) == now:
            raise InputError(f"The {column} of ticket {ticket} stayed {now!r}: there is no {wanted!r} for it.")
        undo = Action(action.kind, now or NOBODY, getattr(after, column))
        return Done(f"ticket {ticket}: {column} {now!r} -> {getattr(after, column)!r}", undo)


def thread_of(ticket: int, host: str) -> str:
    """How the conversation of a ticket is named."""
    return f"zammad-ticket:{ticket}@{host}"


def open_zammad_desk(options: Mapping[str, Any], egress: Egress | None) -> ZammadDesk:
    """The desk of a Zammad, not connected yet. Raises ConfigError."""
    given = read_table(ZammadOptions, dict(options), "the options of the desk zammad")
    if not given.address.startswith(SCHEME):
        raise ConfigError(f"address = {given.address!r} is no Zammad.", fix="Write zammad:https://HOST.")
    return ZammadDesk(Zammad(given.address, given, egress))
