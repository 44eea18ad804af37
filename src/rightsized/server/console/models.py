"""The page of the models that write: each tier, the promise on `auto`, and a box to ask them something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from rightsized.core.errors import InputError, RightsizedError
from rightsized.core.generation import AUTO, DATA_CLASSES, Generation
from rightsized.server import problems
from rightsized.server.console.request import Asked
from rightsized.server.tenants import TenantUses
from rightsized.tasks.service_protocol import Service
from rightsized.tasks.written import choice_words, first_of

Show = Callable[..., Response]


class ModelPages:
    """Answers `/models`. `show` renders a template with what every page needs; `uses`: what tenants have used."""

    def __init__(self, service: Service, show: Show, uses: TenantUses) -> None:
        self._service, self._show, self._uses = service, show, uses

    async def models(self, asked: Asked) -> Response:
        """The tiers, and an empty box."""
        return self._page()

    async def ask(self, asked: Asked) -> Response:
        """Send the prompt as a request of whoever holds the key, and show what became of it."""
        form = asked.form
        filled = {
            "prompt": form.get("prompt", ""),
            "model": form.get("model", AUTO),
            "chosen_class": form.get("data_class", ""),
        }
        try:
            gateway = self._service.gateway
            if gateway is None:
                raise InputError("No tier that writes is configured here.", fix="Add [[tiers]] to rightsized.toml.")
            reply = await gateway.generate(_generation(**filled), asked.caller)
        except RightsizedError as error:
            problem, _ = problems.from_error(error, "/models")
            return self._page(http=problem.status, problem=problem, **filled)
        words = choice_words(first_of(reply.completion.body)) if reply.completion is not None else None
        return self._page(reply=reply, answer=words, **filled)

    def _page(self, **context: Any) -> Response:
        gateway = self._service.gateway
        standing = gateway.standing() if gateway else None
        defaults = {"prompt": "", "model": AUTO, "chosen_class": "", "problem": None, "reply": None, "answer": None}
        askable = [tier.name for tier in standing.tiers if "chat" in tier.operations] if standing else []
        shown = {**defaults, **context, "uses": self._uses.all(), "classes": DATA_CLASSES, "askable": [AUTO, *askable]}
        if standing is not None and not shown["chosen_class"]:
            shown["chosen_class"] = standing.data_class
        return self._show("models.html", **shown)


def _generation(prompt: str, model: str, chosen_class: str) -> Generation:
    """Raises InputError."""
    if not prompt.strip():
        raise InputError("The prompt is empty.", fix="Write at least one word.")
    if chosen_class not in DATA_CLASSES:
        raise InputError(f"{chosen_class!r} is no class of data.", fix=f"It is one of {', '.join(DATA_CLASSES)}.")
    body = {"messages": [{"role": "user", "content": prompt}]}
    return Generation("chat", body, model, data_class=chosen_class)
