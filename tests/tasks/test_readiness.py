"""A server is ready while decisions can be recorded: found out by writing, said with the reason, mended by itself."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from pathlib import Path

import pytest

from gateway_samples import settings
from rightsized.core.errors import StoreError
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks.readiness import KNOWN_S, WriteCheck
from rightsized.tasks.service import LocalService


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A log that does as it is told, and counts."""

    def __init__(self) -> None:
        self.tried, self.error, self.hangs = 0, "", False

    async def probe(self) -> None:
        self.tried += 1
        if self.hangs:
            await asyncio.sleep(3600)
        if self.error:
            raise StoreError(self.error)


def test_it_is_tried_once_a_second_however_often_it_is_asked() -> None:
    async def main() -> None:
        told, clock = Log(), Clock()
        check = WriteCheck(told, clock=clock)
        assert await asyncio.gather(*(check.trouble() for _ in range(50))) == [""] * 50
        assert told.tried == 1
        clock.now += KNOWN_S
        told.error = "gone"
        assert await check.trouble() == "gone"
        told.error = ""
        assert await check.trouble() == "gone"  # still what was found out
        clock.now += KNOWN_S
        assert await check.trouble() == ""
        assert told.tried == 3

    asyncio.run(main())


def test_a_disk_that_hangs_takes_nothing() -> None:
    async def main() -> str:
        told = Log()
        told.hangs = True
        return await WriteCheck(told, patience=0.01).trouble()

    assert "has taken nothing for 0.01 seconds" in asyncio.run(main())


def test_what_changes_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rightsized.ledger")

    async def main() -> None:
        told, clock = Log(), Clock()
        check = WriteCheck(told, clock=clock)
        for told.error in ("", "gone", "gone", "", ""):
            clock.now += KNOWN_S
            await check.trouble()

    asyncio.run(main())
    events = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert events == [("ERROR", "Decisions cannot be recorded"), ("INFO", "Decisions can be recorded again")]


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "d.sqlite") as ledger:
        tables = ledger.reader.query("SELECT name FROM sqlite_master ORDER BY name")
        asyncio.run(ledger.probe())
        asyncio.run(ledger.probe())
        assert ledger.reader.query("SELECT name FROM sqlite_master ORDER BY name") == tables
        assert list(ledger.reader.rows()) == []
        assert ledger.reader.check() == []


def test_a_log_without_space_is_no_longer_ready_and_is_again_once_there_is_some(tmp_path: Path) -> None:
    async def main() -> None:
        with SqliteLedger(tmp_path / "d.sqlite") as ledger:
            clock = Clock()
            check = WriteCheck(ledger, clock=clock)
            pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
            ledger._connection.execute(f"PRAGMA max_page_count = {pages + 1}")  # SQLite then reports a full disk
            assert "No space is left to record decisions" in await check.trouble()
            ledger._connection.execute("PRAGMA max_page_count = 1000000")
            clock.now += KNOWN_S
            assert await check.trouble() == ""

    asyncio.run(main())


def test_a_file_system_that_is_really_full(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "t", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs leave of the machine")

    async def main() -> None:
        config = settings(tmp_path)
        async with LocalService(config, purpose="serve", record=True, gateway=True) as service:
            assert service.ready()
            assert await service.trouble() == ""
            ballast = tmp_path / "ballast"
            with pytest.raises(OSError, match="No space"), ballast.open("wb") as file:
                while True:
                    file.write(b"b" * 4096)
                    file.flush()
            await asyncio.sleep(KNOWN_S)
            assert "No space is left" in await service.trouble()
            ballast.unlink()
            await asyncio.sleep(KNOWN_S)
            assert await service.trouble() == ""

    try:
        asyncio.run(main())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=False)
