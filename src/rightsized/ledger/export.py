"""Writes the log to a file: entries exactly as they were hashed, or decisions as rows of a table.

Memory stays that of one page, whatever the size of the log. The file appears under its name once it is whole.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from rightsized.core.errors import DiskFullError, InputError, MissingExtraError, StoreError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Decision
from rightsized.ledger.database import is_disk_full
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import last_seq
from rightsized.ledger.tree import log_rows

PAGE = 1000
FORMATS = (".jsonl", ".parquet")
ENTRIES, DECISIONS = "entries", "decisions"


def export(
    reader: LedgerReader, path: Path, *, rows: str = ENTRIES, after: int = 0, progress: Progress = no_progress
) -> int:
    """Write entries (`rows` = entries) or decisions (decisions) to `path`, .jsonl or .parquet; returns how many.

    Args:
        after: only what was written after this entry.
    Raises:
        InputError: another format or kind of row. MissingExtraError: Parquet without the extra.
        StoreError, DiskFullError: the file cannot be written; nothing is left of it.
    """
    if path.suffix.lower() not in FORMATS or rows not in (ENTRIES, DECISIONS):
        raise InputError(f"{path.name} with {rows} is not known.", fix=f"Formats: {', '.join(FORMATS)}.")
    pages = _entries(reader, after) if rows == ENTRIES else _decisions(reader, after)
    write = _parquet if path.suffix.lower() == ".parquet" else _json_lines
    total = last_seq(reader.query) if rows == ENTRIES else reader.query("SELECT count(*) FROM starts")[0][0]

    def counted() -> Iterator[list[dict[str, Any]]]:
        done = 0
        for page in pages:
            yield page
            done += len(page)
            progress(rows, done, total)

    with _written_whole(path) as file:
        return write(file, counted(), rows)


def _entries(reader: LedgerReader, after: int) -> Iterator[list[dict[str, Any]]]:
    """Entries as they were hashed: `record` is the very text."""
    last = last_seq(reader.query)
    for start in range(after, last, PAGE):
        rows = log_rows(reader.query, start, min(last, start + PAGE))
        yield [{"seq": row.seq, "table": row.table, "record": row.record.decode("utf-8", "replace")} for row in rows]


def _decisions(reader: LedgerReader, after: int) -> Iterator[list[dict[str, Any]]]:
    at = after
    while numbered := reader.query("SELECT seq, id FROM starts WHERE seq > ? ORDER BY seq LIMIT ?", (at, PAGE)):
        at = numbered[-1][0]
        yield [flat(one) for _, decision_id in numbered if (one := reader.get(decision_id)) is not None]


def flat(one: Decision) -> dict[str, Any]:
    """A decision as one row of a table. Times in seconds since the epoch, cost in US dollars, latency in ms."""
    reply = one.reply
    usage = [attempt.completion.usage for attempt in one.tried or () if attempt.completion]
    return {
        "id": one.id,
        "task": one.task,
        "version": one.version,
        "started": one.started,
        "ended": one.ended,
        "phase": one.phase,
        "status": reply.status if reply else None,
        "label": reply.label if reply else None,
        "rung": reply.rung if reply else None,
        "tier": reply.tier if reply else None,
        "model": reply.model if reply else None,
        "confidence": reply.confidence if reply else None,
        "state": reply.state if reply else None,
        "certificate": reply.certificate if reply else None,
        "certified": reply.certified if reply else None,
        "cost": reply.cost if reply else None,
        "latency_ms": reply.latency_ms if reply else None,
        "prompt_tokens": sum(each.prompt_tokens for each in usage),
        "completion_tokens": sum(each.completion_tokens for each in usage),
        "tenant": one.tenant,
        "key": one.key,
        "conversation": one.conversation,
        "subject": one.subject,
        "data_class": one.data_class,
        "rules": [verdict.rule for verdict in one.verdicts],
        "policy": one.policy,
        "audit": one.audit,
        "dry_run": one.dry_run,
        "error": one.error,
        "text_digest": one.text_sha256,
    }


def _json_lines(file: BinaryIO, pages: Iterator[list[dict[str, Any]]], rows: str) -> int:
    written = 0
    for page in pages:
        file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in page))
        written += len(page)
    return written


def _parquet(file: BinaryIO, pages: Iterator[list[dict[str, Any]]], rows: str) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("Writing Parquet needs pyarrow.", extra="parquet") from None
    schema = pa.schema(_entry_fields(pa) if rows == ENTRIES else _decision_fields(pa))
    written = 0
    with pq.ParquetWriter(file, schema) as writer:
        for page in pages:
            writer.write_table(pa.Table.from_pylist(page, schema=schema))
            written += len(page)
    return written


def _entry_fields(pa: Any) -> list[tuple[str, Any]]:
    return [("seq", pa.int64()), ("table", pa.string()), ("record", pa.string())]


def _decision_fields(pa: Any) -> list[tuple[str, Any]]:
    numbers = {"started", "ended", "confidence", "cost", "latency_ms"}
    whole = {"tier", "prompt_tokens", "completion_tokens"}
    kinds: dict[str, Callable[[], Any]] = dict.fromkeys(numbers, pa.float64) | dict.fromkeys(whole, pa.int64)
    kinds |= {"certified": pa.bool_, "audit": pa.bool_, "dry_run": pa.bool_, "rules": lambda: pa.list_(pa.string())}
    names = flat(Decision("", "", "", 0.0, "", "started", False, 0.0))
    return [(name, kinds.get(name, pa.string)()) for name in names]


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once it was written to the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if is_disk_full(error, path):
            raise DiskFullError(
                f"No space is left for {path}; nothing of it was kept.", fix="Name a file on another disk."
            ) from error
        raise StoreError(f"{path} cannot be written: {error.strerror}.", fix="Name another file.") from error
