"""Appends checkpoints to a file: on another machine's share, on write-once storage, under another user.

A file that the same user may change on the same disk protects against accidents, not against that user.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError
from rightsized.ledger.notes import Checkpoint
from rightsized.ledger.tree import StoredTree


class FileSink:
    """Adds each checkpoint to the end of a file, on the disk when `send` returns.

    Args:
        path: of the file; its folder must be there, so that a share that is not mounted is an error and not a folder.
    """

    newest_only = False

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def send(self, checkpoint: Checkpoint, tree: StoredTree, sent: int) -> str:
        """Append it. Raises OSError."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, str(checkpoint.note).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return ""


def open_file(address: str, egress: Egress) -> FileSink:
    """`file:/absolute/path`. Raises ConfigError."""
    path = Path(unquote(urlsplit(address).path))
    if not path.is_absolute():
        raise ConfigError(f"{address!r} in ledger.sinks names no absolute path.", fix="Write file:/folder/name.txt.")
    return FileSink(address, path)
