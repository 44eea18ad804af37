"""A set as one asker sees it: every read goes through their view, and every look at a text is on record first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property

from rightsized.apps.search.discovery.listing import Documents
from rightsized.apps.search.discovery.records import (
    DECIDING,
    RESPONSIVE,
    Action,
    Asker,
    Criterion,
    Entry,
    Member,
    ReviewSet,
    Tagging,
    checked_tag,
    current,
)
from rightsized.apps.search.discovery.selecting import select, with_families
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.protocols import View
from rightsized.apps.search.types import Document
from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Encoder
from rightsized.tasks.accesses import What

_LOOKS: dict[Action, What] = {"text": "document", "produced": "production", "withheld": "production"}


class Wanted(Frozen, frozen=True):
    """Tags that a document, by id or key, is to have; with `off`, that it is to lose."""

    document: str
    tags: tuple[str, ...]
    off: bool = False
    note: str = ""


Seen = Callable[[What, Sequence[str]], None]


def nobody_asks(what: What, documents: Sequence[str]) -> None:
    """Looks are kept in the log of the set alone."""


class Review:
    """One set, one asker, one moment.

    Args:
        view: made with the asker's principals.
        seen: is told which documents are about to be shown, or given out, before they are; raises where that cannot be
            put on record elsewhere too, and then nothing is shown.
    Raises:
        NotFoundError: there is no such set, or nothing in it that the asker may see.
    """

    def __init__(self, store: ReviewStore, view: View, name: str, asker: Asker, seen: Seen = nobody_asks) -> None:
        self.store, self.view, self.asker, self._seen = store, view, asker, seen
        self.set: ReviewSet = store.named(name)
        if not self.documents:
            raise NotFoundError(f"There is no set {name!r} that you may see.", fix="See: rightsized search set list")

    @cached_property
    def documents(self) -> Documents:
        """The documents of the set that the asker may see, by id, in the order of their keys."""
        return Documents(self.view, self.store.member_ids(self.set))

    @cached_property
    def members(self) -> dict[str, Member]:
        """How those documents came into the set, by id."""
        return {one.document: one for one in self.store.members(self.set) if one.document in self.documents}

    def tags(self) -> dict[str, dict[str, Tagging]]:
        """The tags that stand, by document and tag."""
        return current(self.history())

    def tags_of(self, document: str) -> list[str]:
        """The tags of one document, by name."""
        return sorted(current(self.store.taggings_of(self.set, [document])).get(document, {}))

    def holding(self, tag: str) -> list[str]:
        """The documents that have a tag."""
        return [one for one, _ in self.store.holding(self.set, [tag]) if one in self.documents]

    def history(self) -> list[Tagging]:
        """Every tagging of documents that the asker may see, in order."""
        return [one for one in self.store.taggings(self.set) if one.document in self.documents]

    def log(self) -> list[Entry]:
        """The log, without what concerns documents that the asker may not see. Raises IntegrityError."""
        return [one for one in self.store.log(self.set) if not one.document or one.document in self.documents]

    def decided(self) -> dict[str, bool]:
        """Documents that have been reviewed, and whether they are responsive."""
        found: dict[str, bool] = {}
        for one, tag in self.store.holding(self.set, DECIDING):
            found[one] = found.get(one, False) or tag == RESPONSIVE
        return {one: found[one] for one in self.documents if one in found}

    def resolve(self, name: str) -> str:
        """The id of a document of the set, by its id or its key.

        Raises NotFoundError, in the same words for what is hidden, elsewhere or nowhere; InputError for a key that
        several have.
        """
        if name in self.documents:
            return name
        found = self._by_key.get(name, [])
        if len(found) > 1:
            raise InputError(f"{len(found)} documents of the set are called {name!r}.", fix="Name one by its id.")
        if not found:
            raise NotFoundError(f"There is no document {name!r} in {self.set.name!r}.")
        return found[0]

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in self.documents.values():
            found.setdefault(one.key, []).append(one.id)
        return found

    def text(self, document: str) -> str:
        """The text of a document of the set; on record before it is handed out. Raises NotFoundError."""
        known = self.resolve(document)
        text = self.view.text(known)  # gone or hidden by now: nothing was seen
        self.note("text", [known])
        return text

    def tag(self, documents: Sequence[str], tags: Sequence[str], *, off: bool = False, note: str = "") -> int:
        """Give tags to documents, or take them away; returns how many taggings were added.

        A document is never both responsive and not: the one that is given takes the other away. A tag that stands is
        given again only with a note.

        Raises NotFoundError, InputError; then nothing is tagged.
        """
        return self.tag_all([Wanted(one, tuple(tags), off, note) for one in dict.fromkeys(documents)])

    def tag_all(self, wanted: Sequence[Wanted]) -> int:
        """Tag many documents, each as `tag` does, all of them or none."""
        resolved = [self.resolve(one.document) for one in wanted]
        standing = current(self.store.taggings_of(self.set, resolved))
        added: list[Tagging] = []
        for one, known in zip(wanted, resolved, strict=True):
            held = standing.setdefault(known, {})
            new = self._taggings(known, held, one)
            for tagging in new:
                if tagging.on:
                    held[tagging.tag] = tagging
                else:
                    held.pop(tagging.tag, None)
            added += new
        if added:
            self.store.tag(self.set, self.asker, added)
        return len(added)

    def note(self, action: Action, documents: Sequence[str], detail: str = "") -> None:
        """Put on record what is about to be shown or given out."""
        if documents:
            self._seen(_LOOKS[action], documents)
            self.store.note(self.set, self.asker, action, documents, detail)

    def _taggings(self, document: str, has: dict[str, Tagging], wanted: Wanted) -> list[Tagging]:
        tags = [checked_tag(tag) for tag in dict.fromkeys(wanted.tags)]
        if not tags:
            raise InputError(f"No tag is given for {wanted.document!r}.")
        if set(DECIDING) <= set(tags) and not wanted.off:
            raise InputError(f"A document cannot be {DECIDING[0]} and {DECIDING[1]}.")
        changes = []
        for tag in tags:
            if wanted.off:
                changes += [(tag, False)] if tag in has else []
                continue
            other = {DECIDING[0]: DECIDING[1], DECIDING[1]: DECIDING[0]}.get(tag, "")
            changes += [(other, False)] if other in has else []
            changes += [(tag, True)] if tag not in has or wanted.note else []
        content, now, by = self.documents.contents[document], time.time(), self.asker.reviewer
        return [Tagging(document, content, tag, on, by, now, wanted.note) for tag, on in changes]


async def gathered(
    view: View, criteria: Sequence[Criterion], encoder: Encoder | None, families: bool
) -> list[tuple[Criterion, list[Member]]]:
    """What each criterion finds for the asker of the view, and last what belongs to it.

    Raises InputError where nothing is found: a set of nothing could be seen by nobody.
    """
    found = [(one, await select(view, one, encoder)) for one in criteria]
    everything = {document.id: document for _, documents in found for document in documents}
    if not everything:
        raise InputError("No document that you may see fits.", fix="Widen the search or the filters.")
    if families and (kin := with_families(view, everything.values())):
        found.append((Criterion("family"), kin))
    return [(criterion, [_member(one) for one in documents]) for criterion, documents in found]


def visible_sets(store: ReviewStore, view: View, asker: Asker) -> list[Review]:
    """The sets that hold something which the asker may see."""
    found = []
    for one in store.sets():
        try:
            found.append(Review(store, view, one.name, asker))
        except NotFoundError:
            continue
    return found


def _member(document: Document) -> Member:
    return Member(document.id, document.content, document.key, document.source, 0, 0.0)
