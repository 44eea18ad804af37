"""Reads a question: the names in it become a scope, its syntax a clause and filters, misspelt words what was meant."""

from __future__ import annotations

from typing import NamedTuple

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query import spelling, syntax
from rightsized.apps.search.query.candidates import Query
from rightsized.apps.search.query.filtering import NAMED, filtered
from rightsized.apps.search.query.results import Correction, Scope, Settings
from rightsized.apps.search.query.scoping import names_of, scoped
from rightsized.apps.search.query.titles import repeated
from rightsized.apps.search.types import Filters


class Prepared(NamedTuple):
    """A question as it goes to the rankings: `words` are embedded and marked; `titled` are ids of documents whose title
    the question is.
    """

    query: Query
    words: str
    scope: Scope
    corrections: tuple[Correction, ...]
    notes: tuple[str, ...]
    titled: tuple[str, ...] = ()


def prepared(view: View, question: str, filters: Filters, settings: Settings) -> Prepared:
    """Read a question for one asker."""
    scope, rest = scoped(view, question, filters) if settings.scope else (Scope(), question)
    asked = syntax.parse(rest, NAMED) if settings.syntax else syntax.words_only(rest)
    narrowed, notes = filtered(view, asked, filters)
    if scope.documents:
        narrowed = Filters(scope.documents, narrowed.fields, narrowed.since, narrowed.until)
    titled = repeated(names_of(view), question) if settings.scope else ()
    corrections = spelling.corrected(view, asked.words) if settings.correct else ()
    clause, words = asked.clause, asked.words
    if corrections and clause is not None:
        clause = spelling.replaced(clause, corrections)
        words = spelling.rewritten(words, {one.word: one.meant for one in corrections})
    query = Query(clause, None, asked.strict, narrowed)
    return Prepared(query, words, scope, corrections, (*asked.notes, *notes), titled)
