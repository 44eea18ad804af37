"""What a store of collections must do, apart from SQLite: sidecars, views and sync address these, and no SQL.

`tests/apps/search/index/store_conformance.py` is the test that any implementation passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from rightsized.apps.search.index.records import Columns, Content, Entry, Fresh, Listed, Member, Put, State, Stretch
from rightsized.apps.search.types import DeadLetter, Document, Passage
from rightsized.parsers.types import Block, Line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class StoreReader(Protocol):
    """Reads committed states; any number may at once, while one writes. Knows nothing of permissions."""

    def state(self) -> State: ...

    def columns(self) -> Columns:
        """All documents and complete contents, of one moment."""
        ...

    def classes(self) -> dict[int, tuple[str, ...]]:
        """The principals of each access class."""
        ...

    def counts(self) -> tuple[int, int]:
        """Documents, and passages that some document shows."""
        ...

    def numbers(self, documents: Sequence[str]) -> list[int]:
        """The numbers of those ids that exist."""
        ...

    def listing(self, numbers: Sequence[int], principals: Set[str]) -> dict[str, str]:
        """Of documents by number those that one of the principals may see: id and sha256, by source and key."""
        ...

    def documents(self, numbers: Sequence[int]) -> dict[int, tuple[Document, int]]:
        """Documents by number with the number of their content; those that are gone are left out."""
        ...

    def fields(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each document's number and metadata."""
        ...

    def passages(self, content: int, ordinals: Sequence[int] | None = None) -> list[tuple[int, Passage]]: ...

    def passages_at(self, rows: Sequence[int]) -> dict[int, Passage]:
        """Passages of any contents by their rows; those that are gone are left out."""
        ...

    def text(self, content: int) -> str: ...

    def layout(self, content: int) -> tuple[tuple[Block, ...], tuple[Line, ...]]: ...

    def content(self, sha256: str, recipe: str) -> Content | None: ...

    def members(self, content: int) -> list[Member]: ...

    def dead(self, source: str = "") -> list[DeadLetter]: ...

    def sources(self) -> dict[str, float]: ...

    def changed(self, after: int) -> list[int]:
        """Complete contents that changed after a generation, in order."""
        ...

    def gone(self, after: int) -> list[int]:
        """Contents deleted after a generation."""
        ...

    def entry(self, content: int) -> Entry | None:
        """What the lexical index holds of a content; None where it is gone or no document shows it."""
        ...

    def encoder(self, digest: str) -> tuple[int, int]:
        """Number and dimension of an encoder; (0, 0) where it has no vectors."""
        ...

    def unembedded(self, encoder: int) -> list[int]:
        """Complete contents that lack vectors of an encoder."""
        ...

    def first_rows(self, contents: Sequence[int]) -> dict[int, int]:
        """The row of each content's first passage."""
        ...

    def vectors(self, digest: str, contents: Sequence[int]) -> Iterator[Stretch]:
        """Vectors of contents, in order of content and ordinal."""
        ...

    def close(self) -> None: ...


class StoreWriter(Protocol):
    """The one writer. Each call is durable when it returns, or all calls of a `transaction` when that ends."""

    @property
    def reader(self) -> StoreReader:
        """Reads what has been written, its own transaction included."""
        ...

    def transaction(self) -> AbstractContextManager[None]: ...

    def source(self, name: str) -> int: ...

    def synced(self, source: int) -> None: ...

    def listed(self, source: int) -> dict[str, Listed]: ...

    def content(self, sha256: str, recipe: str) -> Content | None: ...

    def add_content(self, fresh: Fresh) -> Content: ...

    def drop_content(self, content: int) -> None: ...

    def complete(self, content: int, members: Sequence[Member] = ()) -> None: ...

    def encoder(self, digest: str, dimension: int) -> int: ...

    def lacking(self, content: int, encoder: int) -> list[int]: ...

    def known_vectors(
        self, encoder: int, dimension: int, texts: Sequence[str]
    ) -> dict[int, tuple[NDArray[np.int8], np.float32]]: ...

    def add_vectors(
        self, encoder: int, stretches: Sequence[tuple[int, int, NDArray[np.int8], NDArray[np.float32]]]
    ) -> None: ...

    def serve(self, encoder: int) -> None: ...

    def put_documents(self, source: int, puts: Sequence[Put]) -> None: ...

    def delete_documents(self, numbers: Sequence[int]) -> None: ...

    def sweep(self) -> int: ...

    def reclaim(self) -> int: ...

    def bury(self, source: int, letter: DeadLetter) -> None: ...

    def revive(self, source: int, keys: Sequence[str]) -> None: ...

    def revive_family(self, source: int, key: str, separator: str) -> None: ...

    def close(self) -> None: ...
