"""Labels and moves in a mailbox: opens `imap.desk`, which needs the extra [triage]. See docs/how-to/triage-imap.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightsized.apps.triage.protocols import Desk
from rightsized.core.egress import Egress
from rightsized.core.errors import MissingExtraError


def open_imap_desk(options: Mapping[str, Any], egress: Egress | None) -> Desk:
    """The desk of a mailbox, not connected yet. Raises ConfigError, MissingExtraError."""
    try:
        from rightsized.apps.triage.imap.desk import open_desk
    except ImportError:
        raise MissingExtraError("Mailboxes need IMAPClient.", extra="triage") from None
    return open_desk(options, egress)
