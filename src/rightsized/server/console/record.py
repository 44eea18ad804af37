"""The page for auditors: which rules bind, what may leave and has left, and how the record of it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from rightsized.core.errors import RightsizedError
from rightsized.server.console.request import Asked
from rightsized.tasks.leaving import Leaving
from rightsized.tasks.record_views import RecordStatus
from rightsized.tasks.service_protocol import Service

DAYS = 30  # that the page looks back
TABLES = ("requests", "flows", "residency", "outputs")
_TOLD = ("id", "effect", "check", "on_fail", "reason")
Show = Callable[..., Response]


class RecordPage:
    """Answers `/record`. `show` renders a template with what every page needs."""

    def __init__(self, service: Service, show: Show) -> None:
        self._service, self._show = service, show

    async def record(self, asked: Asked) -> Response:
        """The whole page; what cannot be read is said in its place."""
        record, problems = self._service.record, list[str]()
        policy = record.policy()
        status: RecordStatus | None = None
        leaving: Leaving | None = None
        try:
            status = record.status()
            leaving = await record.leaving(DAYS)
        except RightsizedError as error:
            problems.append(str(error))
        return self._show(
            "record.html",
            policy=policy,
            rules=rules(policy.policy),
            status=status,
            leaving=leaving,
            problems=problems,
            days=DAYS,
        )


def rules(policy: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each rule of a policy in words: its table, id, effect, conditions and reason."""
    found = []
    for table in TABLES:
        for rule in policy.get(table, ()):
            conditions = {k: v for k, v in rule.items() if k not in _TOLD and v not in (None, "", (), [], {}, True)}
            effect = rule.get("effect") or rule.get("check") or "stay"
            where = "; ".join(f"{name} {_words(value)}" for name, value in conditions.items())
            found.append({"table": table, "id": rule["id"], "effect": effect, "where": where, "why": rule["reason"]})
    return found


def _words(value: Any) -> str:
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return ", ".join(map(str, value)) if listed else str(value)
