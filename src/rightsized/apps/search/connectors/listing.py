"""Opens connectors by the scheme of an address, and refuses listings that read as if everything had been deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from rightsized.apps.search.protocols import Connector
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress
from rightsized.core.errors import StoreError
from rightsized.core.registry import resolve

GROUP = "rightsized.connectors"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(?!\\)")  # one letter is a drive


class Addressed(Connector, Protocol):
    """A connector that was opened by an address."""

    @property
    def address(self) -> str:
        """What opens it again, with options that are no part of its name."""
        ...


def open_connector(address: str, egress: Egress) -> Addressed:
    """The source that an address names: `folder:/srv/contracts` (or a path), `maildir:`, `mbox:`, `s3://bucket/prefix`.

    Args:
        egress: asked before anything is connected to.
    Raises NotFoundError (no such scheme), ConfigError, StoreError, MissingExtraError.
    """
    scheme = _SCHEME.match(address)
    connector: Addressed = resolve(GROUP, scheme[1] if scheme else "folder")(address, egress)
    return connector


def listed(connector: Connector, *, known: int, forced: bool = False) -> Iterator[Item]:
    """The items of a source, unless there are none where there were some: then it is more likely gone than emptied.

    Args:
        known: how many documents of this source there were.
        forced: whether it was truly emptied.
    Raises StoreError, at the end.
    """
    found = False
    for item in connector.items():
        found = True
        yield item
    if known and not found and not forced:
        raise StoreError(
            f"{connector.source} had {known:,} documents and lists none. Nothing was removed.",
            fix="See whether it is mounted and whole; if it was emptied on purpose, sync with --force.",
        )
