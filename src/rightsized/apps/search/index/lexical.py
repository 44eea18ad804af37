"""The lexical sidecar: a tantivy index of every passage. Its fields, what vouches for it, and how it is opened.

A passage is one tantivy document with its row, its content's number, the access classes of the documents that have that
content, and its words: stemmed in the field of its language, and as they stand for suggestions and misspellings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rightsized.apps.search.index.backend import StoreReader
from rightsized.apps.search.index.records import State
from rightsized.core.frozen import Frozen
from rightsized.parsers import analysis
from rightsized.store import atomic

FOLDER = "lexical"  # in the collection's
FORMAT = 2  # changes with the fields and the analysis: an index of another format is rebuilt
STAMP = "stamp.json"
ANALYZED = (*analysis.STEMMERS, analysis.PLAIN)


class Stamp(Frozen, frozen=True):
    """What a sidecar holds: the collection up to a generation, in the folder `part`."""

    lineage: str
    generation: int
    format: int
    part: str


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
    builder.add_text_field(analysis.SPELLED, tokenizer_name=f"rightsized_{analysis.SPELLED}", index_option="basic")
    return builder.build()


def open_index(folder: Path | None) -> Any:
    """The index in a folder, made where there is none; None: an empty one in memory.

    Raises ValueError where it is damaged or has other fields.
    """
    place = None if folder is None else str(folder)
    index = analysis.tantivy().Index(schema(), path=place)
    for language in (*ANALYZED, analysis.SPELLED):
        index.register_tokenizer(f"rightsized_{language}", analysis.analyzer(language))
    return index


def open_current(folder: Path) -> Any:
    """The index that the sidecar's stamp names; an empty one where there is none. Raises ValueError."""
    stamp = read_stamp(folder)
    if stamp is None or not (folder / stamp.part / "meta.json").exists():
        return open_index(None)
    return open_index(folder / stamp.part)


def slots(folder: Path) -> int:
    """Passages in the current index as its statistics count them: with those deleted and not merged away yet."""
    return sum(one["max_doc"] for one in segments(folder))


def segments(folder: Path) -> list[dict[str, Any]]:
    """tantivy's own list of the segments of the current index."""
    stamp = read_stamp(folder)
    try:
        meta = (folder / ("" if stamp is None else stamp.part) / "meta.json").read_bytes()
    except OSError:
        return []
    found: list[dict[str, Any]] = msgspec.json.decode(meta)["segments"]
    return found


def trusted(folder: Path, reader: StoreReader, state: State) -> Stamp | None:
    """The stamp of an index that belongs to this state or an older one, can be opened, and has its passages."""
    stamp = read_stamp(folder)
    if stamp is None or (stamp.lineage, stamp.format) != (state.lineage, FORMAT):
        return None
    if not state.oldest <= stamp.generation <= state.generation or not (folder / stamp.part / "meta.json").exists():
        return None
    try:
        held = open_current(folder).searcher().num_docs
    except ValueError:
        return None
    if stamp.generation == state.generation and held != reader.counts()[1]:
        return None
    return stamp


def read_stamp(folder: Path) -> Stamp | None:
    """What the sidecar says that it holds; None where it says nothing that can be read."""
    try:
        return msgspec.json.decode((folder / STAMP).read_bytes(), type=Stamp)
    except (OSError, msgspec.MsgspecError):
        return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Say what the sidecar holds, once it holds it."""
    atomic.write(folder / STAMP, msgspec.json.encode(stamp))
