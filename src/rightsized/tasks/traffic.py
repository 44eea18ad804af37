"""Unlabelled traffic: texts only, which say how much of it will be answered here. No promise rests on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from rightsized.cascade.scores import one_row_a_group
from rightsized.core.errors import DataError
from rightsized.tasks.dataset import Columns, Dataset
from rightsized.tasks.records import Finding
from rightsized.tasks.tables import MAX_FIELD_CHARS, as_text, read_rows

MOST = 20_000  # texts scored; more narrow the interval by less than a percentage point


def read_traffic(path: Path, columns: Columns) -> Dataset:
    """Read the texts, and their conversations where a column names them. Raises DataError, NotFoundError."""
    found = Dataset(path.name, [], [], [], [])
    for number, row in read_rows(path, tuple(name for name in (columns.text, columns.group) if name)):
        text = as_text(row[columns.text])
        if text is None:
            continue
        if len(text) > MAX_FIELD_CHARS:
            raise DataError(f"{path.name}, row {number}: the text has {len(text):,} characters.")
        _append(found, number, text, as_text(row.get(columns.group or "")) or "")
    return _not_empty(found)


def traffic_of(texts: Sequence[str]) -> Dataset:
    """The same from a list. Raises DataError where there is no text."""
    found = Dataset("the traffic", [], [], [], [])
    for number, text in enumerate(texts, start=1):
        if text.strip():
            _append(found, number, text, "")
    return _not_empty(found)


def sampled(traffic: Dataset, seed: int, findings: list[Finding]) -> Dataset:
    """One row a conversation, as in the test, and at most MOST at random; what was left out is told."""
    names = [group or f"\0{row}" for group, row in zip(traffic.groups, traffic.rows, strict=True)]
    rows = one_row_a_group(names, seed).tolist() if any(traffic.groups) else list(range(len(traffic)))
    if len(rows) > MOST:
        findings.append(
            Finding("traffic", f"Of {len(rows):,} texts of {traffic.name}, {MOST:,} at random were scored.")
        )
        rows = sorted(random.Random(seed).sample(rows, MOST))  # noqa: S311 - a sample, not a secret
    return traffic.take(rows)


def _append(data: Dataset, number: int, text: str, group: str) -> None:
    data.texts.append(text)
    data.labels.append(())
    data.rows.append(number)
    data.groups.append(group)


def _not_empty(data: Dataset) -> Dataset:
    if not len(data):
        raise DataError(f"{data.name} has no text.", fix="Each row needs a text; labels are not read.")
    return data
