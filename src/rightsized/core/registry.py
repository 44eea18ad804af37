"""A name maps to a factory in one place. Built-ins and strangers' plugins arrive the same way: entry points.

[project.entry-points."rightsized.encoders"]
mine = "my_package:open_encoder"
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rightsized.core.errors import NotFoundError

GROUPS = (
    "rightsized.connectors",
    "rightsized.desks",
    "rightsized.encoders",
    "rightsized.engines",
    "rightsized.inboxes",
    "rightsized.parsers",
    "rightsized.recognisers",
    "rightsized.sinks",
    "rightsized.sources",
)


def names(group: str) -> list[str]:
    """Names registered in a group, sorted."""
    return sorted({point.name for point in _points(group)})


def resolve(group: str, name: str) -> Any:
    """The factory registered under `name`. Raises NotFoundError that lists the names there are."""
    found = [point for point in _points(group) if point.name == name]
    if not found:
        known = ", ".join(names(group)) or "none"
        raise NotFoundError(f"Nothing is registered as {name!r} in {group}. Known: {known}.")
    return found[0].load()


def _points(group: str) -> tuple[EntryPoint, ...]:
    return _on(group, tuple(sys.path))


@lru_cache(maxsize=64)
def _on(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Looked for once a path: it takes a read of every installed package's list, some 5 ms in all."""
    return tuple(entry_points(group=group))
