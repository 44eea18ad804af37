"""Closing the reader while another thread asks: the query ends first, and later ones are refused in words."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader

SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n"


def test_closing_waits_for_a_query_under_way(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "d.sqlite").close()
    reader, found = LedgerReader(tmp_path / "d.sqlite"), []
    asking = threading.Thread(target=lambda: found.extend(reader.query(SLOW)))
    asking.start()
    while not reader._lock.locked():
        time.sleep(0.001)
    reader.close()
    asking.join()
    assert found == [(3_000_000,)]
    with pytest.raises(Exception, match="closed"):
        reader.query("SELECT 1")
