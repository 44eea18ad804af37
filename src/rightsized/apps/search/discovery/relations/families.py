"""A mail with its attachments, an attachment with what is inside it.

Mailboxes and archives only hold other documents; a mail of a mailbox is no attachment of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from rightsized.apps.search.types import Document

CONTAINERS = frozenset({"application/mbox", "application/zip"})


class Kin:
    """Parents and attachments among documents that one asker may see."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = {one.id: one for one in documents}
        self._inside: dict[str, list[str]] = {}
        for one in self.documents.values():
            if one.parent:
                self._inside.setdefault(one.parent, []).append(one.id)

    def head(self, document: str) -> str:
        """The outermost document that it came with: a mail for its attachments, itself for all that came alone."""
        while True:
            parent = self.documents[document].parent
            if parent not in self.documents or self.documents[parent].media_type in CONTAINERS:
                return document
            document = parent

    def family(self, document: str) -> list[str]:
        """The head and all that is inside it, each after what holds it, in the order of keys."""
        found, waiting = [], [self.head(document)]
        while waiting:
            one = waiting.pop()
            found.append(one)
            if not self.is_container(one):
                waiting += sorted(self._inside.get(one, ()), key=lambda child: self.documents[child].key, reverse=True)
        return found

    def is_container(self, document: str) -> bool:
        """Whether it only holds other documents."""
        return self.documents[document].media_type in CONTAINERS

    def inside(self, document: str) -> list[str]:
        """All documents that its bytes hold, however deep."""
        found, waiting = [], list(self._inside.get(document, ()))
        while waiting:
            one = waiting.pop()
            found.append(one)
            waiting += self._inside.get(one, ())
        return found
