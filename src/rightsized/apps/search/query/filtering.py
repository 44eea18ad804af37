"""Turns the fields and dates of a question into filters, by the values that the asker's documents have.

A value matches as people write it: `type:pdf` is application/pdf, `folder:hr` what lies below hr/ too, `author:berg`
Anna Berg. A value that no visible document has leaves nothing, and a note says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query import names
from rightsized.apps.search.query.dates import Bounds
from rightsized.apps.search.query.syntax import Asked, Field
from rightsized.apps.search.types import Filters

FIELDS = ("type", "author", "folder", "source", "language", "from", "to", "subject", "parties", "sheet")
NAMED = (*FIELDS, "title")
NOBODY = ("",)  # the id of no document
_KINDS = {
    "word": "wordprocessingml", "docx": "wordprocessingml", "excel": "spreadsheetml", "xlsx": "spreadsheetml",
    "powerpoint": "presentationml", "pptx": "presentationml", "mail": "rfc822", "email": "rfc822", "eml": "rfc822",
    "text": "plain", "txt": "plain", "md": "markdown", "htm": "html",
}  # fmt: skip


class Filtered(NamedTuple):
    filters: Filters
    notes: tuple[str, ...]


def filtered(view: View, asked: Asked, given: Filters) -> Filtered:
    """Those given, narrowed by the question's own. What cannot be read is left out, with a note."""
    notes: list[str] = []
    fields, documents = dict(given.fields), given.documents
    for one in asked.fields:
        if one.name == "title":
            documents = _both(documents, _titled(view, one, given))
        else:
            fields[one.name] = _values(view, one, fields.get(one.name, ()), given, notes)
    bounds = Bounds(given.since, given.until).within(*asked.bounds)
    return Filtered(Filters(documents, fields, *bounds), tuple(notes))


def _values(view: View, field: Field, before: Sequence[str], given: Filters, notes: list[str]) -> tuple[str, ...]:
    known = [facet.value for facet in view.facets(given, [field.name])]
    wanted = field.value.casefold()
    exact = [value for value in known if value.casefold() == wanted]
    found = exact or [value for value in known if _matches(field.name, wanted, value.casefold())]
    if field.name == "folder":
        found = [value for value in known if value.casefold() == wanted or value.casefold().startswith(f"{wanted}/")]
    if field.excluded:
        found = [value for value in known if value not in found]
    elif not found:
        notes.append(f"No document has the {field.name} {field.value!r}.")
    if before:
        found = [value for value in found if value in before]
    return tuple(found) or NOBODY


def _matches(name: str, wanted: str, value: str) -> bool:
    if name == "type":
        return _KINDS.get(wanted, wanted) in value.replace("/", ".").replace("-", ".").split(".") or wanted == value
    if name == "source":
        return wanted in value
    asked, held = names.words(wanted), names.words(value)
    return bool(asked) and any(held[at : at + len(asked)] == asked for at in range(len(held)))


def _titled(view: View, field: Field, given: Filters) -> tuple[str, ...]:
    asked = names.words(field.value)
    found = []
    for document in view.documents(given):
        held = names.words(document.title)
        inside = any(held[at : at + len(asked)] == asked for at in range(len(held) - len(asked) + 1))
        if (bool(asked) and inside) != field.excluded:
            found.append(document.id)
    return tuple(found) or NOBODY


def _both(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    return (tuple(one for one in b if one in a) or NOBODY) if a else b
