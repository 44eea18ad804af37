"""Finding decisions: by an index where there is one, by a sieve in SQLite elsewhere, and never less than was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ledger_samples import reply, signed_ledger, started

from rightsized.core.verdicts import Verdict
from rightsized.ledger.find import Wanted, find
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.schema import SEALED

ODD = 'a "quoted" ünïcode\\label'


async def fill(ledger: SqliteLedger) -> None:
    for number in range(12):
        text = f"message {number}"
        begun = msgspec.structs.replace(
            started(text),
            id=f"d{number:02}",
            tenant=ODD if number == 3 else "ward",
            subject="anna" if number in (5, 6) else "",
            conversation="thread" if number in (6, 7) else "",
        )
        await ledger.begin(begun, text)
        made = reply(begun.id, ODD if number == 4 else "billing")
        verdicts = (Verdict("billing", "allow", "request", "a rule that is called as a label"),) if number == 8 else ()
        await ledger.finish(
            msgspec.structs.replace(begun, phase="done", reply=msgspec.structs.replace(made, verdicts=verdicts))
        )


@pytest.fixture(scope="module", params=["named", "tenant"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerReader]:
    """Twelve decisions; with `tenant` those that name nobody are sealed under their tenant's key."""
    folder = tmp_path_factory.mktemp("log")
    with signed_ledger(folder, tenants=request.param == "tenant") as ledger:
        asyncio.run(fill(ledger))
    with LedgerReader(folder / "d.sqlite") as reader:
        yield reader


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"label": ODD}, [4]),
        ({"tenant": ODD}, [3]),
        ({"tenant": "ward", "label": ODD}, [4]),
        ({"rule": "billing"}, [8]),  # every other record holds that word as its label
        ({"subject": "anna"}, [6, 5]),
        ({"subject": "nobody"}, []),
        ({"conversation": "thread"}, [7, 6]),
        ({"subject": "anna", "conversation": "thread"}, [6]),
        ({"label": "none"}, []),
        ({"rung": "encoder", "model": "sha256:aa", "tenant": "ward"}, [11, 10, 9, 8, 7, 6, 5, 4, 2, 1, 0]),
    ],
)
def test_what_is_wanted_is_found(log: LedgerReader, wanted: dict[str, str], numbers: list[int]) -> None:
    assert [one.id for one in find(log, Wanted(**wanted))] == [f"d{number:02}" for number in numbers]


def test_pages_and_sealed_records_are_found_by_an_index(log: LedgerReader) -> None:
    """Without one each page of a log of a million entries took eight seconds."""
    asked: list[str] = []
    query = log.query
    log.query = lambda sql, values=(): asked.append(sql) or query(sql, values)  # type: ignore[method-assign]
    try:
        log.search(Search(since=1.0), before="d05")
        log.search(Search(), limit=3)
    finally:
        del log.query
    within = f"SELECT count(*) FROM starts WHERE text_sha256 >= ? AND text_sha256 < ? AND {SEALED}"
    for sql in (*(sql for sql in asked if "ORDER BY" in sql), within):
        plan = [row[3] for row in log.query(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?"))]
        assert not [step for step in plan if step == "SCAN s" or "TEMP B-TREE" in step], plan


def test_the_search_of_an_erased_person_finds_nobody(tmp_path: Path) -> None:
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(fill(ledger))
        assert len(list(find(ledger.reader, Wanted(subject="anna")))) == 2
        ledger._subjects.erase("person:anna", at=1.0)
        assert list(find(ledger.reader, Wanted(subject="anna"))) == []
