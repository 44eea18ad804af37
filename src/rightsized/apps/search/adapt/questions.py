"""Judged questions of a collection, from a file of questions with answers or from a folder in BEIR layout."""

from __future__ import annotations

from pathlib import Path

from rightsized.apps.search.evaluate import beir
from rightsized.apps.search.protocols import View
from rightsized.apps.search.rank.judgements import Read, read_judgements
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.apps.search.types import Filters
from rightsized.tune.duplicates import normalise


def read_questions(path: Path, view: View) -> Read:
    """Questions with the passages of the collection that answer them.

    A row of a BEIR corpus is found in the collection by its document (the key it has in its source, or its title) and
    its text: passages that lie within the row, or that the row lies within.

    Raises:
        DataError: the file or folder is missing or is not as it should be.
    """
    return _placed(beir.read(path), view) if path.is_dir() else read_judgements(path, view)


def _placed(judged: beir.Judged, view: View) -> Read:
    by_name: dict[str, str] = {}
    for one in view.documents(Filters()):
        by_name.setdefault(one.title, one.id)
    by_name |= {one.key: one.id for one in view.documents(Filters())}
    wanted = {row for grades in judged.grades.values() for row, grade in grades.items() if grade > 0}
    places: dict[str, frozenset[int]] = {}
    texts: dict[str, list[tuple[int, str]]] = {}
    for row in judged.rows:
        document = by_name.get(row.document) or by_name.get(row.title)
        if row.id in wanted and document is not None:
            if document not in texts:
                texts[document] = [(one.row, normalise(one.passage.text)) for one in view.passages(document)]
            text = normalise(row.text)
            places[row.id] = frozenset(at for at, other in texts[document] if _within(text, other))
    questions, problems = [], []
    for question in judged.questions:
        rows = [row for row, grade in judged.grades[question.id].items() if grade > 0]
        found = frozenset(at for row in rows for at in places.get(row, ()))
        if found:
            questions.append(JudgedQuestion(question.text, found, group=question.fields.get("doc", "")))
        else:
            problems.append(f"Question {question.id!r}: none of its relevant rows is in the collection.")
    return Read(tuple(questions), tuple(problems))


def _within(first: str, second: str) -> bool:
    return bool(first and second) and (first in second or second in first)
