"""Judged questions of a real collection, from a file: a question, its document, and the words there that answer it.

One JSON object a line: `text`, `document` (the key it has in its source, such as a relative path), and `answer`, words
as they stand in the document. The passages that hold them are the relevant ones. Further fields are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rightsized.apps.search.protocols import View
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.apps.search.types import Filters, Found
from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen

_FIELDS = ("text", "document", "answer")


class Read(Frozen, frozen=True):
    """Questions that could be placed, and why others could not, in sentences."""

    questions: tuple[JudgedQuestion, ...]
    problems: tuple[str, ...] = ()


def read_judgements(path: Path, view: View) -> Read:
    """Read a file and find each answer in the collection.

    Raises:
        DataError: the file is missing, or a line is not as it should be.
    """
    keys = {one.key: one.id for one in view.documents(Filters())}
    passages: dict[str, Sequence[Found]] = {}
    questions, problems = [], []
    for number, (text, document, answer) in enumerate(_lines(path), 1):
        if not (document and answer):
            problems.append(f"Line {number}: no document and answer are given, and it is left out.")
            continue
        if document not in keys:
            problems.append(f"Line {number}: there is no document {document!r}.")
            continue
        if document not in passages:
            passages[document] = view.passages(keys[document])
        wanted = _plain(answer)
        rows = frozenset(one.row for one in passages[document] if wanted and wanted in _plain(one.passage.indexed))
        if rows:
            questions.append(JudgedQuestion(text, rows, group=document))
        else:
            problems.append(f"Line {number}: no passage of {document!r} holds the answer {answer[:60]!r}.")
    return Read(tuple(questions), tuple(problems))


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines, with their line numbers from 1; blank lines pass. Raises DataError."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise DataError(
                f"{path}, line {number}, is no judged question: it is not a JSON object: {error}.",
                fix='Such as {"text": "When does the lease end?", "document": "lease.pdf", "answer": "30 June 2027"}.',
            ) from None


def _lines(path: Path) -> list[tuple[str, str, str]]:
    found = []
    for number, row in json_lines(path):
        text, document, answer = (row.get(name) or "" for name in _FIELDS)
        if not text or not all(isinstance(value, str) for value in (text, document, answer)):
            raise DataError(f"{path}, line {number}, needs a question in `text`, and texts in `document` and `answer`.")
        found.append((text, document, answer))
    return found


def _plain(text: str) -> str:
    """Letters and digits alone: tables, line breaks and quotes are written in many ways."""
    return re.sub(r"[\W_]+", " ", text).strip().casefold()
