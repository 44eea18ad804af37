"""Opens a source by its address. Kinds of source are registered by scheme in the entry points `rightsized.inboxes`.

[project.entry-points."rightsized.inboxes"]
maildir = "rightsized.apps.triage.inbox.maildir:open_maildir"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from rightsized.apps.triage.protocols import Source
from rightsized.core import registry
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError
from rightsized.core.net import holds_password
from rightsized.core.tables import nearest, read_table

GROUP = "rightsized.inboxes"
MAX_BYTES = 50 << 20  # largest message that is handed over
POLL_SECONDS = 2.0  # between two looks at files that nobody announces changes of
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=:)")
T = TypeVar("T", bound=msgspec.Struct)


class Context(NamedTuple):
    """What a source is given by whoever runs it; the defaults remember nothing.

    Attributes:
        egress: asked before a connection is opened; None: sources that connect are refused.
        seen: whether a place (source's name, place) is recorded already: then it is not handed over again.
        cursor: what `keep_cursor` was last told under a source's name; empty at first.
        keep_cursor: keeps how far a source got, under its name.
        max_bytes: a larger message is handed over as one that cannot be read, without its content.
        poll_seconds: between two looks of a source that waits.
        told: told under a source's name what is wrong each time it cannot be read, and "" when it was.
    """

    egress: Egress | None = None
    seen: Callable[[str, str], bool] = lambda source, place: False
    cursor: Callable[[str], str] = lambda source: ""
    keep_cursor: Callable[[str, str], None] = lambda source, value: None
    max_bytes: int = MAX_BYTES
    poll_seconds: float = POLL_SECONDS
    told: Callable[[str, str], None] = lambda source, problem: None


class Opener(Protocol):
    """What an entry point names. Raises ConfigError (address or options cannot be used)."""

    def __call__(self, address: str, options: Mapping[str, Any], context: Context) -> Source: ...


def open_source(address: str, options: Mapping[str, Any] | None = None, context: Context | None = None) -> Source:
    """The source at an address such as `maildir:/var/mail/support`, not read yet.

    Args:
        address: scheme, colon, and what the scheme takes.
        options: of the source's kind; unknown ones are refused.
        context: what it may use and where it went on from.
    Raises:
        ConfigError: no such scheme, or what follows it cannot be used.
    """
    if holds_password(address):
        raise ConfigError("The address of a source holds a password.", fix="Leave it out; its page says where it goes.")
    found = _SCHEME.match(address)
    known = registry.names(GROUP)
    if found is None or found[0] not in known:
        said = found[0] if found else address
        raise ConfigError(
            f"{address!r} names no kind of source.",
            fix=f"{nearest(said, known)}Write SCHEME:PLACE with one of: {', '.join(known)}.",
        )
    opened: Source = registry.resolve(GROUP, found[0])(address, dict(options or {}), context or Context())
    return opened


def read_options(kind: type[T], options: Mapping[str, Any], address: str) -> T:
    """The options of a source as a struct. Raises ConfigError with the nearest known key."""
    return read_table(kind, dict(options), f"the options of {address}")
