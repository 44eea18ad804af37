"""Messages in lists and totals, without a word or a number from which the answer of an audited one could be inferred.

A message whose queue is hidden is in no list of one queue, and in no total of one; nor in those of a person to whom its
route gave it. Each list is as long as it would be if that message were not there.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.store.records import Kept, Waits

Veiled = Callable[[Kept], Kept]  # a message as a person may see it


def listed(inbox: Inbox, wanted: Waits, veiled: Veiled) -> list[Kept]:
    """Messages as wanted. Those that wait come by what it costs to leave them; others by the time of arrival."""
    more = len(_hidden(inbox, wanted, veiled))
    asked = replace(wanted, limit=wanted.offset + wanted.limit + more, offset=0) if more else wanted
    found = inbox.tending.ordered(asked) if wanted.status == "waiting" else inbox.store.waiting(asked)
    shown = [one for one in map(veiled, found) if _fits(one, wanted)]
    return shown[wanted.offset : wanted.offset + wanted.limit] if more else shown


def counted(inbox: Inbox, wanted: Waits, veiled: Veiled) -> int:
    """How many there are, whatever the limit."""
    return inbox.store.count(wanted) - len(_hidden(inbox, wanted, veiled))


def _hidden(inbox: Inbox, wanted: Waits, veiled: Veiled) -> list[Kept]:
    """Messages that would be among these and may not be."""
    if wanted.queue is None and wanted.assignee is None:
        return []
    found = [one for one in inbox.store.of(sorted(inbox.audited())) if _fits(one, wanted)]
    return [one for one in found if not _fits(veiled(one), wanted)]


def _fits(one: Kept, wanted: Waits) -> bool:
    return all(getattr(wanted, name) in (None, getattr(one, name)) for name in ("status", "queue", "assignee"))
