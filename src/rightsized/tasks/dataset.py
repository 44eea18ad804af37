"""Labelled texts as the fit pipeline takes them: read and checked, every oddity reported, nothing silently lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field, structs

from rightsized.core.errors import DataError
from rightsized.tasks.cells import unguarded
from rightsized.tasks.records import Finding
from rightsized.tasks.tables import MAX_FIELD_CHARS, as_text, file_sha256, read_rows

SEPARATOR = "|"  # between the labels of one text in a multi-label column
SOURCE_COLUMN = "rightsized_source"  # written by `queue export`: who gave the label
TRAIN_ONLY_SOURCES = ("queue", "correction")  # labels of messages that the model or a user picked: they only train
OUT_OF_SCOPE = "out_of_scope"  # rows that no label fits: never trained as a class, always wrong if answered


class Columns(Struct, frozen=True):
    """Which columns hold what. `group` names conversations: their rows stay together.

    `id` names rows; without a `group`, rows that repeat an id are taken for one conversation.
    """

    text: str = "text"
    label: str = "label"
    group: str | None = None
    id: str | None = None
    multi_label: bool = False
    out_of_scope: str = OUT_OF_SCOPE


class Dataset(Struct):
    """Texts with their labels, row by row. In a single-label task each tuple has one element.

    An out-of-scope row has an empty tuple. `rows` are the row numbers in the file, from 1. `sources` says of each row
    where its label comes from (SOURCE_COLUMN), empty for an ordinary one; an empty list: all are ordinary.
    """

    name: str
    texts: list[str]
    labels: list[tuple[str, ...]]
    rows: list[int]
    groups: list[str]
    sha256: str = ""
    findings: list[Finding] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> Dataset:
        """The rows at these positions, in this order."""
        return Dataset(
            self.name,
            [self.texts[i] for i in indices],
            [self.labels[i] for i in indices],
            [self.rows[i] for i in indices],
            [self.groups[i] for i in indices],
            self.sha256,
            self.findings,
            [self.sources[i] for i in indices] if self.sources else [],
        )

    def train_only(self) -> list[int]:
        """Positions of the rows that may train and must never measure."""
        return [i for i, source in enumerate(self.sources) if source]


def read(path: Path, columns: Columns) -> Dataset:
    """Read a labelled file. Raises DataError, NotFoundError with row and column named."""
    wanted = tuple(name for name in (columns.text, columns.label, columns.group, columns.id) if name)
    data = Dataset(path.name, [], [], [], [], file_sha256(path) if path.is_file() else "")
    ids: list[str] = []
    missing: dict[str, list[int]] = {columns.text: [], columns.label: []}
    for number, row in read_rows(path, wanted, (SOURCE_COLUMN,)):
        text = as_text(row[columns.text])
        source = source_of(f"{path.name}, row {number}", row.get(SOURCE_COLUMN))
        label = row[columns.label]
        if source and ".csv" in path.suffixes:  # `queue export` has written it
            text, label = (unguarded(cell) if isinstance(cell, str) else cell for cell in (text, label))
        labels = _labels(label, _as_exported(columns) if source else columns)
        if text is None or labels is None:
            missing[columns.text if text is None else columns.label].append(number)
            continue
        if len(text) > MAX_FIELD_CHARS:
            raise DataError(
                f"{path.name}, row {number}: the text has {len(text):,} characters; {MAX_FIELD_CHARS:,} is the most."
            )
        _append(data, number, text, labels, row.get(columns.group or "", None))
        data.sources.append(source)
        ids.append(as_text(row.get(columns.id or "")) or "")
    _repeated_ids(data, ids, columns)
    for name, rows in missing.items():
        if rows:
            data.findings.append(_finding("missing", f"{len(rows)} rows have no {name!r} and were left out", rows))
    return data


def from_lists(texts: Sequence[str], labels: Sequence[Any], columns: Columns, name: str = "lists") -> Dataset:
    """A Dataset from Python lists. Raises DataError where lengths differ or an element is not text."""
    if len(texts) != len(labels):
        raise DataError(f"There are {len(texts)} texts but {len(labels)} labels.")
    data = Dataset(name, [], [], [], [])
    for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
        if not isinstance(text, str):
            raise DataError(f"Text {number} is {type(text).__name__} {text!r:.40}, not a string.")
        parsed = _labels(label, columns)
        if not text.strip() or parsed is None:
            data.findings.append(
                _finding("missing", f"Row {number} has no text or no label and was left out", [number])
            )
            continue
        _append(data, number, text, parsed, None)
    return data


def check(data: Dataset) -> list[str]:
    """The labels of a training set, sorted. Raises DataError when it cannot be learned from."""
    if not len(data):
        raise DataError(f"{data.name} has no usable row.", fix="Each row needs a text and a label.")
    counts = Counter(label for labels in data.labels for label in labels)
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise DataError(f"{data.name} has one label only ({only!r}); two or more are needed to tell texts apart.")
    rare = sorted(label for label, n in counts.items() if n == 1)
    if rare:
        data.findings.append(
            _finding("rare", f"{len(rare)} labels were seen once, and cannot be checked: {', '.join(rare[:5])}", [])
        )
    return sorted(counts)


def _labels(value: Any, columns: Columns) -> tuple[str, ...] | None:
    if isinstance(value, list | tuple | set):
        parts = [str(part).strip() for part in value]
        if not columns.multi_label and len(parts) > 1:
            raise DataError(f"A row has several labels {parts[:3]}; say --multi-label if texts may have several.")
        return tuple(dict.fromkeys(part for part in parts if part))
    text = as_text(value)
    if text is None:
        return () if columns.multi_label and value == "" else None
    parts = text.split(SEPARATOR) if columns.multi_label else [text]
    kept = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    return () if kept == (columns.out_of_scope,) else kept


def source_of(where: str, value: Any) -> str:
    """Where a row's label comes from; empty for an ordinary row. Raises DataError for a word that says nothing."""
    source = (as_text(value) or "").strip()
    if source and source not in TRAIN_ONLY_SOURCES:
        raise DataError(
            f"{where}: {SOURCE_COLUMN} is {source!r}.",
            fix=f"It may be empty or one of {', '.join(TRAIN_ONLY_SOURCES)}; such rows train and never measure.",
        )
    return source


