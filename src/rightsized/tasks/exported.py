"""Labels that people gave, as a file that `fit` trains on: one row a decision, each saying where its label comes from.

Only labels that may train are here (`ReviewQueue.training_rows`). Labels of audited messages are not exported: the coin
takes one message a conversation, its rate may have changed, and those still waiting would be missing, so they are no
simple random sample of the traffic in general.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rightsized.core.errors import InputError
from rightsized.store import atomic
from rightsized.tasks.cells import guarded
from rightsized.tasks.dataset import SOURCE_COLUMN
from rightsized.tasks.queue import TrainingRow

FORMATS = (".csv", ".jsonl")
SOURCE_OF = {"abstained": "queue", "feedback": "correction"}


def write_training_rows(path: Path, rows: Sequence[TrainingRow], *, text: str = "text", label: str = "label") -> None:
    """Write the rows as CSV or JSON lines, by the name of the file; a file that is there is replaced.

    Args:
        text, label: names of those two columns, so that the rows can be added to a file that calls them otherwise.
    Raises:
        InputError: another format, a folder, or two columns of one name; nothing was written.
        StoreError, DiskFullError: the folder cannot be written to.
    """
    check_destination(path)
    documents = [
        {
            text: row.text,
            label: row.label,
            SOURCE_COLUMN: SOURCE_OF[row.kind],
            "decision": row.decision,
            "conversation": row.conversation,
        }
        for row in rows
    ]
    names = [text, label, SOURCE_COLUMN, "decision", "conversation"]
    if len(set(names)) < len(names):
        raise InputError(f"Two columns would have the same name: {', '.join(names)}.", fix="Choose others.")
    atomic.export(path, _csv(names, documents) if path.suffix.lower() == ".csv" else _json_lines(documents))


def check_destination(path: Path) -> None:
    """Raises InputError where nothing can be written under this name."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; the rows are one file.", fix=f"Use {path / 'labels.csv'}")
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"{path.name}: the format {path.suffix or 'without a suffix'!r} is not known.",
            fix=f"Known formats: {', '.join(FORMATS)}.",
        )


def _csv(names: list[str], documents: list[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows({name: guarded(cell) for name, cell in row.items()} for row in documents)
    return out.getvalue().encode()


def _json_lines(documents: list[dict[str, str]]) -> bytes:
    return b"".join(msgspec.json.encode(document) + b"\n" for document in documents)
