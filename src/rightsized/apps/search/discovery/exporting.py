"""Writes a production: load files, natives, texts, a privilege log, and apart from them what stays inside the house.

    production/   for the other side: loadfile.dat, loadfile.csv, NATIVES/, TEXT/, privilege_log.csv
    internal/     for the file: access_log.csv (who saw what), tags.csv (every tagging), manifest.json (digests of all)

Everything is written beside its place, read back, and put there by one rename: a killed export leaves a hidden folder
that the next one removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from rightsized.apps.search.discovery.layout import (
    ACCESS_LOG,
    COLUMNS,
    CSV,
    DAT,
    MANIFEST,
    OURS,
    PLACEHOLDER,
    PRIVILEGE_COLUMNS,
    PRIVILEGE_LOG,
    TAGS,
    THEIRS,
    Manifest,
)
from rightsized.apps.search.discovery.loadfile import SEVERAL, Row, csv_bytes, dat, encodable
from rightsized.apps.search.discovery.producing import Plan, Unit
from rightsized.apps.search.discovery.records import DECIDING, PRIVILEGED, Action
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.discovery.verifying import verify
from rightsized.core.errors import BusyError, InputError, StoreError
from rightsized.core.protocols import Progress, no_progress
from rightsized.store import atomic

A_FOLDER = 1_000  # files
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


def export(
    review: Review,
    plan: Plan,
    folder: Path,
    *,
    allowed: Sequence[str] = (),
    natives: bool = True,
    shown_tags: Sequence[str] = DECIDING,
    progress: Progress = no_progress,
) -> Manifest:
    """Write a production to `folder`, which must not be there yet; looks at texts are on record first.

    Args:
        allowed: kinds of conflicts that were looked at and do not stand in the way.
        natives: give out the documents as they came, too; their sources must be attached to the collection.
        shown_tags: tags that the other side is told; all others are the reviewers' own.
    Raises:
        InputError: there is a conflict that was not allowed, or the folder exists.
        StoreError: a source is gone, or a document in it has changed; DiskFullError. Nothing is left then.
        BusyError: another export writes there.
    """
    if stands := [one for one in plan.conflicts if one.kind not in allowed]:
        first = stands[0]
        raise InputError(
            f"{len(stands):,} of the documents must not go out as they are; the first: {first.key} {first.why}.",
            fix=f"Look at them (--dry-run), mend them, or allow what is meant: --allow {first.kind}",
        )
    tagged = review.store.taggings(review.set)
    with _beside(folder) as partial:
        writer = _Writer(review, partial, natives, shown_tags, progress)
        ways: tuple[tuple[Action, bool], ...] = (("produced", False), ("withheld", True))
        for action, held in ways:
            review.note(action, [one.document.id for one in plan.units if one.withheld == held], str(folder))
        rows = [writer.unit(unit) for unit in plan.units]
        writer.tables(plan.units, rows)
        manifest = writer.manifest(plan, rows, allowed)
        atomic.write(partial / OURS / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        progress("Reading back", 0, 1)
        verify(partial)
        if review.store.taggings(review.set) != tagged:  # something may be privileged by now
            raise BusyError("Tags were changed while the production was written.", fix="Export again.")
        if folder.exists():
            raise InputError(f"{folder} exists by now.", fix="Name another folder.")
        atomic.install_folder(partial, folder, aside=folder.with_name(f".{folder.name}.aside"))
    return manifest


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A hidden folder next to the one that is wanted, held by this process; gone at the end unless it was renamed."""
    if folder.exists():
        raise InputError(f"{folder} exists.", fix="Name a folder that is not there yet: an export never adds to one.")
    partial = folder.with_name(f".{folder.name}.partial")
    with atomic.disk_errors(partial):
        partial.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"Another export writes to {folder}.", fix="Wait until it has ended.") from None
        _empty(partial)
        try:
            with atomic.disk_errors(partial):
                yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    finally:
        os.close(held)


def _empty(folder: Path) -> None:
    for one in folder.iterdir():
        shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()


