"""The answer above the results of a search: each sentence with links to its places."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rightsized.apps.search.answer.records import Answer, Cited
from rightsized.apps.search.places import place

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
    """An answer as the page shows it; `note` says how far it can be relied on, `notes` what was done, in sentences.

    `decision` is the one under which a model wrote; empty where none did. `record`: the one that stands for the answer
    itself, where a promise is watched.
    """

    sentences: list[SaidView]
    note: str
    notes: tuple[str, ...] = ()
    decision: str = ""
    record: str = ""


def answer_view(found: Answer, here: Here) -> AnswerView | None:
    """An answer, ready to be shown; None where there is nothing to show or to say."""
    shown = found.sentences or found.offered
    if not shown and not found.notes:
        return None
    said = [SaidView(" ".join(one.text.split()), _places(one.citations, here)) for one in shown]
    written = found.written.decision if found.written else ""
    return AnswerView(said, _note(found), found.notes, written, found.decision)


def _note(found: Answer) -> str:
    if found.status == "abstained":
        return "What comes nearest in the documents." if found.offered else ""
    if found.state == "certified":
        return found.promise
    who = "Written by a model from the passages cited. " if found.written else ""
    likely = f"{100 * found.probability:.0f}% is the estimated probability that the passage is right."
    return f"{who}Read it in its place: {likely} {found.promise}"


def _places(citations: tuple[Cited, ...], here: Here) -> list[PlaceView]:
    places = [PlaceView(_where(one), here.document(one.found, one.mark.start, one.mark.end)) for one in citations]
    return list(dict.fromkeys(places))


def _where(cited: Cited) -> str:
    document, passage = cited.found.document, cited.found.passage
    page = cited.mark.boxes[0].page if cited.mark.boxes else passage.page
    parts = [document.title or document.key, place(document, page), passage.path[-1] if passage.path else ""]
    return " · ".join(part for part in parts if part)