def _as_exported(columns: Columns) -> Columns:
    """How `queue export` writes labels: `out_of_scope` for none, whatever the user's own file calls it."""
    return structs.replace(columns, out_of_scope=OUT_OF_SCOPE)


def _repeated_ids(data: Dataset, ids: list[str], columns: Columns) -> None:
    """Report ids that occur more than once; without a group column their rows become a group."""
    counts = Counter(ids)
    again = [i for i, name in enumerate(ids) if name and counts[name] > 1]
    if not again:
        return
    kept = "their rows are kept, and stay on one side of the split" if columns.group is None else "their rows are kept"
    message = f"{len({ids[i] for i in again})} ids in {columns.id!r} occur more than once; {kept}"
    data.findings.append(_finding("repeated-id", message, [data.rows[i] for i in again]))
    if columns.group is None:
        for i in again:
            data.groups[i] = ids[i]


def _append(data: Dataset, number: int, text: str, labels: tuple[str, ...], group: Any) -> None:
    data.texts.append(text)
    data.labels.append(labels)
    data.rows.append(number)
    data.groups.append(as_text(group) or "")


def _finding(kind: str, message: str, rows: list[int]) -> Finding:
    where = f" (rows {', '.join(map(str, rows[:5]))}{', ...' if len(rows) > 5 else ''})" if rows else ""
    return Finding(kind=kind, message=f"{message}{where}.", rows=tuple(rows[:100]))
