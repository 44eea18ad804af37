"""The lexical sidecar: a tantivy index of every passage, rebuilt from the database whenever it cannot be trusted.

A passage is one tantivy document with its row, its content's number, the access classes of the documents that have that
content, and its words: stemmed in the field of its language, and as they stand for suggestions and misspellings.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rightsized.apps.search.index import analysis
from rightsized.apps.search.index.reader import Reader
from rightsized.apps.search.index.records import Entry, State
from rightsized.core.errors import StoreError
from rightsized.core.frozen import Frozen
from rightsized.store import atomic

FOLDER = "lexical"  # in the collection's
FORMAT = 1  # changes with the fields and the analysis: an index of another format is rebuilt
HEAP_BYTES = 48_000_000  # of the writer
STAMP = "stamp.json"
ANALYZED = (*analysis.STEMMERS, analysis.PLAIN)


class Stamp(Frozen, frozen=True):
    """What a sidecar holds: the collection, and its generation, up to which it is complete."""

    lineage: str
    generation: int
    format: int


def text_field(language: str) -> str:
    """The field of a language's stemmed words."""
    return f"text_{language}"


def schema() -> Any:
    """The fields."""
    builder = analysis.tantivy().SchemaBuilder()
    builder.add_unsigned_field("row", fast=True)
    builder.add_unsigned_field("content", indexed=True)
    builder.add_unsigned_field("class", indexed=True)
    for language in ANALYZED:
        builder.add_text_field(text_field(language), tokenizer_name=f"rightsized_{language}")
    builder.add_text_field("words", tokenizer_name="rightsized_xx", index_option="basic")
    return builder.build()


def open_index(folder: Path) -> Any:
    """The index in a folder, made where there is none. Raises ValueError where it is damaged or has other fields."""
    folder.mkdir(parents=True, exist_ok=True)
    index = analysis.tantivy().Index(schema(), path=str(folder))
    for language in ANALYZED:
        index.register_tokenizer(f"rightsized_{language}", analysis.analyzer(language))
    return index


class LexicalWriter:
    """Brings the sidecar up to the database. One at a time: the caller holds the collection's lock."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        self._folder = folder
        self._reader = reader
        self._writer: Any = None

    def update(self) -> int:
        """Make the sidecar equal to the database; returns how many contents were written anew.

        Raises StoreError where the disk refuses; the database is not touched.
        """
        state = self._reader.state()
        try:
            writer, stamp = self._ready(state)
            if stamp.generation >= state.generation:
                return 0
            changed = self._reader.changed(stamp.generation)
            self._delete(writer, [*self._reader.gone(stamp.generation), *changed])
            count = 0
            for content in changed:
                entry = self._reader.entry(content)
                if entry is not None:
                    _add(writer, entry)
                count += 1
            writer.commit()
            writer.garbage_collect_files()
        except (ValueError, OSError) as error:
            self._writer = None
            raise StoreError(
                f"The lexical index in {self._folder} cannot be written: {error}.",
                fix="Free some space and sync again: it is made anew from the collection.",
            ) from error
        write_stamp(self._folder, Stamp(state.lineage, state.generation, FORMAT))
        return count

    def close(self) -> None:
        """Let tantivy's lock go once its merges are done."""
        if self._writer is not None:
            with contextlib.suppress(ValueError):
                self._writer.wait_merging_threads()
            self._writer = None

    def _delete(self, writer: Any, contents: list[int]) -> None:
        """By query: `delete_documents_by_term` takes the number for a signed one and finds nothing (tantivy 0.27)."""
        if contents:
            writer.delete_documents_by_query(analysis.tantivy().Query.term_set_query(schema(), "content", contents))

    def _ready(self, state: State) -> tuple[Any, Stamp]:
        stamp = read_stamp(self._folder)
        trusted = stamp is not None and (stamp.lineage, stamp.format) == (state.lineage, FORMAT)
        trusted = trusted and stamp is not None and stamp.generation >= state.oldest
        if self._writer is None and trusted and sound(self._folder, self._reader):
            with contextlib.suppress(ValueError):
                self._writer = open_index(self._folder).writer(HEAP_BYTES, 1)
        if self._writer is None or stamp is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._writer = open_index(self._folder).writer(HEAP_BYTES, 1)
            stamp = Stamp(state.lineage, 0, FORMAT)
            write_stamp(self._folder, stamp)
        return self._writer, stamp


def sound(folder: Path, reader: Reader) -> bool:
    """Whether the index can be opened, and has as many passages as its generation has, where that is the newest."""
    stamp = read_stamp(folder)
    try:
        held = open_index(folder).searcher().num_docs
    except ValueError:
        return False
    if stamp is None or stamp.generation != reader.state().generation:
        return True  # it lags behind: how many it must hold is not known
    return bool(held == passages_in(reader))


def passages_in(reader: Reader) -> int:
    """How many passages the lexical index must hold."""
    ((count,),) = reader.rows(
        """SELECT coalesce(sum(passages), 0) FROM contents c WHERE complete = 1
           AND EXISTS (SELECT 1 FROM documents WHERE content = c.number)"""
    )
    return int(count)


def read_stamp(folder: Path) -> Stamp | None:
    """What the sidecar says that it holds; None where it says nothing that can be read."""
    try:
        return msgspec.json.decode((folder / STAMP).read_bytes(), type=Stamp)
    except (OSError, msgspec.MsgspecError):
        return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Say what the sidecar holds, once it holds it."""
    atomic.write(folder / STAMP, msgspec.json.encode(stamp))


def _add(writer: Any, entry: Entry) -> None:
    for document in _documents(entry):
        writer.add_document(document)


def _documents(entry: Entry) -> Iterator[Any]:
    field = text_field(analysis.stemmed_as(entry.language))
    make = analysis.tantivy().Document
    for row, text in zip(entry.rows, entry.texts, strict=True):
        document = make()
        document.add_unsigned("row", row)
        document.add_unsigned("content", entry.content)
        for access in entry.classes:
            document.add_unsigned("class", access)
        text = analysis.parted(text)
        document.add_text(field, text)
        document.add_text("words", text)
        yield document
