"""How an inbox stands, for whoever runs the machine: what waits, what is late, and how actions outside went."""

from __future__ import annotations

from rightsized.apps.triage.inboxes import Inbox
from rightsized.core.frozen import Frozen


class Health(Frozen, frozen=True):
    """An inbox at a moment. `messages` by status, `actions` by state.

    `late` are waiting messages whose answer was owed before; `oldest` is when the oldest that waits arrived, seconds
    since the epoch, None where nothing waits.
    """

    messages: dict[str, int]
    late: int
    oldest: float | None
    actions: dict[str, int]


def health_of(inbox: Inbox, now: float) -> Health:
    """How an inbox stands. Raises StoreError."""
    store = inbox.store
    late = store.rows("SELECT count(*) FROM messages WHERE status = 'waiting' AND due < ?", (now,))[0][0]
    oldest = store.rows("SELECT min(received) FROM messages WHERE status = 'waiting'")[0][0]
    return Health(store.counts(), int(late), None if oldest is None else float(oldest), inbox.actions.counts())
