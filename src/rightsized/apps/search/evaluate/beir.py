"""Reads a judged collection in BEIR layout (Thakur et al. 2021): a folder of corpus, queries and judgements.

`corpus.jsonl` and `queries.jsonl` hold one object a line with `id` or `_id` and `text`; further fields are kept. The
judgements are `qrels.tsv`, or `qrels/test.tsv` and the like, with a header line: query, corpus, score. Each file may be
gzipped. What is missing, odd or contradicts another file is an error that names file and line.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels.tsv"
QRELS_FOLDER = "qrels"
DOCUMENT_FIELDS = ("doc", "document", "doc_id")  # which field names the document that a corpus row is a passage of
_IDS = ("_id", "id")
_MOST_NAMED = 3  # odd lines that an error quotes

Grades = dict[str, int]


class Row(Frozen, frozen=True):
    """One row of the corpus: a passage of the document `document`. `fields` holds every further field as text."""

    id: str
    text: str
    title: str
    document: str
    fields: dict[str, str]


class Question(Frozen, frozen=True):
    """One judged question. `fields` holds every further field as text, such as the document it is asked of."""

    id: str
    text: str
    fields: dict[str, str]


class Judged(Frozen, frozen=True):
    """A judged collection.

    `grades` maps a question's id to the ids of the rows judged for it and how relevant they are (0 = not).
    `questions` are those with at least one relevant row, in the order of the file; `unjudged` counts the others.
    """

    name: str
    rows: tuple[Row, ...]
    questions: tuple[Question, ...]
    grades: dict[str, Grades]
    unjudged: int = 0


def read(folder: Path, *, split: str = "") -> Judged:
    """Read a folder.

    Args:
        folder: holds the three files, plain or `.gz`.
        split: name of the judgements under `qrels/`, such as `test`; the only file there where empty.
    Raises:
        DataError: a file is missing or damaged, an id stands twice, or no question has a relevant row.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", fix=f"Name a folder with {CORPUS}, {QUERIES} and {QRELS}.")
    rows = _rows(_file(folder, CORPUS))
    asked = _questions(_file(folder, QUERIES))
    grades = _grades(_judgements(folder, split))
    _known(grades, {one.id for one in asked}, "question", QUERIES)
    _known({row: {} for found in grades.values() for row in found}, {row.id for row in rows}, "row", CORPUS)
    judged = tuple(one for one in asked if any(grade > 0 for grade in grades.get(one.id, {}).values()))
    if not judged:
        raise DataError(f"No question of {folder} has a relevant row.", fix="Scores above 0 mean relevant.")
    kept = {one.id: grades[one.id] for one in judged}
    return Judged(folder.name, rows, judged, kept, len(asked) - len(judged))


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"{folder} holds neither {name} nor {name}.gz.", fix=f"BEIR layout: {CORPUS}, {QUERIES}, {QRELS}.")


def _judgements(folder: Path, split: str) -> Path:
    nested = folder / QRELS_FOLDER
    if not nested.is_dir():
        return _file(folder, QRELS)
    found = sorted(path for path in nested.iterdir() if path.name.removesuffix(".gz").endswith(".tsv"))
    names = [path.name.removesuffix(".gz").removesuffix(".tsv") for path in found]
    if split in names:
        return found[names.index(split)]
    if not split and len(found) == 1:
        return found[0]
    raise DataError(f"{nested} holds judgements of {', '.join(names) or 'nothing'}.", fix="Name one of them: --split.")


def _rows(path: Path) -> tuple[Row, ...]:
    rows = []
    for identifier, found in _objects(path):
        text, title = _take(found, "text", path, identifier), found.pop("title", "") or ""
        fields = {key: _text(value) for key, value in found.items() if value is not None}
        document = next((fields[name] for name in DOCUMENT_FIELDS if fields.get(name)), identifier)
        rows.append(Row(identifier, text, _text(title), document, fields))
    if not rows:
        raise DataError(f"{path} holds no rows.")
    return tuple(rows)


def _questions(path: Path) -> tuple[Question, ...]:
    asked = []
    for identifier, found in _objects(path):
        text = _take(found, "text", path, identifier)
        asked.append(Question(identifier, text, {k: _text(v) for k, v in found.items() if v is not None}))
    return tuple(asked)


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    seen: set[str] = set()
    for number, line in enumerate(io.StringIO(_read(path), newline="\n"), 1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise DataError(f"{path}, line {number}, is not a JSON object: {error}.") from None
        name = next((key for key in _IDS if found.get(key) not in (None, "")), None)
        if name is None:
            raise DataError(f"{path}, line {number}, has neither `id` nor `_id`.")
        identifier = _text(found.pop(name))
        if identifier in seen:
            raise DataError(f"{path}, line {number}: the id {identifier!r} stands twice.")
        seen.add(identifier)
        yield identifier, found


def _grades(path: Path) -> dict[str, Grades]:
    grades: dict[str, Grades] = {}
    for number, cells in enumerate(csv.reader(io.StringIO(_read(path)), delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        if not cells or (number == 1 and not _is_number(cells[-1])):
            continue  # the header
        if len(cells) == 4:  # trec_eval's layout has an unused second column
            cells = [cells[0], *cells[2:]]
        if len(cells) != 3 or not _is_number(cells[2]):
            raise DataError(f"{path}, line {number}, is not `query<TAB>corpus<TAB>score`: {cells!r}.")
        question, row, grade = cells[0], cells[1], int(float(cells[2]))
        if grades.setdefault(question, {}).setdefault(row, grade) != grade:
            raise DataError(f"{path}, line {number}: {question!r} and {row!r} are judged twice, and differently.")
    return grades


def _known(named: dict[str, Grades], known: set[str], what: str, name: str) -> None:
    strangers = [one for one in named if one not in known]
    if strangers:
        shown = ", ".join(map(repr, strangers[:_MOST_NAMED]))
        raise DataError(f"{len(strangers)} judgements name a {what} that {name} does not hold, such as {shown}.")


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None


def _take(found: dict[str, Any], key: str, path: Path, identifier: str) -> str:
    value = found.pop(key, None)
    if not isinstance(value, str):
        raise DataError(f"{path}: {identifier!r} has no text in `{key}`.")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _is_number(text: str) -> bool:
    try:
        return float(text) == int(float(text))
    except (ValueError, OverflowError):
        return False
