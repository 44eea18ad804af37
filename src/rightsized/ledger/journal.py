"""Binds the egress journal to the log: events say how long each of its files is and what its digest is.

Any process of a home writes lines to the journal (core/egress), and nothing signs them one by one. What stood there
when the log's writer last looked is under the log's signature from then on; lines that came later are not yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rightsized.core.egress import journal_files
from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.ledger.schema import EventRow, Query, decode_event

EVENT = "journal"  # kind of the event


class JournalSeal(Frozen, frozen=True):
    """The `detail` of a `journal` event, as JSON: the first bytes of a file, whole lines, and their SHA-256."""

    file: str
    bytes: int
    sha256: str


def seals(query: Query) -> dict[str, JournalSeal]:
    """The newest seal of each file. Raises msgspec.DecodeError where an event cannot be read."""
    rows = query("SELECT record FROM events WHERE kind = ? ORDER BY seq", (EVENT,))
    found = (msgspec.json.decode(decode_event(record).detail, type=JournalSeal) for (record,) in rows)
    return {seal.file: seal for seal in found}


def grown(path: Path, known: dict[str, JournalSeal]) -> list[JournalSeal]:
    """Seals for the files of the journal that have more lines than are under one.

    Raises IntegrityError where what is under a seal is no longer there: a new seal would cover that up.
    """
    if problems := list(compared(path, known)):
        raise IntegrityError(problems[0], fix="See: rightsized ledger verify")
    found = []
    for file in journal_files(path):
        content = file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) > (known[file.name].bytes if file.name in known else 0):
            found.append(JournalSeal(file.name, len(whole), hashlib.sha256(whole).hexdigest()))
    return found


def compared(path: Path, known: dict[str, JournalSeal]) -> Iterator[str]:
    """What is under a seal and not, or no longer as it was, in the journal whose first file is `path`."""
    for seal in known.values():
        try:
            content = path.with_name(seal.file).read_bytes()[: seal.bytes]
        except FileNotFoundError:
            yield f"The egress journal {seal.file} is missing; {seal.bytes:,} bytes of it are in the log."
            continue
        if len(content) < seal.bytes:
            yield f"The egress journal {seal.file} was cut: {len(content):,} of {seal.bytes:,} bytes are left."
        elif hashlib.sha256(content).hexdigest() != seal.sha256:
            yield f"The egress journal {seal.file} is not what it was: its first {seal.bytes:,} bytes were altered."


def event(seal: JournalSeal, now: float) -> EventRow:
    """The entry that puts a seal into the log."""
    return EventRow("journal", "", "", now, msgspec.json.encode(seal).decode())
