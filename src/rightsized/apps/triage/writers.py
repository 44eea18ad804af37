"""What writes for an inbox: the tier that its settings name, behind the gateway of the home."""

from __future__ import annotations

import asyncio
import time

from rightsized.apps.triage.inboxes import Inbox
from rightsized.core.errors import ConfigError
from rightsized.core.generation import AUTO, LOADING, Caller
from rightsized.tasks.gateway_protocol import Gateway
from rightsized.tasks.writing import Around, GatewayWriter, Prompt, Text, TextWriter

LOAD_SECONDS = 300.0  # for a large model from a slow disk; what is not loaded by then is asked all the same
LOOK_SECONDS = 0.1


def writer_of(gateway: Gateway | None, inbox: Inbox, tier: str, caller: Caller) -> TextWriter | None:
    """The writer of the tier of this name, or of the cascade (`auto`); None where the inbox names none.

    Raises ConfigError where there is no such tier: a message would wait for a person, and nobody would know why.
    """
    if not tier:
        return None
    known = [one for one in gateway.models() if "chat" in one.operations] if gateway is not None else []
    if gateway is None or tier not in {one.id for one in known}:
        there = ", ".join(one.id for one in known if one.kind == "tier") or "none"
        raise ConfigError(
            f"The inbox {inbox.name!r} names the tier {tier!r}, which is no tier that chats. Tiers here: {there}.",
            fix=f"Name it under [[tiers]] in rightsized.toml, or another one, or {AUTO!r}, in {inbox.name}/inbox.toml.",
        )
    return LoadedWriter(GatewayWriter(gateway, caller, inbox.settings.read.data_class, tier), gateway, tier)


class LoadedWriter(Around):
    """A writer that waits for a model that is being loaded, so that the first messages after a start do not run out of
    time and fall to people."""

    def __init__(self, writer: TextWriter, gateway: Gateway, tier: str) -> None:
        super().__init__(writer)
        self._gateway, self._tier = gateway, tier

    async def write(self, prompt: Prompt) -> Text:
        """See `TextWriter`; the prompt's seconds count from when the model is there."""
        end = time.monotonic() + LOAD_SECONDS
        while self._loading() and time.monotonic() < end:  # noqa: ASYNC110 - nothing tells us of it
            await asyncio.sleep(LOOK_SECONDS)
        return await super().write(prompt)

    def _loading(self) -> bool:
        """Whether a tier that may be asked loads its model for the first time; one that crashed is not waited for."""
        some = self._gateway.status()
        asked = some.values() if self._tier not in some else (some[self._tier],)
        return any(not one.ready and one.detail == LOADING and one.starts <= 1 for one in asked)
