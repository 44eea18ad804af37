"""Who takes a message out of the queue by hand keeps it from a person; `verify` finds that."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import msgspec
import pytest
from ledger_samples import reply, signed_ledger, started

from rightsized.core.generation import Completion
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.schema import ReviewRow
from rightsized.ledger.verify import verify


async def decide(ledger: SqliteLedger, *, audit: bool = False, answered: bool = True, written: bool = False) -> str:
    text = f"message {time.time_ns()}"
    begun = started(text, audit=audit)
    await ledger.begin(begun, text)
    made = reply(begun.id, answered=answered)
    if written:
        made = msgspec.structs.replace(made, completion=Completion(sha256="0" * 64), output=None, certified=False)
    await ledger.finish(msgspec.structs.replace(begun, phase="done", reply=made))
    return begun.id


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """Two abstained, two audited and one of text that nobody must look at; labels given, taken back, feedback."""

    async def fill(ledger: SqliteLedger) -> None:
        first = await decide(ledger, answered=False)
        await decide(ledger, answered=False)
        audited = await decide(ledger, audit=True)
        await decide(ledger, audit=True)
        await decide(ledger)
        await decide(ledger, audit=True, written=True)  # no certificate: it tells nothing
        row = ReviewRow(first, "support", "abstained", "refund", "ana", 1.0)
        await ledger.review(row)
        await ledger.review(msgspec.structs.replace(row, decision=audited, kind="audit"))
        await ledger.retract(audited, ("audit",), reviewer="ana")
        await ledger.review(msgspec.structs.replace(row, decision=audited, kind="feedback"))

    with signed_ledger(tmp_path) as ledger:
        asyncio.run(fill(ledger))
        assert ledger.reader.query("SELECT count(*) FROM waiting")[0][0] == 3
    return tmp_path / "d.sqlite"


def change(path: Path, sql: str) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    assert connection.execute(sql).rowcount > 0
    connection.commit()
    connection.close()
    return [(finding.kind, finding.words) for finding in verify(path).findings]


def test_a_queue_as_it_was_written_is_fine(waiting: Path) -> None:
    assert verify(waiting).ok


@pytest.mark.parametrize("kind", ["abstained", "audit"])
def test_a_row_that_was_taken_out_is_found(waiting: Path, kind: str) -> None:
    sql = f"DELETE FROM waiting WHERE decision = (SELECT decision FROM waiting WHERE kind = '{kind}' LIMIT 1)"
    ((found, words),) = change(waiting, sql)
    assert found == "queue"
    assert "is not in the queue" in words


@pytest.mark.parametrize("sql", ["UPDATE waiting SET task = 'other'", "UPDATE waiting SET kind = 'abstained'"])
def test_another_task_or_kind_is_found(waiting: Path, sql: str) -> None:
    found = change(waiting, sql)
    assert {kind for kind, _ in found} == {"queue"}
    assert "than its record says" in found[0][1]


def test_what_retention_takes_out_is_no_finding(waiting: Path) -> None:
    with signed_ledger(waiting.parent) as ledger:
        asyncio.run(ledger.purge_texts(time.time() + 10))
        assert ledger.reader.query("SELECT count(*) FROM waiting")[0][0] == 0
    assert verify(waiting).ok
