"""What is in a collection at one moment, as columns in memory: who may see which documents, and what filters leave.

Permissions belong to documents, passages to contents: a content is allowed when at least one document that has it is
both visible and past every filter. All of it is decided here, before anything is ranked or counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index.backend import StoreReader
from rightsized.apps.search.types import EVERYONE, Filters

LONGEST_VALUE = 200  # characters of a field's value that can be filtered by


class Column(NamedTuple):
    """One metadata field: `codes` (documents,) are positions in `values`, -1 where a document has none."""

    codes: NDArray[np.int32]
    values: list[str]


class Allowed(NamedTuple):
    """Masks of what one search may touch: documents (bool) and contents (bool), both by position."""

    documents: NDArray[np.bool_]
    contents: NDArray[np.bool_]


class Catalogue:
    """Immutable but for columns of metadata, which are read when first asked for."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self.columns = reader.columns()
        self._classes_of: dict[str, list[int]] = {}
        for number, principals in reader.classes().items():
            for principal in principals:
                self._classes_of.setdefault(principal, []).append(number)
        self._rowed = np.flatnonzero(self.columns.passages > 0)
        self._firsts = self.columns.first_rows[self._rowed]

    @property
    def generation(self) -> int:
        return self.columns.generation

    @property
    def knows_fields(self) -> bool:
        """Whether the columns of metadata have been read."""
        return "_fields" in self.__dict__

    def read_fields(self) -> None:
        """Read the columns of metadata now, so that no question waits for it: 20 microseconds a document."""
        _ = self._fields

    def visible_classes(self, principals: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of the access classes that one of the principals, or everyone, is in."""
        numbers = {number for one in (EVERYONE, *principals) for number in self._classes_of.get(one, ())}
        return np.array(sorted(numbers), dtype=np.int64)

    def visible(self, classes: NDArray[np.int64]) -> Allowed:
        """What those classes open."""
        return self._allowed(np.isin(self.columns.class_of, classes))

    def narrowed(self, allowed: Allowed, filters: Filters) -> Allowed:
        """What of the allowed documents passes the filters."""
        if filters == Filters():
            return allowed
        mask = allowed.documents.copy()
        if filters.documents:
            mask &= np.isin(self.columns.documents, self._reader.numbers(filters.documents))
        if filters.since is not None:
            mask &= self.columns.dates >= filters.since
        if filters.until is not None:
            mask &= self.columns.dates <= filters.until
        for field, values in filters.fields.items():
            mask &= self._among(field, values)
        return self._allowed(mask)

    def positions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The content of each row, by position; -1 where the row is no longer, or not yet, there."""
        if not len(self._firsts):
            return np.full(len(rows), -1, dtype=np.int64)
        at = np.searchsorted(self._firsts, rows, side="right") - 1
        found = self._rowed[np.maximum(at, 0)]
        inside = (at >= 0) & (rows < self.columns.first_rows[found] + self.columns.passages[found])
        return np.where(inside, found, -1)

    def documents_of(self, positions: NDArray[np.int64], mask: NDArray[np.bool_]) -> dict[int, int]:
        """For contents by position, the number of the first document in the mask that has each."""
        at = np.flatnonzero(mask & np.isin(self.columns.content_of, positions))[::-1]
        pairs = zip(self.columns.content_of[at].tolist(), self.columns.documents[at].tolist(), strict=True)
        return dict(pairs)

    def languages(self, allowed: Allowed) -> list[str]:
        """Languages of the allowed contents."""
        codes = np.unique(self.columns.language_of[allowed.contents])
        return [self.columns.languages[code] for code in codes]

    def counts(self, field: str, mask: NDArray[np.bool_]) -> list[tuple[str, int]]:
        """How many documents of the mask have each value of a field; most frequent first, then by value."""
        column = self._fields.get(field)
        if column is None:
            return []
        codes = column.codes[mask]
        found = np.bincount(codes[codes >= 0], minlength=len(column.values))
        some = [(column.values[code], int(found[code])) for code in np.flatnonzero(found)]
        return sorted(some, key=lambda pair: (-pair[1], pair[0]))

    def _allowed(self, mask: NDArray[np.bool_]) -> Allowed:
        contents = np.zeros(len(self.columns.contents), dtype=np.bool_)
        contents[self.columns.content_of[mask]] = True
        return Allowed(mask, contents)

    def _among(self, field: str, values: Sequence[str]) -> NDArray[np.bool_]:
        column = self._fields.get(field)
        if column is None:
            return np.zeros(len(self.columns.documents), dtype=np.bool_)
        wanted = [code for code, value in enumerate(column.values) if value in set(values)]
        return np.isin(column.codes, np.array(wanted, dtype=np.int32))

    @cached_property
    def _fields(self) -> dict[str, Column]:
        position = {number: at for at, number in enumerate(self.columns.documents.tolist())}
        columns: dict[str, Column] = {}
        codes: dict[str, dict[str, int]] = {}
        for number, metadata in self._reader.fields():
            at = position.get(number)
            for field, value in metadata.items() if at is not None else ():
                if value and len(value) <= LONGEST_VALUE:
                    if field not in columns:
                        columns[field] = Column(np.full(len(position), -1, dtype=np.int32), [])
                        codes[field] = {}
                    code = codes[field].setdefault(value, len(codes[field]))
                    if code == len(columns[field].values):
                        columns[field].values.append(value)
                    columns[field].codes[at] = code
        return columns
