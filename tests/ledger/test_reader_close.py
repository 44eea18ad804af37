"""Closing while another thread asks: the query ends first, and later ones are refused in words.

SQLite does not survive a connection that is closed in mid-query: the process ends by a segmentation fault.
"""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from rightsized.core.errors import StoreError
from rightsized.ledger import log, retention
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader

SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n"


def until_asked(reader: LedgerReader) -> None:
    while not reader._lock.locked():
        time.sleep(0.001)


def test_closing_waits_for_a_query_under_way(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "d.sqlite").close()
    reader, found = LedgerReader(tmp_path / "d.sqlite"), []
    asking = threading.Thread(target=lambda: found.extend(reader.query(SLOW)))
    asking.start()
    until_asked(reader)
    reader.close()
    asking.join()
    assert found == [(3_000_000,)]
    with pytest.raises(StoreError, match="closed"):
        reader.query("SELECT 1")


def test_a_log_closes_while_retention_looks_for_old_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a command that ends at once: the look, in a thread of its own, outlives the task that was cancelled."""
    monkeypatch.setattr(retention, "OLD", f"{SLOW} WHERE ?1 >= 0 AND ?2 >= 0")
    looks, done = threading.Event(), threading.Event()

    def due(*arguments: object) -> list[int]:
        looks.set()
        try:
            return retention.due(*arguments)  # type: ignore[arg-type]
        finally:
            done.set()

    monkeypatch.setattr(log, "due", due)

    async def main() -> None:
        ledger = SqliteLedger(tmp_path / "d.sqlite")
        looking = asyncio.create_task(ledger.purge_texts(1.0))
        await asyncio.to_thread(looks.wait, 20)
        assert ledger.reader.query("SELECT 1") == [(1,)]  # by a connection of its own: nobody else waits for it
        assert not done.is_set()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await asyncio.to_thread(ledger.close)

    asyncio.run(main())
    SqliteLedger(tmp_path / "d.sqlite").close()  # its lock was let go
