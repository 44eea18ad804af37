"""Suggestions while somebody types: titles of visible documents, words of visible passages, what a slip meant."""

from __future__ import annotations

from typing import Literal

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query import names, spelling
from rightsized.apps.search.query.scoping import names_of
from rightsized.core.errors import NotFoundError
from rightsized.core.frozen import Frozen

SHORTEST = 2  # letters of the last word from which it is completed
MOST_READ = 50  # words that begin so; the most frequent ones


class Suggestion(Frozen, frozen=True):
    """`text` is what the question would become; `document` is the id of the one that has this title.

    `word`: the last word goes on. `spelling`: words that no visible passage has, replaced by ones that some has.
    """

    text: str
    kind: Literal["word", "title", "spelling"]
    document: str = ""


def suggestions(view: View, typed: str, limit: int = 8) -> tuple[Suggestion, ...]:
    """How what was typed may go on: titles first, then the last word completed, most frequent first, then corrections.

    The last word is corrected where nothing begins so: until then it may only be unfinished.
    """
    words = names.words(typed)
    if not words:
        return ()
    found: tuple[Suggestion, ...] = ()
    unfinished = not typed[-1:].isspace() and len(words[-1]) >= SHORTEST
    if unfinished:
        found = _titles(view, words, limit)
        found += _words(view, typed, limit - len(found)) if len(found) < limit else ()
    return (found + _corrected(view, typed, whole=not unfinished or not found))[:limit]


def _corrected(view: View, typed: str, *, whole: bool) -> tuple[Suggestion, ...]:
    """What was typed without its slips; the last word as it is unless all of it is `whole`."""
    last = "" if whole else _last(typed)
    begun = typed[: len(typed) - len(last)]
    meant = {one.word: one.meant for one in spelling.corrected(view, begun)}
    return (Suggestion(spelling.rewritten(begun, meant) + last, "spelling"),) if meant else ()


def _titles(view: View, words: list[str], limit: int) -> tuple[Suggestion, ...]:
    found: list[Suggestion] = []
    for document in names_of(view).documents:
        if len(found) >= limit:
            break
        if _begins(names.words(document.title), words):
            try:
                title = view.document(document.id).title  # it may have been hidden a moment ago
            except NotFoundError:
                continue
            if title not in [one.text for one in found]:
                found.append(Suggestion(title, "title", document.id))
    return tuple(found)


def _begins(title: list[str], words: list[str]) -> bool:
    """Whether the words stand in the title side by side, the last as the beginning of one."""
    *whole, last = words
    for at in range(len(title) - len(whole)):
        if title[at : at + len(whole)] == whole and title[at + len(whole)].startswith(last):
            return True
    return False


def _words(view: View, typed: str, limit: int) -> tuple[Suggestion, ...]:
    stem, last = typed[: len(typed) - len(_last(typed))], _last(typed)
    if len(last) < SHORTEST:
        return ()
    known = [term for term, _ in view.terms(last.lower(), MOST_READ) if not term.isdigit() and term != last.lower()]
    return tuple(Suggestion(stem + term, "word") for term in known[:limit])


def _last(typed: str) -> str:
    """The letters at the end."""
    at = len(typed)
    while at and typed[at - 1].isalnum():
        at -= 1
    return typed[at:]
