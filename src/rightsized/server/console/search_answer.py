"""The answer above the results of a search: each sentence with links to its places."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rightsized.apps.search.answer.records import Answer, Cited

if TYPE_CHECKING:
    from rightsized.server.console.search import Here


class PlaceView(NamedTuple):
    """Where a sentence comes from, and the address that opens the document there."""

    where: str
    address: str


class SaidView(NamedTuple):
    """A sentence, and its places."""

    text: str
    places: list[PlaceView]


class AnswerView(NamedTuple):
    """An answer as the page shows it; `note` says how far it can be relied on."""

    sentences: list[SaidView]
    note: str


def answer_view(found: Answer, here: Here) -> AnswerView | None:
    """An answer, ready to be shown; None where nothing was answered."""
    if found.status == "abstained":
        return None
    said = [SaidView(" ".join(one.text.split()), _places(one.citations, here)) for one in found.sentences]
    likely = f"Read it in its place: {100 * found.probability:.0f}% of such extracts were right on public questions."
    return AnswerView(said, f"{likely} {found.promise}")


def _places(citations: tuple[Cited, ...], here: Here) -> list[PlaceView]:
    places = [PlaceView(_where(one), here.document(one.found, one.mark.start, one.mark.end)) for one in citations]
    return list(dict.fromkeys(places))


def _where(cited: Cited) -> str:
    document, passage = cited.found.document, cited.found.passage
    page = cited.mark.boxes[0].page if cited.mark.boxes else passage.page
    parts = [document.title or document.key, f"page {page}" if page else "", passage.path[-1] if passage.path else ""]
    return " · ".join(part for part in parts if part)
