"""Waits for changes beneath a folder, by the system's own notices (watchfiles), and tells their keys. Lists nothing.

Notices are hints: a full sync decides. They may be lost on network file systems, and after an overflow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from rightsized.apps.search.access.sidecar import NAME as SIDECAR
from rightsized.apps.search.connectors.files import as_key
from rightsized.apps.search.connectors.ignore import NAME as IGNORE
from rightsized.core.errors import MissingExtraError

QUIET_MS = 400  # without a further change before changes are told
LONGEST_MS = 5000  # after the first change of a burst they are told even so
_RULES = (SIDECAR, IGNORE)


async def changes(root: Path, *, quiet_ms: int = QUIET_MS, longest_ms: int = LONGEST_MS) -> AsyncIterator[set[str]]:
    """Sets of keys, relative to the root; a change of rules is told as the folder that they hold for ("" is the root).

    Raises MissingExtraError.
    """
    async for found in _noticed(root, quiet_ms, longest_ms):
        keys = {key for path in found if (key := _key(root, path)) is not None}
        if keys:
            yield keys


async def _noticed(path: Path, quiet_ms: int, longest_ms: int) -> AsyncIterator[set[str]]:
    try:
        from watchfiles import awatch
    except ImportError:
        raise MissingExtraError("Watching needs watchfiles.", extra="search") from None
    async for found in awatch(path, watch_filter=None, debounce=longest_ms, step=quiet_ms, rust_timeout=5000):
        yield {changed for _, changed in found}


def _key(root: Path, path: str) -> str | None:
    """The key of what changed; None for hidden files, which are no documents."""
    *folders, name = Path(path).relative_to(root).parts or (".",)
    if any(folder.startswith(".") for folder in folders):
        return None
    if name in _RULES:
        return as_key("/".join(folders))
    return None if name.startswith(".") else as_key("/".join((*folders, name)))


async def stirs(path: Path) -> AsyncIterator[set[str]]:
    """`{""}`, look again, each time something at or beneath a path has changed. Raises MissingExtraError."""
    async for _ in _noticed(path, QUIET_MS, LONGEST_MS):
        yield {""}
