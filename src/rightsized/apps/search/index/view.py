"""`View` over a collection's sidecars and database: masks first, then ranking; nothing is handed out unchecked.

What is read of the database while a view lives may be newer than its masks, so that each document is asked once more
whether the asker is still among its principals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index import dense, kernels
from rightsized.apps.search.index.backend import StoreReader
from rightsized.apps.search.index.catalogue import Allowed, Catalogue
from rightsized.apps.search.index.lexical_query import Translator
from rightsized.apps.search.index.rarity import Frequencies, Rarity
from rightsized.apps.search.protocols import Scores
from rightsized.apps.search.query.clauses import Clause
from rightsized.apps.search.types import EVERYONE, Document, Facet, Filters, Found, Passage
from rightsized.core.errors import NotFoundError, UnsupportedError
from rightsized.parsers import analysis
from rightsized.parsers.types import Line

if TYPE_CHECKING:
    from rightsized.apps.search.index.originals import Originals

MOST_HELD = 1_000  # passages that a view keeps
OVERFETCH = 2  # times more asked of the lexical index where some of what it found is not to be shown


class Snapshot(NamedTuple):
    """A collection at one moment."""

    catalogue: Catalogue
    vectors: dense.Vectors
    positions: NDArray[np.int64]  # of each vector's content in the catalogue, -1 where it has none
    searcher: Any
    schema: Any
    frequencies: Frequencies


class IndexView:
    """Implements `protocols.View`."""

    def __init__(
        self, snapshot: Snapshot, reader: StoreReader, originals: Originals, principals: Sequence[str]
    ) -> None:
        self._snapshot = snapshot
        self._reader = reader
        self._originals = originals
        self._principals = tuple(dict.fromkeys(principals))
        self._catalogue = snapshot.catalogue
        self._classes = self._catalogue.visible_classes(self._principals)
        self._visible = self._catalogue.visible(self._classes)
        self._everything = bool(self._visible.documents.all())
        self._held: dict[int, Passage] = {}
        self._translate = Translator(snapshot.schema, self._catalogue.languages(self._visible))
        if not self._everything:
            size = int(self._catalogue.columns.passages[self._visible.contents].sum())
            self._translate.weigh = Rarity(snapshot.frequencies, self._count, size)

    @property
    def principals(self) -> tuple[str, ...]:
        return self._principals

    @property
    def state(self) -> str:
        """The collection's life and generation, and the access classes that are open."""
        opened = ",".join(map(str, self._classes.tolist()))
        return f"{self._reader.state().lineage}:{self._catalogue.generation}:{opened}"

    @property
    def encoder(self) -> str:
        """Digest of the encoder whose vectors these are: questions must be encoded by the same."""
        return self._snapshot.vectors.encoder

    def weigh_as_tantivy(self) -> None:
        """Let scores depend on hidden passages, as they would by themselves: for measuring what that tells."""
        self._translate.weigh = None

    def lexical(self, clause: Clause, filters: Filters, limit: int) -> Scores:
        """The passages that BM25 ranks best."""
        allowed = self._catalogue.narrowed(self._visible, filters)
        query = self._within(self._translate(clause), allowed, filters)
        ask = limit
        while True:
            hits = self._snapshot.searcher.search(query, max(ask, 1), False).hits
            addresses = [address for _, address in hits]
            rows = np.array(self._snapshot.searcher.fast_field_values("row", addresses), dtype=np.int64)
            keep = self._may(rows, allowed)
            if keep.sum() >= limit or len(hits) < ask:
                scores = np.array([score for score, _ in hits], dtype=np.float32)
                return Scores(rows[keep][:limit], scores[keep][:limit])
            ask *= OVERFETCH

    def knows(self, word: str) -> bool:
        """Whether a visible passage has the word, in one of its forms."""
        return any(self._count(field, term) for field, term in self._translate.terms(word))

    def dense(self, vector: NDArray[np.float32], filters: Filters, limit: int) -> Scores:
        """The passages of the greatest cosine. Raises UnsupportedError for a vector of another encoder's length."""
        held = self._snapshot.vectors
        if not len(held.rows):
            return Scores(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        if vector.shape != held.vectors.shape[1:]:
            raise UnsupportedError(
                f"The question has {len(vector)} components, the collection's vectors have {held.vectors.shape[1]}.",
                fix="Sync the collection: its passages are encoded anew by the encoder of the settings.",
            )
        allowed = self._catalogue.narrowed(self._visible, filters).contents
        return dense.search(held, np.append(allowed, False)[self._snapshot.positions], vector, limit)

    def cosines(self, vector: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.float32]:
        """Cosines of given passages; NaN where one is not visible."""
        slots = self._slots(rows)
        held = self._snapshot.vectors
        values = kernels.restored(held.vectors[slots], held.scales[slots]) @ vector if len(held.rows) else slots * 0.0
        return np.where(slots >= 0, values, np.nan).astype(np.float32)

    def vectors(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """The vectors of visible passages. Raises NotFoundError where one is not visible."""
        slots = self._slots(rows)
        if (slots < 0).any():
            raise NotFoundError("One of the passages is not there.")
        held = self._snapshot.vectors
        return kernels.restored(held.vectors[slots], held.scales[slots])

    def documents_of(self, rows: Sequence[int], filters: Filters | None = None) -> dict[int, Document]:
        """The first document of each row that passes."""
        allowed = self._catalogue.narrowed(self._visible, filters or Filters())
        numbers = np.array(list(rows), dtype=np.int64)
        positions = self._catalogue.positions(numbers)
        keep = (positions >= 0) & np.append(allowed.contents, False)[positions]
        chosen = self._catalogue.documents_of(np.unique(positions[keep]), allowed.documents)
        documents = self._read(list(chosen.values()))
        pairs = zip(numbers[keep].tolist(), positions[keep].tolist(), strict=True)
        return {row: documents[chosen[at]] for row, at in pairs if chosen.get(at) in documents}

    def found(self, rows: Sequence[int], filters: Filters | None = None) -> list[Found]:
        """Passages with the first document that passes, in the order of `rows`."""
        allowed = self._catalogue.narrowed(self._visible, filters or Filters())
        numbers = np.array(list(rows), dtype=np.int64)
        positions = self._catalogue.positions(numbers)
        keep = (positions >= 0) & np.append(allowed.contents, False)[positions]
        chosen = self._catalogue.documents_of(np.unique(positions[keep]), allowed.documents)
        documents = self._read(list(chosen.values()))
        pairs = zip(numbers[keep].tolist(), positions[keep].tolist(), strict=True)
        shown = {row: documents[chosen[at]] for row, at in pairs if chosen.get(at) in documents}
        passages = self._passages_of(list(shown))
        return [Found(row, shown[row], passages[row]) for row in numbers.tolist() if row in shown and row in passages]

    def passages(self, document: str) -> list[Found]:
        """All passages of a document in order."""
        known, content = self._known(document)
        return [Found(row, known, passage) for row, passage in self._reader.passages(content)]

    def text(self, document: str) -> str:
        """The canonical text of a document."""
        return self._reader.text(self._known(document)[1])

    def lines(self, document: str) -> tuple[Line, ...]:
        """Where its characters stand on pages."""
        return self._reader.layout(self._known(document)[1])[1]

    def original(self, document: str) -> bytes:
        """The bytes as they came from the source."""
        known, _ = self._known(document)
        chain = [known]
        while chain[0].parent:
            chain.insert(0, self._known(chain[0].parent)[0])
        return self._originals.read(chain)

    def document(self, document: str) -> Document:
        """One document."""
        return self._known(document)[0]

    def documents(self, filters: Filters) -> list[Document]:
        """The documents that pass, by title."""
        mask = self._catalogue.narrowed(self._visible, filters).documents
        found = self._read(self._catalogue.columns.documents[mask].tolist()).values()
        return sorted(found, key=lambda document: (document.title.casefold(), document.key))

    def contents(self, filters: Filters) -> dict[str, str]:
        """The documents that pass, without reading more of them."""
        mask = self._catalogue.narrowed(self._visible, filters).documents
        return self._reader.listing(self._catalogue.columns.documents[mask].tolist(), {EVERYONE, *self._principals})

    def facets(self, filters: Filters, fields: Sequence[str], rows: Sequence[int] | None = None) -> list[Facet]:
        """Counts of visible documents, or of those of given rows."""
        mask = self._catalogue.narrowed(self._visible, filters).documents
        if rows is not None:
            positions = self._catalogue.positions(np.array(list(rows), dtype=np.int64))
            chosen = self._catalogue.documents_of(np.unique(positions[positions >= 0]), mask)
            mask = np.isin(self._catalogue.columns.documents, list(chosen.values()))
        return [Facet(field, *pair) for field in fields for pair in self._catalogue.counts(field, mask)]

    def terms(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """Words of visible passages as they are written, in lower case, most frequent first; none without a prefix."""
        typed = analysis.words(prefix, analysis.SPELLED)
        if not typed:
            return []
        some = self._translate.among("class", self._classes.tolist())
        found = self._snapshot.searcher.terms_with_prefix(analysis.SPELLED, typed[-1], some, None)
        return sorted(((str(word), int(count)) for word, count in found), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def _passages_of(self, rows: Sequence[int]) -> dict[int, Passage]:
        """Passages by row; those read last are kept, since one question reads its first candidates twice."""
        if len(self._held) > MOST_HELD:
            self._held.clear()
        missing = [row for row in rows if row not in self._held]
        if missing:
            self._held |= self._reader.passages_at(missing)
        return self._held

    def _count(self, field: str, word: str) -> int:
        """How many visible passages hold a word as the field has it."""
        if self._everything:
            return self._snapshot.frequencies.among((b"", field, word), lambda: self._translate.word(field, word))
        key = (self._classes.tobytes(), field, word)
        return self._snapshot.frequencies.among(key, lambda: self._visible_word(field, word))

    def _within(self, query: Any, allowed: Allowed, filters: Filters) -> Any:
        """The query among what is allowed: by access class, or by content where filters narrow it further."""
        if filters == Filters():
            if self._everything:
                return query
            return self._translate.allowed(query, "class", self._classes.tolist())
        contents, mask = self._catalogue.columns.contents, allowed.contents
        if 2 * mask.sum() <= len(mask):
            return self._translate.allowed(query, "content", contents[mask].tolist())
        return self._translate.allowed(query, "content", contents[~mask].tolist(), inverted=True)

    def _visible_word(self, field: str, word: str) -> Any:
        return self._translate.allowed(self._translate.word(field, word), "class", self._classes.tolist())

    def _may(self, rows: NDArray[np.int64], allowed: Allowed) -> NDArray[np.bool_]:
        positions = self._catalogue.positions(rows)
        may: NDArray[np.bool_] = (positions >= 0) & np.append(allowed.contents, False)[positions]
        return may

    def _slots(self, rows: Sequence[int]) -> NDArray[np.int64]:
        """Places of visible passages in the vectors, -1 for all others."""
        held = self._snapshot.vectors
        wanted = np.array(list(rows), dtype=np.int64)
        if not len(held.rows):
            return np.full(len(wanted), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(held.rows, wanted), len(held.rows) - 1)
        return np.where((held.rows[at] == wanted) & self._may(wanted, self._visible), at, -1)

    def _known(self, document: str) -> tuple[Document, int]:
        """A visible document and its content. Hidden and unknown take the same path to the same words."""
        numbers, held = np.array(self._reader.numbers([document]), dtype=np.int64), self._catalogue.columns.documents
        at = np.searchsorted(held, numbers)
        at, numbers = at[at < len(held)], numbers[at < len(held)]  # one that came after this view is not there yet
        at = at[(held[at] == numbers) & self._visible.documents[at]]
        found = self._reader.documents(held[at].tolist()) if len(at) else {}
        for known, content in found.values():
            if self._sees(known):
                return known, content
        raise NotFoundError(f"There is no document {document!r}.")

    def _read(self, numbers: Sequence[int]) -> dict[int, Document]:
        found = self._reader.documents(numbers)
        return {number: document for number, (document, _) in found.items() if self._sees(document)}

    def _sees(self, document: Document) -> bool:
        return not {EVERYONE, *self._principals}.isdisjoint(document.principals)
