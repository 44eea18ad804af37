"""Brings the lexical sidecar up to the database: what changed since, or all of it into a new folder."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rightsized.apps.search.index import lexical
from rightsized.apps.search.index.backend import StoreReader
from rightsized.apps.search.index.lexical import FORMAT, Stamp
from rightsized.apps.search.index.records import Entry, State
from rightsized.core.errors import StoreError
from rightsized.parsers import analysis

HEAP_BYTES = 48_000_000  # of tantivy's writer
GARBAGE = 0.2  # share of an index that is deleted passages before it is made anew: their words stay till then


class LexicalWriter:
    """One at a time: the caller holds the collection's lock."""

    def __init__(self, folder: Path, reader: StoreReader) -> None:
        self._folder = folder
        self._reader = reader
        self._writer: Any = None
        self._part = ""

    def update(self, *, compact: bool = False) -> None:
        """Make the sidecar equal to the database; `compact` leaves nothing in it of what was deleted.

        Raises StoreError where the disk refuses; the database is not touched, and what there was goes on serving.
        """
        state = self._reader.state()
        try:
            stamp = lexical.trusted(self._folder, self._reader, state)
            if stamp is not None and not self._went_on(stamp, state):
                stamp = None
            if stamp is None or self._garbage() > (0.0 if compact else GARBAGE):
                self._make_anew(state)
        except (ValueError, OSError) as error:
            self._writer = None
            raise StoreError(
                f"The lexical index in {self._folder} cannot be written: {error}.",
                fix="Free some space and sync again: it goes on from the collection.",
            ) from error

    def close(self) -> None:
        """Let tantivy's lock go once its merges are done."""
        if self._writer is not None:
            with contextlib.suppress(ValueError):
                self._writer.wait_merging_threads()
            self._writer = None

    def _went_on(self, stamp: Stamp, state: State) -> bool:
        """Whether what there is could be brought up.

        tantivy names files by its own count of operations: what a killed commit left can be in the way of the next one.
        """
        try:
            self._go_on(stamp, state)
        except ValueError:
            self._writer = None
            return False
        return True

    def _go_on(self, stamp: Stamp, state: State) -> None:
        if stamp.generation == state.generation:
            return
        if self._writer is None or self._part != stamp.part:
            self.close()
            self._writer = lexical.open_index(self._folder / stamp.part).writer(HEAP_BYTES, 1)
            self._part = stamp.part
        changed = self._reader.changed(stamp.generation)
        self._delete([*self._reader.gone(stamp.generation), *changed])
        self._add(changed)
        self._commit(state)

    def _make_anew(self, state: State) -> None:
        """All passages into a new folder; then the stamp names it, and the old one goes."""
        self.close()
        self._part = secrets.token_hex(4)
        (self._folder / self._part).mkdir(parents=True)
        self._writer = lexical.open_index(self._folder / self._part).writer(HEAP_BYTES, 1)
        self._add(self._reader.changed(-1))
        self._commit(state)
        for other in self._folder.iterdir():
            if other.is_dir() and other.name != self._part:
                shutil.rmtree(other, ignore_errors=True)

    def _add(self, contents: Iterable[int]) -> None:
        for content in contents:
            entry = self._reader.entry(content)
            for document in _documents(entry) if entry is not None else ():
                self._writer.add_document(document)

    def _delete(self, contents: list[int]) -> None:
        """By query: `delete_documents_by_term` takes the number for a signed one and finds nothing (tantivy 0.27)."""
        if contents:
            among = analysis.tantivy().Query.term_set_query(lexical.schema(), "content", contents)
            self._writer.delete_documents_by_query(among)

    def _commit(self, state: State) -> None:
        self._writer.commit()
        self._writer.garbage_collect_files()
        lexical.write_stamp(self._folder, Stamp(state.lineage, state.generation, FORMAT, self._part))

    def _garbage(self) -> float:
        """Share of the index that is deleted passages, by tantivy's own list of segments."""
        segments = lexical.segments(self._folder)
        held = sum(one["max_doc"] for one in segments)
        deleted = sum((one.get("deletes") or {}).get("num_deleted_docs", 0) for one in segments)
        return deleted / held if held else 0.0


def _documents(entry: Entry) -> Iterator[Any]:
    field = lexical.text_field(analysis.stemmed_as(entry.language))
    make = analysis.tantivy().Document
    for row, text in zip(entry.rows, entry.texts, strict=True):
        document = make()
        document.add_unsigned("row", row)
        document.add_unsigned("content", entry.content)
        for access in entry.classes:
            document.add_unsigned("class", access)
        text = analysis.parted(text)
        document.add_text(field, text)
        document.add_text(analysis.SPELLED, text)
        yield document
