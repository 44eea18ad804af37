"""What a source lists beside what the collection has: what is to be read, only relabelled, or gone."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from rightsized.apps.search.connectors.listing import listed
from rightsized.apps.search.index.records import Listed
from rightsized.apps.search.protocols import Connector
from rightsized.apps.search.types import DeadLetter, Item
from rightsized.core.protocols import Progress, no_progress

TELL_EVERY = 1000  # items listed between two calls of `progress`
AGAIN = frozenset({"unreadable"})  # reasons that may pass by themselves: tried at every sync


class Known:
    """The documents of a source as the collection has them."""

    def __init__(self, by_key: Mapping[str, Listed]) -> None:
        self.by_key = by_key
        self._inside: dict[int, list[Listed]] = {}
        for old in by_key.values():
            if old.parent:
                self._inside.setdefault(old.parent, []).append(old)

    def family(self, key: str) -> list[Listed]:
        """A document and all that is inside it, from the outside in; nothing where it is not known."""
        found = [self.by_key[key]] if key in self.by_key else []
        for old in found:  # grows while it is gone through
            found += self._inside.get(old.number, [])
        return found


class Plan(NamedTuple):
    """`read`: new or changed. `relabel`: other principals or metadata. `gone`: by key, what is no longer listed.

    What has changed may be in both: reading takes time, and who may see less shall see less at once. `unchanged` are in
    neither. `dead` counts those that could not be read before and are the same still.
    """

    listed: set[str]
    read: list[Item]
    relabel: list[Item]
    gone: dict[str, Listed]
    dead: int
    unchanged: int


def plan(
    connector: Connector,
    known: Known,
    dead: Mapping[str, DeadLetter],
    recipe: str,
    progress: Progress = no_progress,
    *,
    emptied: bool = False,
    again: Set[str] = frozenset(),
) -> Plan:
    """Go through the listing. Raises what the connector raises, before anything has been changed.

    A source that had documents and lists none is an error, unless it is known that it was `emptied`. Documents whose
    key is in `again` are read although they are the same.
    """
    read: list[Item] = []
    relabel: list[Item] = []
    seen: set[str] = set()
    skipped = unchanged = 0
    for item in listed(connector, known=len(known.by_key), forced=emptied):
        if item.key in seen:
            continue
        seen.add(item.key)
        if len(seen) % TELL_EVERY == 0:
            progress("list", len(seen), 0)
        old, letter = known.by_key.get(item.key), dead.get(item.key)
        if letter is not None and letter.version == mark(item, recipe) and letter.reason not in AGAIN:
            skipped += 1
            continue
        relabels = old is not None and (set(old.principals) != set(item.principals) or old.metadata != item.metadata)
        reads = old is None or old.version != item.version or old.recipe != recipe or item.key in again
        if relabels:
            relabel.append(item)
        if reads:
            read.append(item)
        unchanged += not (relabels or reads)
    gone = {key: old for key, old in known.by_key.items() if not old.parent and key not in seen}
    return Plan(seen, read, relabel, gone, skipped, unchanged)


def mark(item: Item, recipe: str) -> str:
    """What a dead letter is dead for: this version, read by this recipe."""
    return f"{item.version} {recipe}"
