"""Messages of one incident, worked together: what a person takes out, puts in or finishes, and the answer at hand.

Nothing here sends anything: the answer to one of them is shown for the others, and a person decides about each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rightsized.apps.triage.drafts.writing import answers
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.store.records import Kept, Waits
from rightsized.core.errors import InputError
from rightsized.core.frozen import Frozen

LOOKED_AT = 20  # finished messages of an incident whose answer is looked for
MOST = 10_000  # messages that are finished at once

Ours = Callable[[Kept, Sequence[Kept]], bool]


class Together(Frozen, frozen=True):
    """The incident that a message belongs to: `first` is its number's message, `waiting` of `messages` still wait.

    `answer` is what was written to one of them (the message `answered`), for a person to send to the others; empty
    where none was answered yet.
    """

    first: int
    messages: int
    waiting: int
    answer: str = ""
    answered: int = 0


def together(inbox: Inbox, kept: Kept, ours: Ours) -> Together | None:
    """The incident of a message; None where it belongs to none."""
    if not kept.incident:
        return None
    store = inbox.store
    done = store.waiting(Waits("done", incident=kept.incident, limit=LOOKED_AT))
    found = answers(store, ours, done)
    first = store.find(kept.incident) or kept
    messages = store.count(Waits(None, incident=kept.incident))
    waiting = store.count(Waits("waiting", incident=kept.incident))
    answer = found[0] if found else None
    return Together(first.number, messages, waiting, answer.text if answer else "", answer.number if answer else 0)


def detach(inbox: Inbox, kept: Kept, by: str) -> None:
    """A message does not belong to its incident: it waits for itself. Raises InputError."""
    if not kept.incident:
        raise InputError(f"Message {kept.number} belongs to no incident.")
    inbox.tending.detach(kept.key, by)


def join(inbox: Inbox, kept: Kept, other: Kept, by: str) -> None:
    """A message, with all of its incident, belongs to that of another. Raises InputError."""
    into, own = other.incident or other.key, kept.incident or kept.key
    if into == own:
        raise InputError(f"Message {kept.number} and message {other.number} are of one incident already.")
    inbox.tending.merge(own, into, by)


def finish(inbox: Inbox, kept: Kept, by: str, detail: str) -> int:
    """All of an incident that wait are finished, each by an event of its own. Returns how many. Raises InputError."""
    if not kept.incident:
        raise InputError(f"Message {kept.number} belongs to no incident.", fix="Finish it alone: done")
    store = inbox.store
    with store.writing():
        found = store.waiting(Waits("waiting", incident=kept.incident, limit=MOST))
        for one in found:
            store.update(one.key, by, "done", detail or f"with the incident of message {kept.number}", status="done")
    return len(found)
