"""A question that repeats a title asks for that document."""

from __future__ import annotations

from rightsized.apps.search.query import names
from rightsized.apps.search.query.naming import NameIndex

MOST_DOCUMENTS = 20  # of one title
_ENDINGS = "pdf docx doc xlsx xls pptx ppt html htm md txt eml csv odt msg"
ENDINGS = frozenset(_ENDINGS.split())


def repeated(index: NameIndex, question: str) -> tuple[str, ...]:
    """Ids of the documents whose title, or file name, is the question, whatever its punctuation and case."""
    words = names.words(question)
    if len(words) > 1 and words[-1] in ENDINGS:
        words = words[:-1]
    found = index.titles.get("".join(words), set())
    return tuple(index.documents[at].id for at in sorted(found)[:MOST_DOCUMENTS])
