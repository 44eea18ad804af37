"""Passages of documents for a draft of triage: the two applications meet here, and know nothing of each other.

A search like any other: within what whoever asks may see, and on record before anything of it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rightsized.apps.search.service import MOST_CHARS, Question, SearchService
from rightsized.apps.triage.service import Policies
from rightsized.core.roles import Identity
from rightsized.server.documents.handlers import note_hits, principals_of
from rightsized.tasks.writing import Excerpt

PASSAGES = 3
_WORD = re.compile(r"[^\W_]+")


def policies_of(documents: SearchService) -> Policies:
    """Looks passages up for a text. Raises as a search does: NotFoundError, BusyError."""

    async def look_up(collection: str, text: str, identity: Identity) -> Sequence[Excerpt]:
        words = " ".join(_WORD.findall(text)).lower()  # nothing that the search could take for its syntax
        question = Question(words[:MOST_CHARS], limit=PASSAGES)
        found = await documents.search(collection, question, principals_of(identity), identity.caller)
        await note_hits(documents, identity, collection, found)
        each = ((hit.found.passage.text, hit.found.document) for hit in found.hits)
        return tuple(Excerpt(text, one.title, f"{collection}/{one.id}") for text, one in each)

    return look_up
