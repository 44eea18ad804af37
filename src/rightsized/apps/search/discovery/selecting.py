"""Which documents a criterion puts into a set, as one asker may see them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rightsized.apps.search.discovery.records import Criterion
from rightsized.apps.search.discovery.relations.families import Kin
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query import dates, syntax
from rightsized.apps.search.query.clauses import And, Clause, Terms
from rightsized.apps.search.query.filtering import NAMED, filtered
from rightsized.apps.search.query.results import Ranking, Settings
from rightsized.apps.search.query.search import MOST_RESULTS, search
from rightsized.apps.search.types import Document, Filters
from rightsized.core.errors import InputError
from rightsized.core.protocols import Encoder

FIRST_LOOK = 10_000  # matching passages asked for at first; ten times more until there are no others
_WORD = re.compile(r"[^\W_]")


async def select(view: View, criterion: Criterion, encoder: Encoder | None = None) -> list[Document]:
    """The documents, by title. Every copy counts: two of the same content are two documents.

    Raises InputError where the criterion has no words or asks for too many documents.
    """
    if criterion.kind == "search":
        return await _ranked(view, criterion, encoder)
    if criterion.kind == "terms":
        return _matching(view, criterion)
    return view.documents(criterion.filters)


def with_families(view: View, documents: Iterable[Document]) -> list[Document]:
    """What belongs to the documents and is not among them: mails they came with, and their attachments."""
    kin = Kin(view.documents(Filters()))
    chosen = {one.id for one in documents}
    wanted = {other for one in chosen if one in kin.documents for other in kin.family(one)}
    return [kin.documents[one] for one in sorted(wanted - chosen, key=lambda one: kin.documents[one].key)]


async def _ranked(view: View, criterion: Criterion, encoder: Encoder | None) -> list[Document]:
    if not 1 <= criterion.most <= MOST_RESULTS:
        raise InputError(f"A ranked search gives 1 to {MOST_RESULTS:,} documents, not {criterion.most:,}.")
    settings = Settings(criterion.most, scope=False, fold=False, by_document=True, highlight=False)
    plain = Ranking(ordering=None)
    found = await search(
        view,
        criterion.text,
        encoder=encoder,
        filters=criterion.filters,
        limit=criterion.most,
        settings=settings,
        ranking=plain,
    )
    return _copies(view, {hit.found.document.content for hit in found.hits}, found.filters)


def _matching(view: View, criterion: Criterion) -> list[Document]:
    asked = syntax.parse(criterion.text, NAMED)
    narrowed, notes = filtered(view, asked, criterion.filters)
    if notes or asked.notes:
        raise InputError(" ".join((*asked.notes, *notes)), fix="Mend the search: what it finds is frozen in the set.")
    if asked.clause is None:
        if not asked.fields and asked.bounds == dates.Bounds():
            raise InputError(f"{criterion.text!r} has no words to search for.")
        return view.documents(narrowed)
    clause, limit = asked.clause if asked.strict else _all_words(asked.clause), FIRST_LOOK
    while len(rows := view.lexical(clause, narrowed, limit).rows) == limit:
        limit *= 10
    found = view.documents_of(rows.tolist(), narrowed)
    return _copies(view, {one.content for one in found.values()}, narrowed)


def _all_words(clause: Clause) -> Clause:
    """Plain words rank in a search; here a document must have them all."""
    if not isinstance(clause, Terms):
        return clause
    return And(tuple(Terms(word) for word in clause.text.split() if _WORD.search(word)))


def _copies(view: View, contents: set[str], filters: Filters) -> list[Document]:
    return [one for one in view.documents(filters) if one.content in contents]
