"""The systems that take an inbox's actions, by its settings; their kinds are the entry points `rightsized.desks`.

[project.entry-points."rightsized.desks"]
webhook = "rightsized.apps.triage.actions.webhook:open_webhook"

Where the settings name none, each source that is such a system too (a mailbox, a helpdesk) takes the actions for its
own messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rightsized.apps.triage.actions.here import HereDesk
from rightsized.apps.triage.protocols import Desk
from rightsized.apps.triage.rules.records import Rulebook, actions_of
from rightsized.apps.triage.settings import InboxSettings
from rightsized.core import registry
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError
from rightsized.core.tables import meant

GROUP = "rightsized.desks"
TAKEN_FIX = "Name a system that takes it in inbox.toml, [actions] desks, or take it out of rules.toml."
# How a system is reached: what a source's options say of it, its desk is told too.
_SHARED = frozenset({"password_env", "password_file", "token_env", "token_file", "token_command", "token_host"}) | {
    "mechanism",
    "starttls",
    "ca",
    "timeout_s",
}


class Opener(Protocol):
    """What an entry point names. Raises ConfigError (options cannot be used), MissingExtraError."""

    def __call__(self, options: Mapping[str, Any], egress: Egress | None) -> Desk: ...


def open_desks(settings: InboxSettings, egress: Egress | None) -> list[Desk]:
    """The systems of an inbox, not connected yet, in the order in which they are asked. Raises ConfigError."""
    given, known = settings.actions, registry.names(GROUP)
    for name in (*given.desks, *given.options):
        if name not in known:
            raise ConfigError(f"[actions] names the desk {name!r}.", fix=meant(name, tuple(known)))
    named = {name: given.options.get(name, {}) for name in given.desks or given.options}
    for one in settings.sources:
        kind = one.address.partition(":")[0]
        kind = kind if kind in known else kind.removesuffix("s")  # imaps: is a mailbox too
        if kind in known and (kind in named or not given.desks):
            reached = {name: value for name, value in one.options.items() if name in _SHARED}
            named[kind] = {"address": one.address, **reached, **named.get(kind, {})}
    return [*(_open(name, options, egress) for name, options in named.items()), HereDesk()]


def not_taken(book: Rulebook, desks: Sequence[Desk]) -> list[str]:
    """Actions that rules ask for and none of these systems takes, in words: each message would fail by them."""
    asked: dict[str, list[str]] = {}
    for rule in book.rules:
        for action in actions_of(rule.then):
            if not any(desk.takes(action) for desk in desks):
                asked.setdefault(action.kind, []).append(repr(rule.name))
    return [
        f"{'The rule' if len(names) == 1 else 'The rules'} {', '.join(dict.fromkeys(names))} "
        f"{'asks' if len(names) == 1 else 'ask'} for {kind}, which no system of this inbox takes."
        for kind, names in asked.items()
    ]


def check_taken(book: Rulebook, desks: Sequence[Desk]) -> None:
    """Raises ConfigError where rules ask for what no system of the inbox takes: messages would fail one by one."""
    found = not_taken(book, desks)
    if found:
        raise ConfigError(" ".join(found), fix=TAKEN_FIX)


def _open(name: str, options: Any, egress: Egress | None) -> Desk:
    if not isinstance(options, dict):
        raise ConfigError(f"actions.options.{name} is {options!r}, not a table.")
    opener: Opener = registry.resolve(GROUP, name)
    return opener(options, egress)
