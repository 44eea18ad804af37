"""CSV and TSV (RFC 4180 and what is found in the wild): rows under the header, in any encoding."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from rightsized.parsers.draft import Draft
from rightsized.parsers.sheets import write_rows
from rightsized.parsers.text import encoding_of, losses, read_text
from rightsized.parsers.types import Parsed

SAMPLE = 1 << 16  # characters in which the separator is looked for
_SEPARATORS = ",;\t|"
csv.field_size_limit((1 << 31) - 1)  # the text as a whole has a limit


def parse_csv(path: Path, name: str) -> Parsed:
    """Read a table of text. Raises DocumentError (`too-large`)."""
    decoded = read_text(path, name)
    draft = Draft(name)
    draft.notes.extend(losses(decoded))
    separator = separator_of(decoded.text[:SAMPLE])
    write_rows(draft, _rows(decoded.text, separator, draft), assumed=True)
    return draft.finish(title=Path(name).stem, metadata=encoding_of(decoded))


def separator_of(sample: str) -> str:
    """The separator that cuts the lines of a sample into equally many fields, two at least; a comma by default."""
    lines = [line for line in sample.splitlines()[:50] if line.strip()]
    if lines and lines[0].lower().startswith("sep=") and len(lines[0]) == 5:
        return lines[0][4]
    best, found = 0.0, ","
    for separator in _SEPARATORS:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
        usual = max(set(counts), key=counts.count, default=1)
        score = counts.count(usual) / len(counts) + min(usual, 50) / 1000 if usual > 1 else 0.0
        if score > best:
            best, found = score, separator
    return found


def _rows(text: str, separator: str, draft: Draft) -> Iterator[list[str]]:
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        for at, row in enumerate(rows):
            if not (at == 0 and len(row) == 2 and row[0].lower() == "sep=" and not row[1]):
                yield row
    except csv.Error as error:
        draft.notes.append(f"The rest was not read: {error}.")
