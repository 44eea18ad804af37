"""The page that finds decisions: a form, and the newest that fit. No texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from rightsized.core.errors import RightsizedError
from rightsized.core.types import Decision
from rightsized.server import problems
from rightsized.server.console.request import Asked
from rightsized.tasks.accesses import access
from rightsized.tasks.finding import STATES, shown_to, wanted_of
from rightsized.tasks.service_protocol import Service

FIELDS = ("task", "label", "rule", "tenant", "subject", "since", "until")
SHOWN = 50
Show = Callable[..., Response]


class DecisionPages:
    """Answers `/decisions`. `show` renders a template with what every page needs."""

    def __init__(self, service: Service, show: Show) -> None:
        self._service, self._show = service, show

    async def decisions(self, asked: Asked) -> Response:
        """The form, and what fits."""
        given = {name: asked.query.get(name, "").strip() for name in (*FIELDS, "status")}
        shown: dict[str, Any] = {"given": given, "states": STATES, "most": SHOWN, "problem": None, "rows": []}
        try:
            found = await self._service.record.find(wanted_of(given), SHOWN, blind_too=asked.identity.may("audit"))
            if found.decisions:
                await self._service.record.note(access(asked.identity, "list", *(one.id for one in found.decisions)))
        except RightsizedError as error:
            problem, _ = problems.from_error(error, "/decisions")
            return self._show("decisions.html", http=problem.status, **{**shown, "problem": problem})
        for one in found.decisions:
            blind = one.id in found.blind
            shown["rows"].append(row(shown_to(asked.identity, one, blind=blind), blind=blind))
        return self._show("decisions.html", **shown)


def row(one: Decision, *, blind: bool) -> dict[str, Any]:
    """A decision as a row of the table."""
    reply = one.reply
    outcome = reply.status if reply else "waits for a blind look" if blind else one.phase
    said = (reply.label or reply.rung) if reply and reply.status == "answered" else ""
    rules = [verdict.rule for verdict in one.verdicts if verdict.effect == "deny"]
    return {"one": one, "outcome": outcome, "said": said, "denied": rules}
