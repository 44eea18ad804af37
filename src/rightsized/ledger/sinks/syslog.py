"""Writes checkpoints to syslog (RFC 3164 over the local socket), from where they go wherever logs go.

`syslog:` takes /dev/log, `syslog:/path/to/socket` another. One message a checkpoint, as JSON on one line.
"""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError
from rightsized.ledger.notes import Checkpoint
from rightsized.ledger.tree import StoredTree

SOCKET = "/dev/log"
PRIORITY = 13 * 8 + 5  # facility "log audit", severity "notice"
TAG = "rightsized-ledger"


class SyslogSink:
    """Sends each checkpoint to a syslog socket."""

    newest_only = False

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self._path = path

    def send(self, checkpoint: Checkpoint, tree: StoredTree, sent: int) -> str:
        """Send it. Raises OSError where nobody listens."""
        body = msgspec.json.encode({"size": checkpoint.size, "checkpoint": str(checkpoint.note)})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outlet:
            outlet.connect(self._path)
            outlet.send(b"<%d>%s: %s" % (PRIORITY, TAG.encode(), body))
        return ""


def open_syslog(address: str, egress: Egress) -> SyslogSink:
    """`syslog:` or `syslog:/path`. Raises ConfigError."""
    path = address.partition(":")[2] or SOCKET
    if not Path(path).is_absolute():
        raise ConfigError(f"{address!r} in ledger.sinks names no absolute path.", fix="Write syslog: for /dev/log.")
    return SyslogSink(address, path)
