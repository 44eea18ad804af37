"""Which document a person means: by its id, its key, its file name or its title, among those that they may see."""

from __future__ import annotations

from rightsized.apps.search.protocols import View
from rightsized.apps.search.types import Document, Filters
from rightsized.core.errors import InputError, NotFoundError

SHOWN = 5  # documents named where several are meant


def document_named(view: View, given: str) -> Document:
    """The one document that is meant. Raises NotFoundError, InputError where several could be."""
    try:
        return view.document(given)
    except NotFoundError:
        known = view.documents(Filters())
    name = given.casefold()
    ways = (
        [one for one in known if one.key == given],
        [one for one in known if one.key.casefold() == name or one.title.casefold() == name],
        [one for one in known if one.key.casefold().rpartition("/")[2] == name],
        [one for one in known if name in one.title.casefold() or name in one.key.casefold()],
    )
    found = next((way for way in ways if way), [])
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFoundError(f"There is no document {given!r}.", fix="See: rightsized search query COLLECTION QUESTION")
    some = ", ".join(f"{one.key} ({one.id})" for one in found[:SHOWN])
    raise InputError(f"{given!r} could be {len(found)} documents: {some}.", fix="Give the id.")
