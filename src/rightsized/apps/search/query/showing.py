"""From candidates in order to one page of hits: repeats folded, words marked, facets counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.folding import Folder
from rightsized.apps.search.query.highlighting import best_sentence, highlights, weights_of
from rightsized.apps.search.query.ordering import Ordered
from rightsized.apps.search.query.results import Settings
from rightsized.apps.search.query.stems import places, wanted
from rightsized.apps.search.types import Facet, Filters, Found, Hit
from rightsized.parsers.types import Line

CHUNK = 2  # pages of passages that are read at once
MOST_LANGUAGES = 3  # in which words are marked: those of most documents
DEFAULT_LANGUAGE = "en"


class Page(NamedTuple):
    limit: int
    offset: int
    settings: Settings


class Shown(NamedTuple):
    hits: tuple[Hit, ...]
    facets: tuple[Facet, ...]


class _Placed(NamedTuple):
    """A passage that opens place `place` of the list; `at` is where it stands among the candidates."""

    place: int
    at: int
    found: Found


def shown(view: View, filters: Filters, words: str, found: Ordered, page: Page) -> Shown:
    """One page.

    Args:
        words: of the question, to be marked.
        found: all candidates, best first.
    """
    folder = Folder(fold=page.settings.fold and bool(words), by_document=page.settings.by_document)
    placed = _placed(view, filters, found, page, folder)[page.offset : page.offset + page.limit]
    marker = _Marker(view, words, [one.found for one in placed]) if page.settings.highlight else None
    hits = []
    for one in placed:
        hit = Hit(one.found, float(found.scores[one.at]), found.parts(one.at), folded=tuple(folder.behind[one.place]))
        hits.append(marker.marked(hit) if marker else hit)
    return Shown(tuple(hits), _facets(view, filters, found, page.settings.facets))


def _placed(view: View, filters: Filters, found: Ordered, page: Page, folder: Folder) -> list[_Placed]:
    """The passages that open a place, as far as the page needs them."""
    rows = found.candidates.rows.tolist()
    placed: list[_Placed] = []
    size = max(1, CHUNK * (page.limit + page.offset))
    for start in range(0, len(rows), size):
        position = {row: at for at, row in enumerate(rows[start : start + size], start)}
        for one in view.found(rows[start : start + size], filters):
            if folder.add(one):
                placed.append(_Placed(len(placed), position[one.row], one))
        if len(placed) >= page.offset + page.limit:
            break
    return placed


def _facets(view: View, filters: Filters, found: Ordered, fields: Sequence[str]) -> tuple[Facet, ...]:
    """Counts of the candidates' documents."""
    if not fields or not len(found.candidates.rows):
        return ()
    return tuple(view.facets(filters, fields, found.candidates.rows.tolist()))


class _Marker:
    """Marks the words of one question; reads the lines of each document once."""

    def __init__(self, view: View, words: str, some: Sequence[Found]) -> None:
        languages = [facet.value for facet in view.facets(Filters(), ["language"])][:MOST_LANGUAGES]
        self._view = view
        self._stems = wanted(words, languages or [DEFAULT_LANGUAGE])
        self._found = {one.row: list(places(one.passage.text, self._stems)) for one in some}
        self._weights = weights_of(list(self._found.values()))
        self._lines: dict[str, tuple[Line, ...]] = {}

    def marked(self, hit: Hit) -> Hit:
        from msgspec.structs import replace

        lines, passage, found = self._of(hit.found), hit.found.passage, self._found[hit.found.row]
        sentence = best_sentence(passage, self._stems, self._weights, lines, found)
        return replace(hit, highlights=highlights(passage, self._stems, lines, found), sentence=sentence)

    def _of(self, found: Found) -> tuple[Line, ...]:
        document = found.document
        if not document.pages:
            return ()
        if document.id not in self._lines:
            self._lines[document.id] = self._view.lines(document.id)
        return self._lines[document.id]
