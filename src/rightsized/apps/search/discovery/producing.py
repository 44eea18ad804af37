"""Plans a production: which documents go out under which numbers, what is withheld, and what speaks against it.

Whole families go out. What is privileged keeps its number and is withheld; so are the bytes of whatever holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rightsized.apps.search.discovery import objections
from rightsized.apps.search.discovery.objections import Conflict
from rightsized.apps.search.discovery.records import PRIVILEGED, RESPONSIVE, Tagging
from rightsized.apps.search.discovery.relations.families import Kin
from rightsized.apps.search.discovery.relations.related import Related
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.types import Document
from rightsized.core.errors import InputError

DIGITS = 7  # of a control number


class Unit(NamedTuple):
    """A document of a production. `first` and `last` are the control numbers of its family.

    `path` is the document's key; the names of documents that are withheld are control numbers in it. `no_native` says
    why its bytes are not given out; empty where they are. `thread` and `near` are control numbers of the first given
    out document of its thread, and of those that are nearly the same; empty where there is no other.
    """

    number: str
    path: str
    document: Document
    first: str
    last: str
    parent: str
    withheld: bool
    no_native: str
    tags: dict[str, Tagging]
    thread: str = ""
    near: str = ""


class Plan(NamedTuple):
    units: list[Unit]
    conflicts: list[Conflict]


def planned(review: Review, related: Related, *, tag: str = RESPONSIVE, prefix: str = "RS", first: int = 1) -> Plan:
    """The documents with a tag and their families, numbered one after the other.

    Raises InputError where no document that the asker may see has the tag, or the numbers would not fit.
    """
    tags, kin = review.tags(), related.kin
    chosen = [one for one in review.documents if tag in tags.get(one, {}) and one in kin.documents]
    if not chosen:
        raise InputError(
            f"No document that you may see has the tag {tag!r}.", fix="Tag some: rightsized search set tag"
        )
    families = list(dict.fromkeys(tuple(kin.family(one)) for one in chosen))
    kept = [[one for one in family if one in review.documents] for family in families]
    units = list(_numbered(kin, kept, tags, prefix, first))
    threads, near = _groups(units, related.threads), _groups(units, related.near)
    units = [one._replace(thread=threads.get(one.document.id, ""), near=near.get(one.document.id, "")) for one in units]
    outside = [one for family in families for one in family if one not in review.documents]
    found = [*objections.outside(kin, outside), *objections.against(review, related, units)]
    return Plan(units, found)


def _groups(units: Sequence[Unit], group: Mapping[str, str]) -> dict[str, str]:
    """The control number that stands for the group of each unit; none of a withheld one, or of one alone."""
    found: dict[str, list[Unit]] = {}
    for one in units:
        if one.document.id in group and not one.withheld:
            found.setdefault(group[one.document.id], []).append(one)
    return {one.document.id: some[0].number for some in found.values() if len(some) > 1 for one in some}


def checked_numbers(prefix: str, first: int, count: int) -> None:
    """Raises InputError where control numbers cannot be made so."""
    if not prefix or not prefix.replace("-", "").replace("_", "").isalnum() or not prefix.isascii() or len(prefix) > 20:
        raise InputError(f"{prefix!r} is no prefix of control numbers.", fix="Use 1 to 20 letters, digits, - and _.")
    if first < 1 or first + count > 10**DIGITS:
        raise InputError(f"{count:,} documents from {first:,} on do not fit into {DIGITS} digits.")


def _numbered(
    kin: Kin, families: Sequence[Sequence[str]], tags: dict[str, dict[str, Tagging]], prefix: str, first: int
) -> Iterator[Unit]:
    checked_numbers(prefix, first, sum(map(len, families)))
    numbers: dict[str, str] = {}
    for one in (one for family in families for one in family):
        numbers[one] = f"{prefix}{first + len(numbers):0{DIGITS}d}"
    withheld = {one for one, held in tags.items() if PRIVILEGED in held}
    for family in families:
        for one in family:
            document = kin.documents[one]
            parent = numbers.get(document.parent, "") if document.parent in family else ""
            because = _no_native(kin, one, numbers, withheld)
            ends = numbers[family[0]], numbers[family[-1]]
            path = _path(kin, one, numbers, withheld)
            yield Unit(numbers[one], path, document, *ends, parent, one in withheld, because, tags.get(one, {}))


def _path(kin: Kin, document: str, numbers: dict[str, str], withheld: set[str]) -> str:
    """The key of a document, without the name of a withheld one that it lies in."""
    key, one = kin.documents[document].key, document
    while one in kin.documents:
        if one in withheld:
            return numbers.get(one, "withheld") + key.removeprefix(kin.documents[one].key)
        one = kin.documents[one].parent
    return key


def _no_native(kin: Kin, document: str, numbers: dict[str, str], withheld: set[str]) -> str:
    """Why the bytes of a document cannot go out; what is inside it goes out with them."""
    if document in withheld:
        return "withheld as privileged"
    if kin.is_container(document):
        return "a mailbox or archive; its documents are produced one by one"
    inside = kin.inside(document)
    if any(one in withheld for one in inside):
        return "holds a document that is withheld"
    if any(one not in numbers for one in inside):
        return "holds a document that is not produced"
    return ""
