"""Written answers against a model server on loopback: right, wrongly cited, invented, hostile and broken replies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answer_rooms import (
    HOSTILE,
    LEAVE,
    QUESTION,
    SALARY,
    TRAVEL,
    Counting,
    collected,
    saying,
    told,
    with_gateway,
    writer,
)

from rightsized.apps.search.answer.answering import Bar
from rightsized.apps.search.answer.records import Answer
from rightsized.apps.search.answer.written import MOST_READ, packed, write
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.query.search import search
from rightsized.apps.search.types import Document, Found, Hit, Passage
from rightsized.apps.search.writing import Excerpt, FakeTextWriter, Prompt, inert, messages
from rightsized.core.errors import BusyError, UpstreamError
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks.gateway import LocalGateway
from tests.engines.upstream import Behaviour, Upstream, reset, whole

OPEN = Bar(least=0.0)
PAPERS = {"leave.md": LEAVE, "travel.md": TRAVEL, "salary.md": SALARY, "notes.md": HOSTILE}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Collection]]:
    root = tmp_path_factory.mktemp("written")
    collection = collected(root, PAPERS)
    yield root, collection
    collection.close()


def asked(
    room: tuple[Path, Collection], *turns: Behaviour, principals: tuple[str, ...] = (), **more: Any
) -> tuple[Answer, Upstream, list[Any]]:
    root, collection = room

    async def work(gateway: LocalGateway, upstream: Upstream, ledger: SqliteLedger) -> tuple[Answer, Upstream, list[Any]]:
        found = await write(
            collection.view(principals), QUESTION, writer=writer(gateway), encoder=Counting(), bar=OPEN
        )
        decision = ledger.reader.decision(found.written.decision) if found.written else None
        return found, upstream, [decision]

    got: tuple[Answer, Upstream, list[Any]] = with_gateway(root, turns, work, **more)
    return got


async def number_of(collection: Collection, key: str, principals: tuple[str, ...] = ()) -> int:
    """The number under which the model sees the first passage of a document."""
    found = await search(collection.view(principals), QUESTION, encoder=Counting(), limit=10)
    hits = packed(found.hits[:8], 0)
    return next(at for at, hit in enumerate(hits, 1) if hit.found.document.key == key)


@pytest.fixture
async def leave(room: tuple[Path, Collection]) -> int:
    return await number_of(room[1], "leave.md")


@pytest.fixture
async def travel(room: tuple[Path, Collection]) -> int:
    return await number_of(room[1], "travel.md")
