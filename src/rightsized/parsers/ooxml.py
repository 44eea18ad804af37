"""Office packages (ECMA-376): a ZIP of XML members. Opened with limits, read as streams, entities never expanded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rightsized.core.errors import DocumentError
from rightsized.parsers.extra import needed
from rightsized.parsers.limits import check_unpacked

with needed("lxml"):
    from lxml import etree

CAREFUL = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
MOST_MEMBERS = 50_000
_CORE = "docProps/core.xml"
_FIELDS = {"creator": "author", "subject": "subject", "keywords": "keywords", "lastModifiedBy": "modified-by"}


class Package:
    """The members of an open package."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive, self._name = archive, name
        self._names = frozenset(archive.namelist())

    def __contains__(self, member: str) -> bool:
        return member in self._names

    def names(self, prefix: str) -> list[str]:
        """Members whose names begin so, sorted with numbers in their order."""
        found = [name for name in self._names if name.startswith(prefix)]
        return sorted(found, key=lambda name: (len(name), name))

    def open(self, member: str) -> IO[bytes]:
        """A member as a stream. Raises DocumentError where the package lacks it."""
        if member not in self._names:
            raise DocumentError(f"{self._name} lacks {member}: it is damaged or no Office document.")
        return self._archive.open(member)

    def read(self, member: str) -> bytes:
        with self.open(member) as file:
            return file.read()

    def events(self, member: str, events: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        """Elements of a member as they are read. Raises DocumentError (`malformed`)."""
        with self.open(member) as file:
            try:
                yield from etree.iterparse(file, events=events, **CAREFUL)
            except (etree.XMLSyntaxError, zipfile.BadZipFile, EOFError) as error:
                raise DocumentError(f"{self._name} is damaged in {member} ({error}).") from None

    def tree(self, member: str) -> Any:
        """The root of a small member; None where it is not there or cannot be read."""
        if member not in self._names:
            return None
        parser = etree.XMLParser(**CAREFUL)
        with self.open(member) as file:
            try:
                return etree.parse(file, parser).getroot()
            except etree.XMLSyntaxError:
                return None

    def relations(self, member: str) -> dict[str, str]:
        """Targets inside the package by relation id, as member names."""
        path = PurePosixPath(member)
        root = self.tree(str(path.parent / "_rels" / f"{path.name}.rels"))
        found: dict[str, str] = {}
        for relation in root if root is not None else ():
            if isinstance(relation.tag, str) and relation.get("TargetMode") != "External":
                found[relation.get("Id", "")] = _joined(path.parent, relation.get("Target", ""))
        return found

    def properties(self) -> tuple[str, float | None, dict[str, str]]:
        """Title, date of the last change (seconds since 1970) and further metadata of the document's own."""
        root = self.tree(_CORE)
        if root is None:
            return "", None, {}
        values = {local(element): (element.text or "").strip() for element in root}
        date = _seconds(values.get("modified", "")) or _seconds(values.get("created", ""))
        return values.get("title", ""), date, {key: values.get(field, "") for field, key in _FIELDS.items()}


@contextmanager
def opened(path: Path, name: str) -> Iterator[Package]:
    """Open a package. Raises DocumentError (`truncated`, `malformed`, `bomb`, `encrypted`)."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DocumentError(f"{name} is cut off or damaged ({error}).", reason="truncated") from None
    with archive:
        infos = archive.infolist()
        if len(infos) > MOST_MEMBERS:
            raise DocumentError(f"{name} has {len(infos):,} members; no Office document has.", reason="bomb")
        if any(info.flag_bits & 1 for info in infos):
            raise DocumentError(f"{name} needs a password.", reason="encrypted", fix="Save it without one.")
        check_unpacked(sum(info.file_size for info in infos), path.stat().st_size, name)
        try:
            yield Package(archive, name)
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise DocumentError(f"{name} is damaged ({error}).") from None


def local(element: Any) -> str:
    """An element's name without its namespace; empty for comments and the like."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Any, name: str, default: str = "") -> str:
    """An attribute whatever its namespace: strict and transitional documents differ in it."""
    for key, value in element.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return default


def child(element: Any, *path: str) -> Any:
    """The first child, grandchild and so on of these local names; None where there is none."""
    for name in path:
        element = next((one for one in element if local(one) == name), None)
        if element is None:
            return None
    return element


def _joined(folder: PurePosixPath, target: str) -> str:
    parts: list[str] = [] if target.startswith("/") else [part for part in folder.parts if part != "."]
    for part in target.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
