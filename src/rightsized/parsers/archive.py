"""ZIP: its members as parts, each a document of its own. What could exhaust the machine is refused unread.

Sizes that the archive claims are checked first, and what comes out is counted all the same: claims may lie.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from rightsized.core.errors import DocumentError
from rightsized.parsers.limits import LIMITS, check_unpacked
from rightsized.parsers.types import Parsed, Part

CHUNK = 1 << 20  # bytes
MOST_LISTED = 200_000  # members of an archive whose list is read at all
_PASSED = frozenset({"__MACOSX", ".git", ".svn", ".hg"})  # folders that hold no documents of people
_PASSED_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def parse_archive(path: Path, name: str) -> Parsed:
    """Read an archive. Raises DocumentError (`bomb`, `too-large`, `encrypted`, `truncated`)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive, name, path.stat().st_size).read()
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise DocumentError(f"{name} is cut off or damaged ({error}).", reason="truncated") from None


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, name: str, packed: int) -> None:
        self._archive, self._name, self._packed = archive, name, packed
        self._unpacked = 0
        self._notes: list[str] = []

    def read(self) -> Parsed:
        infos = [info for info in self._archive.infolist() if not info.is_dir() and not _passed(info.filename)]
        limits = LIMITS.get()
        if len(infos) > MOST_LISTED:
            raise DocumentError(f"{self._name} lists {len(infos):,} members.", reason="bomb")
        claimed = sum(info.file_size for info in infos)
        check_unpacked(claimed, self._packed, self._name)
        if claimed > limits.part_bytes or len(infos) > limits.parts:
            raise DocumentError(
                f"{self._name} holds {len(infos):,} members of {claimed:,} bytes; the limits are {limits.parts:,} and"
                f" {limits.part_bytes:,}.",
                reason="too-large",
                fix="Unpack it into a folder.",
            )
        self._check_overlap(infos)
        if infos and all(info.flag_bits & 1 for info in infos):
            raise DocumentError(f"{self._name} needs a password.", reason="encrypted", fix="Unpack it into a folder.")
        parts = [part for info in infos if (part := self._part(info)) is not None]
        return Parsed(text="", title=Path(self._name).stem, parts=tuple(parts), notes=tuple(self._notes))

    def _part(self, info: zipfile.ZipInfo) -> Part | None:
        member = safe_name(info.filename)
        if info.flag_bits & 1:
            self._notes.append(f"{member} needs a password and was left out.")
            return None
        if not member:
            self._notes.append(f"A member without a usable name was left out: {info.filename[:80]!r}.")
            return None
        try:
            return Part(member, "", self._content(info))
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
            self._notes.append(f"{member} is damaged and was left out ({error}).")
            return None

    def _content(self, info: zipfile.ZipInfo) -> bytes:
        chunks = []
        with self._archive.open(info) as file:
            while chunk := file.read(CHUNK):
                self._unpacked += len(chunk)
                check_unpacked(self._unpacked, self._packed, self._name)
                if self._unpacked > LIMITS.get().part_bytes:
                    raise DocumentError(f"{self._name} unpacks to too much.", reason="bomb")
                chunks.append(chunk)
        return b"".join(chunks)

    def _check_overlap(self, infos: list[zipfile.ZipInfo]) -> None:
        """Members that share their packed bytes make a small file a large one, each of them within its ratio."""
        reach = -1
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < reach:
                raise DocumentError(f"Members of {self._name} overlap.", reason="bomb")
            reach = info.header_offset + 30 + info.compress_size


def _passed(member: str) -> bool:
    parts = PurePosixPath(member.replace("\\", "/")).parts
    return not parts or any(part in _PASSED for part in parts) or parts[-1] in _PASSED_NAMES


def safe_name(member: str) -> str:
    """A member's name without what would lead out of a folder: roots, drives, `..`. Empty where nothing is left."""
    parts = [part for part in member.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if parts and len(parts[0]) == 2 and parts[0][1] == ":":
        parts = parts[1:]
    return "/".join(part.replace("\x00", "")[:255] for part in parts)[:1000]
