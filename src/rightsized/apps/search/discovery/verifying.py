"""Reads a production back, from its files alone, and says what is wrong with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from rightsized.apps.search.discovery import layout
from rightsized.apps.search.discovery.loadfile import Row, read_csv, read_dat
from rightsized.core.errors import DataError, IntegrityError

_NUMBER = re.compile(r"(.*?)(\d+)")


def verify(folder: Path) -> layout.Manifest:
    """Check digests, load files against each other and against the files, family ranges, and what is withheld.

    Raises IntegrityError, which names the first fault and how many there are.
    """
    try:
        manifest = msgspec.json.decode((folder / layout.OURS / layout.MANIFEST).read_bytes(), type=layout.Manifest)
        faults = [*_digests(folder, manifest), *_tables(folder / layout.THEIRS, manifest)]
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError, DataError, KeyError) as error:
        faults = [f"{type(error).__name__}: {error}"]
    if faults:
        raise IntegrityError(f"{folder} is not a whole production. {len(faults)} faults; the first: {faults[0]}")
    return manifest


def _digests(folder: Path, manifest: layout.Manifest) -> Iterator[str]:
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for name in sorted(there ^ {*manifest.files, f"{layout.OURS}/{layout.MANIFEST}"}):
        yield f"{name} is {'not in the manifest' if name in there else 'missing'}."
    for name, digest in manifest.files.items():
        if name in there and _sha256(folder / name) != digest:
            yield f"{name} is not what was written."


def _tables(folder: Path, manifest: layout.Manifest) -> Iterator[str]:
    columns, rows = read_dat((folder / layout.DAT).read_bytes())
    if (columns, rows) != read_csv((folder / layout.CSV).read_bytes()):
        yield f"{layout.DAT} and {layout.CSV} do not say the same."
    if columns != list(layout.COLUMNS):
        yield f"The columns are {columns}."
    counts = (len(rows), sum(1 for row in rows if row["NATIVELINK"]), sum(1 for row in rows if row["WITHHELD"]))
    if counts != (manifest.documents, manifest.natives, manifest.withheld):
        yield f"The load file has {counts} documents, natives and withheld; the manifest says otherwise."
    yield from _numbers(rows)
    yield from _files(folder, rows)
    _, privileged = read_csv((folder / layout.PRIVILEGE_LOG).read_bytes())
    if [row["BEGDOC"] for row in privileged] != [row["BEGDOC"] for row in rows if row["WITHHELD"]]:
        yield "The privilege log does not list what is withheld."


def _numbers(rows: Sequence[Row]) -> Iterator[str]:
    """Control numbers follow each other; a family is one range; a parent stands before what it holds."""
    place = {row["BEGDOC"]: at for at, row in enumerate(rows)}
    parts = [_NUMBER.fullmatch(row["BEGDOC"]) for row in rows]
    values = [(match[1], int(match[2])) if match else ("", -1) for match in parts]
    if any(values[at] != (values[0][0], values[0][1] + at) for at in range(len(values))) or len(place) != len(rows):
        yield "The control numbers do not follow each other."
    for at, row in enumerate(rows):
        first, last = place.get(row["BEGATTACH"], -1), place.get(row["ENDATTACH"], -1)
        ends = row["BEGATTACH"], row["ENDATTACH"]
        family = rows[first : last + 1] if first >= 0 else []
        if not first <= at <= last or any((one["BEGATTACH"], one["ENDATTACH"]) != ends for one in family):
            yield f"{row['BEGDOC']} lies outside of its family {ends[0]} to {ends[1]}."
        if row["PARENTID"] and not first <= place.get(row["PARENTID"], -1) < at:
            yield f"{row['BEGDOC']} comes before {row['PARENTID']}, which holds it."


def _files(folder: Path, rows: Sequence[Row]) -> Iterator[str]:
    linked = set()
    for row in rows:
        linked |= {row["TEXTLINK"], row["NATIVELINK"]} - {""}
        if row["WITHHELD"]:
            text = (folder / row["TEXTLINK"]).read_text("utf-8")
            if row["NATIVELINK"] or text != f"{row['BEGDOC']}\n{layout.PLACEHOLDER}\n":
                yield f"{row['BEGDOC']} is withheld and yet given out."
        elif row["NATIVELINK"] and _sha256(folder / row["NATIVELINK"]) != row["SHA256"]:
            yield f"{row['NATIVELINK']} is not the document that the load file says."
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for name in sorted(linked ^ (there - {layout.DAT, layout.CSV, layout.PRIVILEGE_LOG})):
        yield f"{name} is in the folder or in the load file, and not in both."


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
