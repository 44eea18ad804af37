"""What belongs to a document of a set, as one asker sees it: copies, family, thread, and what is nearly the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Literal, get_args

from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.relations import near
from rightsized.apps.search.discovery.relations.families import Kin
from rightsized.apps.search.discovery.relations.threads import threads
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.types import Filters
from rightsized.core.protocols import Progress, no_progress

Way = Literal["copies", "family", "thread", "near"]
WAYS: tuple[Way, ...] = get_args(Way)


class Related:
    """The relations among the documents of a review.

    Args:
        cache: has, or is given, the signatures of their texts; reading them is shown by `progress`.
    """

    def __init__(self, review: Review, cache: FeatureCache, progress: Progress = no_progress) -> None:
        self._review, self._cache, self._progress = review, cache, progress

    @cached_property
    def kin(self) -> Kin:
        """Families among all documents that the asker may see, those outside of the set included."""
        return Kin(self._review.view.documents(Filters()))

    @cached_property
    def threads(self) -> Mapping[str, str]:
        """The thread of each mail of the set, by document: the id of its first mail."""
        return threads(self._review.documents.values())

    @cached_property
    def near(self) -> Mapping[str, str]:
        """The leader of each document of the set that is near another: a document's id, by document."""
        first: dict[str, str] = {}
        for one in sorted(self._review.documents.values(), key=lambda one: (one.date, one.id)):
            first.setdefault(one.content, one.id)
        self._cache.fill(self._review.view, first, self._progress)
        names, signatures = self._cache.signatures(list(first))
        found = near.families(names, signatures, lambda content: self._review.view.text(first[content]))
        contents = self._review.documents.contents.items()
        return {one: first[found[content]] for one, content in contents if content in found}

    @cached_property
    def copies(self) -> Mapping[str, str]:
        """The content of each document of the set that another one has too, by document."""
        contents = self._review.documents.contents
        count = Counter(contents.values())
        return {one: content for one, content in contents.items() if count[content] > 1}

    def widened(self, documents: Iterable[str], ways: Sequence[Way]) -> list[str]:
        """The documents with all of the set that belongs to one of them in one of these ways, not to what belongs."""
        chosen = dict.fromkeys(documents)
        found = dict(chosen)
        for way in dict.fromkeys(ways):
            if way == "family":
                found |= {one: None for name in chosen for one in self.kin.family(name)}
            else:
                groups: Mapping[str, str] = getattr(self, "threads" if way == "thread" else way)
                wanted = {groups[one] for one in chosen if one in groups}
                found |= {one: None for one, group in groups.items() if group in wanted}
        return [one for one in found if one in self._review.documents]

    def of(self, document: str) -> dict[Way, list[str]]:
        """What belongs to a document of the set, by way, the document itself left out."""
        found = {way: [one for one in self.widened([document], [way]) if one != document] for way in WAYS}
        return {way: others for way, others in found.items() if others}
