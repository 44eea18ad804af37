"""Whoever is shown an answer is on record as shown every document that it quotes, before they are shown it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rightsized.apps.search.answer.records import Answer, Cited, Said
from rightsized.apps.search.query.results import Results
from rightsized.apps.search.types import Document, Found, Highlight, Hit, Passage
from rightsized.core.errors import StoreError
from rightsized.server.api import Call
from rightsized.server.documents.answer_bodies import AnswerRequest
from rightsized.server.documents.answering import answer


def found(document: str) -> Found:
    known = Document(document, "folder:x", f"{document}.txt", "c", "T", "text/plain", 9, 0.0, 0.0)
    return Found(1, known, Passage(0, 0, 9, "It is so.", "It is so."))


class Answering:
    """Answers from a document beyond the one hit that was asked for, and notes what it is told."""

    def __init__(self, fails: bool = False) -> None:
        self.noted: list[Any] = []
        self._fails = fails

    async def answer(self, name: str, question: Any, principals: Any, *more: Any) -> Answer:
        said = Said("It is so.", (Cited("It is so.", found("third"), Highlight(0, 9)),))
        return Answer("answered", "extract", (said,), 0.5, Results((Hit(found("first"), 1.0),), 1))

    async def seen(self, access: Any) -> None:
        if self._fails:
            raise StoreError("The record cannot be written.")
        self.noted.append(access)


def ask(service: Answering) -> Any:
    call = Call({}, {}, AnswerRequest("company", "Is it so?", limit=1))
    return asyncio.run(answer(service, call))  # type: ignore[arg-type]  # what the handler uses of the service


def test_documents_quoted_beyond_the_hits_are_on_record() -> None:
    service = Answering()
    assert ask(service).sentences[0].citations[0].document.id == "third"
    (access,) = service.noted
    assert set(access.documents) == {"company/first", "company/third"}


def test_nothing_is_shown_where_it_cannot_be_put_on_record() -> None:
    with pytest.raises(StoreError):
        ask(Answering(fails=True))