class _Writer:
    """Writes files and keeps their digests."""

    def __init__(
        self, review: Review, root: Path, natives: bool, shown_tags: Sequence[str], progress: Progress
    ) -> None:
        self._review, self._root, self._natives, self._progress = review, root, natives, progress
        self._shown = frozenset(shown_tags)
        self._done = 0
        self.files: dict[str, str] = {}

    def unit(self, unit: Unit) -> Row:
        """Write one document's files; returns its row of the load file."""
        volume = f"{self._done // A_FOLDER + 1:04d}"
        text = f"{unit.number}\n{PLACEHOLDER}\n" if unit.withheld else self._text(unit)
        row = _row(unit, self._shown) | {"TEXTLINK": f"TEXT/{volume}/{unit.number}.txt"}
        self._write(f"{THEIRS}/{row['TEXTLINK']}", encodable(text).encode())
        if self._natives and not unit.no_native:
            row["NATIVELINK"] = f"NATIVES/{volume}/{unit.number}{_ending(unit.document.key)}"
            self._write(f"{THEIRS}/{row['NATIVELINK']}", self._native(unit))
        self._done += 1
        self._progress("Writing documents", self._done, 0)
        return row

    def tables(self, units: Sequence[Unit], rows: Sequence[Row]) -> None:
        """The load files, the privilege log, and what stays inside."""
        self._write(f"{THEIRS}/{DAT}", dat(COLUMNS, rows))
        self._write(f"{THEIRS}/{CSV}", csv_bytes(COLUMNS, rows))
        self._write(
            f"{THEIRS}/{PRIVILEGE_LOG}",
            csv_bytes(PRIVILEGE_COLUMNS, [_privilege(one) for one in units if one.withheld]),
        )
        numbers = {unit.document.id: unit.number for unit in units}
        self._write(f"{OURS}/{ACCESS_LOG}", access_log(self._review, numbers))
        self._write(f"{OURS}/{TAGS}", tag_history(self._review, numbers))

    def manifest(self, plan: Plan, rows: Sequence[Row], allowed: Sequence[str]) -> Manifest:
        log = self._review.store.log(self._review.set)
        return Manifest(
            self._review.set.name,
            time.time(),
            self._review.asker.account,
            len(rows),
            len({unit.first for unit in plan.units}),
            sum(1 for row in rows if row["NATIVELINK"]),
            sum(unit.withheld for unit in plan.units),
            plan.units[0].number,
            plan.units[-1].number,
            tuple(allowed),
            log[-1].digest,
            dict(sorted(self.files.items())),
        )

    def _text(self, unit: Unit) -> str:
        text, now = self._review.view.text(unit.document.id), self._review.view.document(unit.document.id)
        if now.content != unit.document.content:
            raise BusyError(f"{unit.document.key} was taken in anew meanwhile.", fix="Export again.")
        return text

    def _native(self, unit: Unit) -> bytes:
        data = self._review.view.original(unit.document.id)
        if hashlib.sha256(data).hexdigest() != unit.document.content:
            raise StoreError(
                f"{unit.document.key} has changed in its source since it was read.",
                fix="Sync the collection, look again.",
            )
        return data

    def _write(self, name: str, data: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files[name] = hashlib.sha256(data).hexdigest()


def access_log(review: Review, numbers: dict[str, str]) -> bytes:
    """Who saw and did what, as CSV; `numbers` are control numbers by document."""
    columns = ("ROW", "AT", "ACCOUNT", "SEENAS", "ACTION", "DOCUMENT", "BEGDOC", "KEY", "DETAIL", "DIGEST")
    rows = []
    for one in review.log():
        key = review.documents[one.document].key if one.document else ""
        where = (one.document, numbers.get(one.document, ""), key)
        values = (str(one.number), _moment(one.at), one.account, SEVERAL.join(one.seen_as), one.action, *where)
        rows.append(dict(zip(columns, (*values, one.detail, one.digest), strict=True)))
    return csv_bytes(columns, rows)


def tag_history(review: Review, numbers: dict[str, str]) -> bytes:
    """Every tagging, as CSV."""
    columns = ("ROW", "AT", "BY", "DOCUMENT", "BEGDOC", "KEY", "SHA256", "TAG", "ON", "NOTE")
    rows = []
    for one in review.history():
        where = (one.document, numbers.get(one.document, ""), review.documents[one.document].key, one.content)
        values = (
            str(one.number),
            _moment(one.at),
            one.by,
            *where,
            one.tag,
            "yes" if one.on else "no",
            one.note,
        )
        rows.append(dict(zip(columns, values, strict=True)))
    return csv_bytes(columns, rows)


def _row(unit: Unit, shown: frozenset[str]) -> Row:
    one = unit.document
    row = dict.fromkeys(COLUMNS, "") | {
        "BEGDOC": unit.number,
        "ENDDOC": unit.number,
        "BEGATTACH": unit.first,
        "ENDATTACH": unit.last,
        "PARENTID": unit.parent,
        "FILETYPE": one.media_type,
        "WITHHELD": "privileged" if unit.withheld else "",
        "NATIVENOTE": unit.no_native,
    }
    if unit.withheld:  # a title, a name or a digest would tell what is in it
        return row
    mail = {name.upper(): one.metadata.get(name, "") for name in ("from", "to", "cc", "bcc", "subject", "author")}
    return (
        row
        | mail
        | {
            "CUSTODIAN": one.source,
            "FILEPATH": unit.path,
            "FILENAME": unit.path.rpartition("/")[2],
            "FILESIZE": str(one.size),
            "PAGES": str(one.pages or ""),
            "SHA256": one.content,
            "TITLE": one.title,
            "MESSAGEID": one.metadata.get("message-id", ""),
            "DATE": _moment(one.date),
            "MODIFIED": _moment(one.modified),
            "THREADID": unit.thread,
            "NEARDUPID": unit.near,
            "TAGS": SEVERAL.join(sorted(shown.intersection(unit.tags))),
        }
    )


def _privilege(unit: Unit) -> Row:
    one, held = unit.document, unit.tags[PRIVILEGED]
    people = {name.upper(): one.metadata.get(name, "") for name in ("author", "from", "to", "cc")}
    ends = {"BEGDOC": unit.number, "BEGATTACH": unit.first, "ENDATTACH": unit.last}
    return ends | people | {"DATE": _moment(one.date), "FILETYPE": one.media_type, "BASIS": held.note or "privileged"}


def _ending(key: str) -> str:
    found = Path(key.rpartition("/")[2]).suffix
    return found if _ENDING.fullmatch(found) else ""


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
