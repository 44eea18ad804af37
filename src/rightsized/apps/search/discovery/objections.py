"""What speaks against giving documents out as they are: each kind stops a production until somebody allows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from rightsized.apps.search.discovery.records import DECIDING, PRIVILEGED
from rightsized.apps.search.discovery.relations.families import Kin
from rightsized.apps.search.discovery.relations.related import Related
from rightsized.apps.search.discovery.review import Review
from rightsized.core.frozen import Frozen

if TYPE_CHECKING:
    from rightsized.apps.search.discovery.producing import Unit

Objection = Literal["unreviewed", "outside", "changed", "family", "copy", "elsewhere", "near", "thread"]
OBJECTIONS: tuple[Objection, ...] = get_args(Objection)


class Conflict(Frozen, frozen=True):
    """Why a production should not go out as it is: a kind that can be allowed, the document, and a sentence."""

    kind: Objection
    document: str
    key: str
    why: str


def outside(kin: Kin, documents: Iterable[str]) -> Iterator[Conflict]:
    """Documents that belong to a family that goes out and are not in the set."""
    for one in documents:
        yield Conflict(
            "outside", one, kin.documents[one].key, "belongs to a document that is produced and is not in the set"
        )


def against(review: Review, related: Related, units: Sequence[Unit]) -> Iterator[Conflict]:
    """What speaks against the documents of a production."""
    held = {unit.first for unit in units if unit.withheld}
    privilege = _Privilege(review, related)
    for unit in units:
        one = unit.document
        if one.content != review.members[one.id].content:
            yield Conflict("changed", one.id, one.key, "has changed since it was put into the set")
        elif any(tag.content != one.content for tag in unit.tags.values()):
            yield Conflict("changed", one.id, one.key, "has changed since it was tagged")
        if unit.withheld:
            continue
        if unit.tags.keys().isdisjoint(DECIDING):
            yield Conflict("unreviewed", one.id, one.key, "goes out with its family, and nobody has reviewed it")
        if unit.first in held:
            yield Conflict("family", one.id, one.key, "goes out, and a document of its family is privileged")
        for kind, why in privilege.touching(one.id):
            yield Conflict(kind, one.id, one.key, why)


class _Privilege:
    """What is privileged in the set, by content, thread and likeness, with a key to name it by."""

    def __init__(self, review: Review, related: Related) -> None:
        self._review, self._related = review, related
        tagged = [one for one, own in review.tags().items() if PRIVILEGED in own]
        keys = {one: review.documents[one].key for one in tagged}
        self._contents = {review.documents.contents[one]: key for one, key in keys.items()}
        self._elsewhere = review.store.tagged(PRIVILEGED)
        self._threads = _named(related.threads, keys) if keys else {}
        self._near = _named(related.near, keys) if keys else {}

    def touching(self, document: str) -> Iterator[tuple[Objection, str]]:
        """How a document that goes out touches one that must not."""
        content = self._review.documents.contents[document]
        if content in self._contents:
            yield "copy", f"is a copy of {self._contents[content]}, which is privileged"
            return
        if content in self._elsewhere:
            yield "elsewhere", "is privileged by a tag of another set, or that you may not see"
        if self._near and (key := self._near.get(self._related.near.get(document, ""))):
            yield "near", f"is nearly the same as {key}, which is privileged"
        if self._threads and (key := self._threads.get(self._related.threads.get(document, ""))):
            yield "thread", f"is of one thread with {key}, which is privileged, and may quote it"


def _named(groups: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, str]:
    return {groups[one]: key for one, key in keys.items() if one in groups}
