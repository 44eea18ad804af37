"""Goes through a whole collection and names what is not as it must be: the database in itself, and each sidecar to it.

Reads only. Run it while nothing writes: what a sync has committed and not yet carried over would be named too.
What is so broken that it cannot be read is a finding as well, and the other parts are gone through all the same.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from rightsized.apps.search.index import database, dense, lexical
from rightsized.apps.search.index.reader import Reader
from rightsized.core.errors import StoreError
from rightsized.parsers import analysis

MOST = 20  # findings of one kind that are told
_BROKEN = (StoreError, zlib.error, ValueError, msgspec.MsgspecError)  # what reading damaged files raises


def check(folder: Path) -> list[str]:
    """What is wrong with the collection in a folder, a sentence each; nothing where it is whole.

    Raises NotFoundError where there is no database at all.
    """
    try:
        reader = Reader(folder / database.FILE)
    except StoreError as error:
        return [str(error)]
    with contextlib.closing(reader):
        parts = {
            "database": _database(reader),
            "documents": _contents(reader),
            "lexical index": _lexical(reader, folder),
            "vectors": _dense(reader, folder),
        }
        return [finding for name, part in parts.items() for finding in islice(_read(name, part), MOST)]


def _read(name: str, findings: Iterator[str]) -> Iterator[str]:
    """The findings, and that there can be no more where reading failed."""
    try:
        yield from findings
    except _BROKEN as error:
        yield f"The {name} cannot be read to the end: {error}"


def _database(reader: Reader) -> Iterator[str]:
    for (message,) in reader.rows("PRAGMA integrity_check"):
        if message != "ok":
            yield f"The database is damaged: {message}."
    for table, *_ in reader.rows("PRAGMA foreign_key_check"):
        yield f"A row of {table} points at nothing."
    incomplete = "SELECT d.key FROM documents d JOIN contents c ON c.number = d.content WHERE c.complete = 0"
    for (key,) in reader.rows(incomplete):
        yield f"{key} is shown and not complete."
    for (child,) in reader.rows(
        "SELECT child FROM members WHERE child > 0 AND child NOT IN (SELECT number FROM contents WHERE complete = 1)"
    ):
        yield f"Content {child} is said to lie in another one and is not there."


def _contents(reader: Reader) -> Iterator[str]:
    rows = reader.rows(
        "SELECT number, first_row, passages, characters FROM contents WHERE complete = 1 ORDER BY number"
    )
    for number, first_row, passages, characters in rows:
        if len(reader.text(number)) != characters:
            yield f"The text of content {number} has another length than {characters} characters."
        ((count, least, most),) = reader.rows(
            "SELECT count(*), coalesce(min(row), 0), coalesce(max(row), 0) FROM passages WHERE content = ?", (number,)
        )
        if count != passages or (count and (least, most) != (first_row, first_row + count - 1)):
            yield f"Content {number} has {count} passages, not {passages} in one run from {first_row}."
        if not _embedded(reader, number, passages):
            yield f"Content {number} has not a vector for each of its {passages} passages by any encoder."


def _embedded(reader: Reader, content: int, passages: int) -> bool:
    """Whether some encoder has all vectors: the one that serves, or one that is to take over."""
    rows = reader.rows(
        """SELECT sum(length(data)) / (e.dimension + 4) FROM vectors v JOIN encoders e ON e.number = v.encoder
           WHERE content = ? GROUP BY e.number""",
        (content,),
    )
    return not passages or (passages,) in rows


def _lexical(reader: Reader, folder: Path) -> Iterator[str]:
    state, stamp = reader.state(), lexical.read_stamp(folder / lexical.FOLDER)
    if stamp is None or (stamp.lineage, stamp.generation) != (state.lineage, state.generation):
        yield f"The lexical index does not hold generation {state.generation}."
        return
    index = lexical.open_current(folder / lexical.FOLDER)
    searcher = index.searcher()
    hits = searcher.search(analysis.tantivy().Query.all_query(), max(1, searcher.num_docs), False).hits
    held = searcher.fast_field_values("row", [address for _, address in hits])
    expected = reader.rows(
        """SELECT row FROM passages p JOIN contents c ON c.number = p.content WHERE complete = 1
           AND EXISTS (SELECT 1 FROM documents WHERE content = c.number) ORDER BY row"""
    )
    if sorted(held) != [row for (row,) in expected]:
        yield f"The lexical index holds {len(held)} passages, and {len(expected)} belong there, or others than these."
    query = analysis.tantivy().Query
    for number, access, passages in reader.rows(
        "SELECT DISTINCT d.content, d.class, c.passages FROM documents d JOIN contents c ON c.number = d.content"
    ):
        content = query.term_query(index.schema, "content", number)
        shown = content.and_must_match(query.term_query(index.schema, "class", access))
        if searcher.search(shown, 1).count != passages:
            yield f"The lexical index does not show content {number} to access class {access}."


def _dense(reader: Reader, folder: Path) -> Iterator[str]:
    state = reader.state()
    if not state.serving:
        return
    stamp = dense.read_stamp(folder / dense.FOLDER)
    if stamp is None or (stamp.lineage, stamp.generation, stamp.encoder) != (
        state.lineage, state.generation, state.serving
    ):  # fmt: skip
        yield f"The vectors do not hold generation {state.generation}."
        return
    held = dense.load(folder / dense.FOLDER)
    place = {int(row): at for at, row in enumerate(held.rows) if held.contents[at]}
    firsts = dict(reader.rows("SELECT number, first_row FROM contents WHERE complete = 1"))
    seen = 0
    for stretch in reader.vectors(state.serving, sorted(firsts)):
        first = firsts[stretch.content] + stretch.ordinal
        at = [place.get(first + offset, -1) for offset in range(len(stretch.vectors))]
        if -1 in at or not np.array_equal(held.vectors[at], stretch.vectors):
            yield f"The vectors of content {stretch.content} are not those of the database."
        seen += len(at)
    if seen != len(place):
        yield f"The vectors hold {len(place)} passages, and {seen} belong there."
