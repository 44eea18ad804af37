"""What needs no other system: a person, a note and an end of a message are kept in the inbox itself.

Asked last: a helpdesk that takes these is told first.
"""

from __future__ import annotations

from rightsized.apps.triage.protocols import Done
from rightsized.apps.triage.records import Action, Handled, Mail

TAKEN = frozenset({"assign", "note", "close"})


class HereDesk:
    """Implements `Desk`. The journal's own record of an action is all that these need."""

    name = "here"

    def takes(self, action: Action) -> bool:
        """See `Desk`."""
        return action.kind in TAKEN

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        """See `Desk`."""
        said = {"assign": f"given to {action.value}", "note": action.text, "close": action.value or "finished"}
        return Done(said[action.kind], Action("close", "opened again") if action.kind == "close" else None)
