"""The documents of a set that one asker may see: ids and contents in memory, everything else read when it is asked for.

A set may hold a hundred thousand documents, and a page of a reviewer is one of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence, ValuesView

from rightsized.apps.search.protocols import View
from rightsized.apps.search.types import Document, Filters

PAGE = 1000  # documents that are read together, and the most that are held


class Documents(Mapping[str, Document]):
    """Documents by id, in the order of source and key.

    Args:
        ids: of the set's members, whoever may see them.
    """

    def __init__(self, view: View, ids: Sequence[str]) -> None:
        self._view = view
        self.contents: dict[str, str] = view.contents(Filters(documents=tuple(ids))) if ids else {}  # sha256, by id
        self._held: OrderedDict[str, Document] = OrderedDict()

    def __len__(self) -> int:
        return len(self.contents)

    def __iter__(self) -> Iterator[str]:
        return iter(self.contents)

    def __contains__(self, document: object) -> bool:
        return document in self.contents

    def __getitem__(self, document: str) -> Document:
        """One of them. Raises KeyError; NotFoundError where it has gone since."""
        if document not in self.contents:
            raise KeyError(document)
        if document not in self._held:
            self._held[document] = self._view.document(document)
            if len(self._held) > PAGE:
                self._held.popitem(last=False)
        return self._held[document]

    def values(self) -> ValuesView[Document]:
        """Each of them, read a page at a time; those that have gone since are passed over."""
        return _Values(self)

    def pages(self) -> Iterator[list[Document]]:
        """The same, PAGE at a time."""
        ids = list(self.contents)
        for at in range(0, len(ids), PAGE):
            some = ids[at : at + PAGE]
            found = {one.id: one for one in self._view.documents(Filters(documents=tuple(some)))}
            yield [found[one] for one in some if one in found]


class _Values(ValuesView[Document]):
    _mapping: Documents

    def __iter__(self) -> Iterator[Document]:
        return (one for page in self._mapping.pages() for one in page)
