"""Judged questions for a certificate of answers, from a file of JSON lines, and whether an answer to one is right.

`text` is the question. What answers it is said in one of these ways: `document` and `answer`, words as they stand
there; `document` and `spans`, pairs of characters of its text; `documents`, where any of their passages will do; `said`
and `right`, a person's judgement of the very answer that is given; none, or `"unanswerable": true`, where nothing does.
`principal` (or `principals`) is as whom it is asked. A document is the key that it has in its source.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rightsized.apps.search.answer.records import Answer
from rightsized.apps.search.protocols import View
from rightsized.apps.search.rank.judgements import json_lines
from rightsized.apps.search.types import Filters, Found
from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen
from rightsized.core.principals import checked


class JudgedQuestion(Frozen, frozen=True):
    """A question and what answers it: rows of passages, or ids of documents, or a judged answer. `digest`: all of it.

    Without any of them no answer is right. `principals` is empty where the row does not say as whom it is asked.
    """

    text: str
    passages: frozenset[int] = frozenset()
    documents: frozenset[str] = frozenset()
    said: str = ""
    right: bool = False
    principals: tuple[str, ...] = ()
    digest: str = ""

    @property
    def answerable(self) -> bool:
        return bool(self.passages or self.documents or self.said)


class Read(Frozen, frozen=True):
    """The questions, and in sentences what was odd: a row that cannot be placed stays, and no answer to it is right."""

    questions: tuple[JudgedQuestion, ...]
    problems: tuple[str, ...] = ()


class _Row(Frozen, frozen=True):
    text: str
    document: str = ""
    answer: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    documents: tuple[str, ...] = ()
    said: str = ""
    right: bool = False
    unanswerable: bool = False
    principal: str = ""
    principals: tuple[str, ...] = ()


def is_right(question: JudgedQuestion, answer: Answer) -> bool:
    """Whether an answer cites what was judged to answer the question, or is the answer that was judged right."""
    if answer.status == "abstained":
        return False
    if question.said:
        return question.right and _plain(question.said) == _plain(answer.text)
    cited = [one.found for said in answer.sentences for one in said.citations]
    return any(one.row in question.passages or one.document.id in question.documents for one in cited)


def read(path: Path, view: View) -> Read:
    """Read a file and find in the collection what answers each question.

    Args:
        view: of its owner, who sees everything.
    Raises:
        DataError: the file is missing, a line is not as it should be, or it says in two ways what answers.
    """
    keys = {one.key: one.id for one in view.documents(Filters())}
    known: dict[str, Sequence[Found]] = {}
    questions, problems = [], []
    for number, row in _rows(path):
        found, problem = _placed(row, view, keys, known)
        if problem:
            problems.append(f"Line {number}: {problem}")
        questions.append(found)
    if not questions:
        raise DataError(f"{path} holds no questions.")
    return Read(tuple(questions), tuple(problems))


def _placed(
    row: _Row, view: View, keys: dict[str, str], known: dict[str, Sequence[Found]]
) -> tuple[JudgedQuestion, str]:
    asked = JudgedQuestion(
        row.text,
        said=row.said,
        right=row.right,
        principals=checked(row.principals or ((row.principal,) if row.principal else ())),
        digest=hashlib.sha256(msgspec.json.encode(row)).hexdigest(),
    )
    named = row.documents or ((row.document,) if row.document else ())
    absent = [name for name in named if name not in keys]
    if row.unanswerable or row.said or not named:
        return asked, ""
    if absent:
        return asked, f"there is no document {absent[0]!r}; no answer to it counts as right."
    if row.documents:
        return msgspec.structs.replace(asked, documents=frozenset(keys[name] for name in row.documents)), ""
    if row.document not in known:
        known[row.document] = view.passages(keys[row.document])
    rows = _passages(row, known[row.document])
    if not rows:
        return asked, f"no passage of {row.document!r} holds the answer; no answer to it counts as right."
    return msgspec.structs.replace(asked, passages=rows), ""


def _passages(row: _Row, passages: Sequence[Found]) -> frozenset[int]:
    wanted = _plain(row.answer)
    return frozenset(
        one.row
        for one in passages
        if (wanted and wanted in _plain(one.passage.indexed))
        or any(start < one.passage.end and one.passage.start < end for start, end in row.spans)
    )


def _rows(path: Path) -> list[tuple[int, _Row]]:
    found = []
    for number, given in json_lines(path):
        try:
            row = msgspec.convert({name: value for name, value in given.items() if value is not None}, _Row)
        except msgspec.ValidationError as error:
            raise DataError(
                f"{path}, line {number}, is no judged question: {error}.",
                fix='Such as {"text": "When does the lease end?", "document": "lease.pdf", "answer": "30 June 2027"}.',
            ) from None
        if given.get("kind") == "unanswerable":
            row = msgspec.structs.replace(row, unanswerable=True)
        _check(row, f"{path}, line {number}")
        found.append((number, row))
    return found


def _check(row: _Row, where: str) -> None:
    if not row.text.strip():
        raise DataError(f"{where}, has no question in `text`.")
    ways = [bool(row.answer or row.spans), bool(row.documents), bool(row.said), row.unanswerable]
    if sum(ways) > 1 and not (row.unanswerable and not any(ways[:3])):
        raise DataError(f"{where}, says in two ways what answers it.", fix="Keep one of them.")
    if (row.answer or row.spans) and not row.document:
        raise DataError(f"{where}, has no `document` that its answer stands in.")


def _plain(text: str) -> str:
    """Letters and digits alone: tables, line breaks and quotes are written in many ways."""
    return re.sub(r"[\W_]+", " ", text).strip().casefold()
