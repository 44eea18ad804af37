"""What writes for an inbox: the tier that its settings name, behind the gateway of the home."""

from __future__ import annotations

from rightsized.apps.triage.inboxes import Inbox
from rightsized.core.errors import ConfigError
from rightsized.core.generation import AUTO, Caller
from rightsized.tasks.gateway_protocol import Gateway
from rightsized.tasks.writing import GatewayWriter, TextWriter


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
    return GatewayWriter(gateway, caller, inbox.settings.read.data_class, tier)
