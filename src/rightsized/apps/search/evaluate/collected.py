"""Turns a judged collection into a real one: each row of the corpus is one passage of its document, stored and indexed.

What is measured afterwards is the product's own path: database, lexical index, vectors, views. Only parsing and cutting
into passages are left out, since the corpus comes cut.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rightsized.apps.search.evaluate.beir import Judged, Row
from rightsized.apps.search.evaluate.outline import paths
from rightsized.apps.search.index import kernels
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.reader import STRETCH
from rightsized.apps.search.index.records import Fresh, Put
from rightsized.apps.search.index.writer import Writer
from rightsized.apps.search.query.names import with_parties
from rightsized.apps.search.types import EVERYONE, Found, Item, Passage
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.parsers.types import Block, Parsed

SOURCE = "beir"
RECIPE = "beir-2"  # changes with how rows become passages
_BETWEEN = "\n\n"
LANGUAGE = "en"  # of corpora in this layout, unless a row's field `language` says otherwise


class Collected(NamedTuple):
    """A collection, with the way back from its passages to the rows of the corpus."""

    collection: Collection
    ids: dict[str, tuple[str, ...]]  # by document: ids of its rows, in the order of its passages

    def id_of(self, found: Found) -> str:
        """The id of the corpus row that is this passage."""
        return self.ids[found.document.key][found.passage.ordinal]


def collect(home: Path, name: str, judged: Judged, encoder: Encoder, progress: Progress = no_progress) -> Collected:
    """Make the collection `<home>/search/<name>/` and fill it; documents that are there already are left as they are.

    Raises:
        StoreError, HomeLockedError: it cannot be written.
    """
    documents = _by_document(judged.rows)
    collection = open_collection(home, name, encoder, create=True)
    above = dict(zip((row.id for row in judged.rows), paths(judged.rows), strict=True))
    with collection.writing() as writer, contextlib.closing(collection.sidecars(writer)) as sidecars:
        source, number = writer.source(SOURCE), writer.encoder(encoder.digest, encoder.dimension)
        known, done = writer.listed(source), 0
        for key, rows in documents.items():
            if key not in known:
                _put(writer, source, number, encoder, key, rows, [above[row.id] for row in rows])
            done += len(rows)
            progress("Indexing", done, len(judged.rows))
        sidecars.update()
    collection.refresh()
    return Collected(collection, {key: tuple(row.id for row in rows) for key, rows in documents.items()})


def _put(
    writer: Writer,
    source: int,
    number: int,
    encoder: Encoder,
    key: str,
    rows: Sequence[Row],
    above: Sequence[tuple[str, ...]],
) -> None:
    parsed, passages = _document(rows, above)
    sha256 = hashlib.sha256("\0".join((key, parsed.text)).encode("utf-8", "surrogatepass")).hexdigest()
    content = writer.add_content(Fresh(sha256, RECIPE, "application/x-beir", _language(rows), parsed, passages))
    for at in writer.lacking(content.number, number):
        some = passages[at : at + STRETCH]
        vectors = np.stack([encoder.encode_now(one.indexed).vector for one in some])
        writer.add_vectors(number, [(content.number, at, *kernels.quantised(vectors))])
    writer.complete(content.number)
    item = Item(key, RECIPE, len(parsed.text), 0.0, (EVERYONE,), _shared(rows))
    writer.put_documents(source, [Put(item, content.number, "", key)])


def indexed(row: Row, *, alone: bool) -> str:
    """What is embedded and searched of a row: its text, after its title where it is a document of its own.

    Headings are left out: on regulations they cost BM25 .03 of nDCG@10 (dev/LOG.md).
    """
    if not alone or not row.title or row.text.startswith(row.title):
        return row.text
    return f"{row.title}\n{row.text}"


def texts_to_encode(judged: Judged) -> list[str]:
    """Every text of the corpus that `collect` will have encoded."""
    groups = _by_document(judged.rows).values()
    return [indexed(row, alone=len(rows) == 1) for rows in groups for row in rows]


def _document(rows: Sequence[Row], above: Sequence[tuple[str, ...]]) -> tuple[Parsed, list[Passage]]:
    passages, blocks, start = [], [], 0
    for ordinal, (row, path) in enumerate(zip(rows, above, strict=True)):
        end = start + len(row.text)
        passages.append(Passage(ordinal, start, end, row.text, indexed(row, alone=len(rows) == 1), path))
        blocks.append(Block("paragraph", start, end))
        start = end + len(_BETWEEN)
    title = rows[0].title if len({row.title for row in rows}) == 1 else ""
    parsed = Parsed(_BETWEEN.join(row.text for row in rows), title or rows[0].document, tuple(blocks))
    return with_parties(parsed), passages


def _shared(rows: Sequence[Row]) -> dict[str, str]:
    """Fields that all rows of a document agree on: metadata of the document."""
    return {name: value for name, value in rows[0].fields.items() if all(r.fields.get(name) == value for r in rows)}


def _language(rows: Sequence[Row]) -> str:
    return rows[0].fields.get("language", LANGUAGE)


def _by_document(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.document, []).append(row)
    return found
