"""The ways to answer, by name: sentences of the documents, or sentences of a model that are checked against them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rightsized.apps.search.answer.answering import Inquiry, answer
from rightsized.apps.search.answer.records import Answer, Method
from rightsized.apps.search.answer.written import write
from rightsized.apps.search.protocols import View
from rightsized.tasks.writing import TextWriter

Ask = Callable[..., Awaitable[Answer]]  # as `answering.answer`
Open = Callable[[], TextWriter]  # raises UnsupportedError where nothing writes here


class Way:
    """One way to answer.

    Args:
        ask: asks a view.
        identity: names what it depends on beside the collection; empty where there is nothing.
    """

    def __init__(self, ask: Ask, identity: str = "") -> None:
        self.ask, self.identity = ask, identity


def _extract(opened: Open) -> Way:
    return Way(answer)


def _write(opened: Open) -> Way:
    writer = opened()

    async def ask(view: View, question: str, **how: Any) -> Answer:
        return await write(view, question, writer, Inquiry(**how))

    return Way(ask, writer.identity)


WAYS: dict[Method, Callable[[Open], Way]] = {"extract": _extract, "write": _write}
