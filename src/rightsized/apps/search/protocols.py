"""The seams of document search: a new format, source or reranker is one file that implements one of these.

`View` is the only way to read a collection, and none is made without principals: what an asker may not see is not
there, for ranking, counting, suggesting and answering alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rightsized.apps.search.types import Document, Facet, Filters, Found, Item
from rightsized.parsers.types import Line, Parsed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rightsized.apps.search.query.clauses import Clause


class Parser(Protocol):
    """Reads one format. Runs in a process of its own under limits of time and memory; may raise anything there."""

    def __call__(self, path: Path, name: str) -> Parsed:
        """Read the file at `path`; `name` is what it was called. Raises DocumentError with a reason code."""
        ...


class Connector(Protocol):
    """One source of documents."""

    @property
    def source(self) -> str:
        """A name that stays the same from run to run, such as `folder:/srv/contracts`."""
        ...

    def items(self) -> Iterator[Item]:
        """Every document there is now, in a stable order. Raises StoreError where the source cannot be listed whole.

        A listing that ends without error is complete: what it leaves out has been deleted. Sync reads it through
        `connectors.listed`, which refuses to believe that all of it has been.
        """
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What the last listing found wrong with rules of access: the documents concerned were listed for nobody."""
        ...

    def read(self, item: Item, into: Path) -> None:
        """Write the content to the file `into`. Raises NotFoundError (gone meanwhile) or StoreError (try again)."""
        ...


class Scores(NamedTuple):
    """The best passages of one ranking, best first: row numbers int64 (k,), scores float32 (k,)."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class View(Protocol):
    """What one asker may see of a collection, at one moment: every method is bound to their principals."""

    @property
    def principals(self) -> tuple[str, ...]: ...

    @property
    def state(self) -> str:
        """Names what is visible at this moment: equal for views that show the same documents; empty if unknown."""
        ...

    @property
    def encoder(self) -> str:
        """Digest of the encoder whose vectors these are: a question must be encoded by the same; empty without any."""
        ...

    def lexical(self, clause: Clause, filters: Filters, limit: int) -> Scores:
        """The passages that BM25 ranks best."""
        ...

    def knows(self, word: str) -> bool:
        """Whether a visible passage has the word, in one of its forms: `lexical` finds something for it alone."""
        ...

    def dense(self, vector: NDArray[np.float32], filters: Filters, limit: int) -> Scores:
        """The passages whose vectors have the greatest cosine to a unit vector float32 (dimension,)."""
        ...

    def cosines(self, vector: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.float32]:
        """Cosines of given passages, float32 (n,); NaN for a row that is not visible."""
        ...

    def vectors(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """The vectors of given visible passages, float32 (n, dimension)."""
        ...

    def found(self, rows: Sequence[int], filters: Filters | None = None) -> list[Found]:
        """Passages with their documents, in the order of `rows`; rows that are not visible are left out.

        Where several visible documents have the same content, it is the first that passes the filters.
        """
        ...

    def documents_of(self, rows: Sequence[int], filters: Filters | None = None) -> dict[int, Document]:
        """The document of each row, as `found` chooses it, without reading passages; invisible rows are left out."""
        ...

    def passages(self, document: str) -> list[Found]:
        """All passages of a document in order. Raises NotFoundError, in the same words where it is hidden."""
        ...

    def text(self, document: str) -> str:
        """The canonical text of a document. Raises NotFoundError likewise."""
        ...

    def lines(self, document: str) -> tuple[Line, ...]:
        """Where its characters stand on pages; none where it has no pages. Raises NotFoundError likewise."""
        ...

    def original(self, document: str) -> bytes:
        """The bytes as they came from the source, for previews. Raises NotFoundError, StoreError (source is gone)."""
        ...

    def document(self, document: str) -> Document:
        """One document. Raises NotFoundError likewise."""
        ...

    def documents(self, filters: Filters) -> list[Document]:
        """The documents that pass, by title."""
        ...

    def contents(self, filters: Filters) -> dict[str, str]:
        """The sha256 of the documents that pass, by id, in the order of source and key; nothing more is read."""
        ...

    def facets(self, filters: Filters, fields: Sequence[str], rows: Sequence[int] | None = None) -> list[Facet]:
        """Counts of visible documents, most frequent first within a field.

        With `rows`, of the documents that `documents_of` gives for these passages alone.
        """
        ...

    def terms(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """Words of visible passages that begin so, with the number of visible passages that hold each."""
        ...


class Reranker(Protocol):
    """Scores (question, passage) pairs anew."""

    @property
    def model(self) -> str:
        """`sha256:...` of all that the scores depend on."""
        ...

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n,): the greater, the better the passage answers."""
        ...
