"""What was done outside on the strength of a decision, as events of the signed log: which kind, where, how it ended.

Noted before the system that did it is taken as done, so that none is missing; one that was asked for again after a
crash may stand there twice, under one token. Addresses and notes are not in it: the log cannot forget them.
"""

from __future__ import annotations

import msgspec

from rightsized.core.frozen import Frozen
from rightsized.ledger.schema import EventRow


class Act(Frozen, frozen=True):
    """The `detail` of an `action` event, as JSON.

    Args:
        inbox: whose message it was for.
        decision: id of the record of that message.
        token: names the action for good; the inbox's journal says under it what exactly was done.
        kind: such as `label`, `forward`, `close`.
        system: what carried it out.
        outcome: `done`, `undone` or `failed`.
    """

    inbox: str
    decision: str
    token: str
    kind: str
    system: str
    outcome: str


def act_event(one: Act, now: float) -> EventRow:
    """The entry of the log that says so."""
    return EventRow("action", "", "", now, msgspec.json.encode(one).decode())
