"""The ledger: what is acknowledged is on the disk, nothing written changes, one writer, clear errors, retention."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ledger_samples import open_ledger, reply, signed_ledger, started
from msgspec.structs import replace

from rightsized.core.errors import (
    BusyError,
    DiskFullError,
    HomeLockedError,
    InputError,
    IntegrityError,
    NotFoundError,
    StoreError,
)
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.schema import EventRow, ReviewRow, encode, leaf
from rightsized.ledger.verify import verify


def test_a_decision_is_read_back_whole(tmp_path: Path) -> None:
    begun = replace(started("wo ist meine Karte?", audit=True), conversation="c-1")
    ended = replace(begun, phase="done", ended=begun.started + 1, reply=reply(begun.id))

    async def scenario() -> None:
        with open_ledger(tmp_path / "d.sqlite") as ledger:
            await ledger.begin(begun, "wo ist meine Karte?")
            assert ledger.get(begun.id) == begun
            await ledger.finish(ended)
            assert ledger.get(begun.id) == ended
            assert ledger.get("no such id") is None
            assert ledger.reader.text(begun.id) == "wo ist meine Karte?"

    asyncio.run(scenario())
    with LedgerReader(tmp_path / "d.sqlite") as reader:
        assert reader.get(begun.id) == ended
        assert reader.check() == []


def test_many_at_once_share_commits_and_stand_in_order(tmp_path: Path) -> None:
    decisions = [started(f"message {i}") for i in range(300)]

    async def one(ledger: SqliteLedger, number: int) -> None:
        await ledger.begin(decisions[number], f"message {number}")
        await ledger.finish(replace(decisions[number], phase="done", reply=reply(decisions[number].id)))

    async def scenario() -> int:
        with open_ledger(tmp_path / "d.sqlite", group_ms=2.0, queue_rows=1000) as ledger:
            await asyncio.gather(*(one(ledger, n) for n in range(300)))
            return ledger.groups

    assert asyncio.run(scenario()) < 100  # 600 rows
    with LedgerReader(tmp_path / "d.sqlite") as reader:
        rows = list(reader.rows())
        assert [row.seq for row in rows] == list(range(1, 601))
        first = {row.record: row.seq for row in rows if row.table == "starts"}
        assert all(encode(d) in first for d in decisions)
        assert list(reader.rows(after=590)) == rows[590:]
        assert leaf(rows[0]) == b"starts\0" + bytes(7) + b"\x01" + rows[0].record
        assert len({leaf(row) for row in rows}) == 600


def test_search_filters_pages_and_counts(tmp_path: Path) -> None:
    begun = [replace(started(f"m {i}", task="a" if i < 6 else "b"), started=1000.0 + i) for i in range(9)]

    async def scenario(ledger: SqliteLedger) -> None:
        for i, decision in enumerate(begun):
            await ledger.begin(decision, f"m {i}")
        for i, decision in enumerate(begun[:7]):
            failed = replace(decision, phase="failed", error="broke")
            done = replace(decision, phase="done", reply=reply(decision.id, answered=i % 2 == 0))
            await ledger.finish(failed if i == 6 else done)

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        asyncio.run(scenario(ledger))
        reader = ledger.reader

        def found(**wanted: object) -> list[int]:
            search = Search(**wanted)  # type: ignore[arg-type]
            hits = reader.search(search)
            assert reader.count(search) == len(hits)
            return [int(d.started) - 1000 for d in hits]

        assert found() == [8, 7, 6, 5, 4, 3, 2, 1, 0]
        assert found(task="b") == [8, 7, 6]
        assert found(task="a", status="answered") == [4, 2, 0]
        assert found(status="abstained") == [5, 3, 1]
        assert found(status="failed") == [6]
        assert found(status="open") == [8, 7]
        assert found(tier=3) == [4, 2, 0]
        assert found(since=1002.0, until=1005.0, status="abstained") == [3]
        assert found(audit=True) == []
        page = reader.search(Search(task="a"), limit=2)
        assert [int(d.started) - 1000 for d in reader.search(Search(task="a"), limit=2, before=page[-1].id)] == [3, 2]


def test_a_start_without_end_reads_interrupted_once_its_writer_is_gone(tmp_path: Path) -> None:
    begun = started()
    path = tmp_path / "d.sqlite"
    with open_ledger(path) as ledger:
        asyncio.run(ledger.begin(begun, "text"))
        with LedgerReader(path) as reader:
            assert reader.get(begun.id).phase == "started"
    with LedgerReader(path) as reader:
        assert reader.get(begun.id).phase == "interrupted"
    with open_ledger(path) as ledger:  # a new writer does not bring the old run back to life
        assert ledger.get(begun.id).phase == "interrupted"


@pytest.mark.parametrize("table", ["starts", "ends", "reviews", "events", "runs"])
def test_triggers_refuse_changes(tmp_path: Path, table: str) -> None:
    begun = started()
    path = tmp_path / "d.sqlite"

    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.begin(begun, "text")
        await ledger.finish(replace(begun, phase="done", reply=reply(begun.id, answered=False)))
        await ledger.review(ReviewRow(begun.id, "support", "abstained", "billing", "ana", 1.0))
        await ledger.note(EventRow("alarm", "support", "c1", 2.0, "too many wrong"))

    with open_ledger(path) as ledger:
        asyncio.run(scenario(ledger))
    connection = sqlite3.connect(path)
    before = connection.execute(f"SELECT * FROM {table}").fetchall()
    assert len(before) == 1
    column = "pid" if table == "runs" else "task"
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(f"UPDATE {table} SET {column} = 'x'")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(f"DELETE FROM {table}")
    assert connection.execute(f"SELECT * FROM {table}").fetchall() == before
    connection.close()


def test_what_does_not_fit_is_refused_alone(tmp_path: Path) -> None:
    good, twice = started("a"), started("b")

    async def scenario(ledger: SqliteLedger) -> list[object]:
        await ledger.begin(twice, "b")
        outcomes = await asyncio.gather(
            ledger.begin(twice, "b"),
            ledger.begin(good, "a"),
            ledger.begin(replace(started(), conversation="\ud800"), "c"),
            ledger.finish(replace(started(), phase="done")),
            return_exceptions=True,
        )
        await ledger.finish(replace(twice, phase="failed"))
        with pytest.raises(InputError):
            await ledger.finish(replace(twice, phase="failed"))
        with pytest.raises(InputError, match="started"):
            await ledger.finish(twice)
        return list(outcomes)

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        outcomes = asyncio.run(scenario(ledger))
        assert [type(o) for o in outcomes] == [InputError, type(None), InputError, InputError]
        assert [row.seq for row in ledger.reader.rows()] == [1, 2, 3]  # refused rows leave no gap


def test_a_full_queue_says_busy_and_loses_nothing(tmp_path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> tuple[int, int]:
        outcomes = await asyncio.gather(
            *(ledger.begin(started(str(i)), str(i)) for i in range(50)), return_exceptions=True
        )
        busy = [o for o in outcomes if isinstance(o, BusyError)]
        assert all(o is None or isinstance(o, BusyError) for o in outcomes)
        return len(outcomes) - len(busy), len(busy)

    with open_ledger(tmp_path / "d.sqlite", queue_rows=5) as ledger:
        accepted, busy = asyncio.run(scenario(ledger))
        assert busy > 0
        assert ledger.reader.count(Search()) == accepted > 0


def test_a_cancelled_caller_leaves_its_row(tmp_path: Path) -> None:
    begun = started()

    async def scenario(ledger: SqliteLedger) -> None:
        task = asyncio.ensure_future(ledger.begin(begun, "text"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await ledger.finish(replace(begun, phase="failed"))

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        asyncio.run(scenario(ledger))
        assert ledger.get(begun.id).phase == "failed"


def test_full_disk_is_an_error_and_recording_goes_on_when_there_is_space(tmp_path: Path) -> None:
    kept: list[str] = []
    big = "x" * 20_000

    async def fill(ledger: SqliteLedger) -> None:
        for i in range(1000):
            begun = started(f"{i}{big}")
            await ledger.begin(begun, f"{i}{big}")
            kept.append(begun.id)

    with open_ledger(tmp_path / "d.sqlite") as ledger:
        pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        ledger._connection.execute(f"PRAGMA max_page_count = {pages + 100}")  # SQLite then reports a full disk
        with pytest.raises(DiskFullError, match="No space is left"):
            asyncio.run(fill(ledger))
        assert 1 < len(kept) < 100
        assert [d.id for d in reversed(ledger.reader.search(Search()))] == kept
        ledger._connection.execute("PRAGMA max_page_count = 1000000")
        begun = started("after")
        asyncio.run(ledger.begin(begun, "after"))
        assert [row.seq for row in ledger.reader.rows()] == list(range(1, len(kept) + 2))
        assert ledger.reader.check() == []


def test_a_file_system_that_is_really_full(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "t", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs leave of the machine")
    kept: list[str] = []
    big = "x" * 20_000

    async def fill(ledger: SqliteLedger) -> None:
        for i in range(1000):
            begun = started(f"{i}{big}")
            await ledger.begin(begun, f"{i}{big}")
            kept.append(begun.id)

    try:
        ballast = tmp_path / "ballast"
        ballast.write_bytes(b"b" * 200_000)
        with signed_ledger(tmp_path) as ledger:
            with pytest.raises(DiskFullError):
                asyncio.run(fill(ledger))
            assert kept
            assert verify(tmp_path / "d.sqlite").findings == ()
            ballast.unlink()
            begun = started("after")
            asyncio.run(ledger.begin(begun, "after"))
        with LedgerReader(tmp_path / "d.sqlite") as reader:
            assert {d.id for d in reader.search(Search())} == {*kept, begun.id}
        assert verify(tmp_path / "d.sqlite").findings == ()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_one_writer_a_file_and_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    code = (
        "import sys; from rightsized.ledger.log import SqliteLedger\n"
        "ledger = SqliteLedger(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "open\n"
        with pytest.raises(HomeLockedError, match=f"Process {child.pid} already writes") as caught:
            open_ledger(path)
        assert "RIGHTSIZED_HOME" in caught.value.fix
    finally:
        child.kill()
        child.communicate()
    with open_ledger(path) as ledger, pytest.raises(HomeLockedError):
        SqliteLedger(ledger.path)


def test_retention_deletes_text_and_gives_space_back(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    secret = "sort code 12-34-56 " * 200

    async def scenario(ledger: SqliteLedger) -> None:
        begun = [replace(started(f"{i} {secret}"), started=1000.0 + i) for i in range(600)]
        await asyncio.gather(*(ledger.begin(d, f"{i} {secret}") for i, d in enumerate(begun)))
        again = replace(started(f"0 {secret}"), started=5000.0)  # the same text came again later: kept
        await ledger.begin(again, f"0 {secret}")
        size = ledger.reader.query("PRAGMA page_count")[0][0] * 4096
        recording = asyncio.ensure_future(ledger.begin(replace(started("new"), started=5000.0), "new"))
        assert await ledger.purge_texts(older_than=2000.0) == 599
        await recording
        assert await ledger.purge_texts(older_than=2000.0) == 0
        assert path.stat().st_size < size / 5
        assert ledger.reader.text(begun[0].id) == f"0 {secret}"
        assert ledger.reader.text(begun[1].id) is None
        assert ledger.get(begun[1].id).text_sha256 == begun[1].text_sha256

    with open_ledger(path, queue_rows=1000) as ledger:
        asyncio.run(scenario(ledger))
        left = b"".join(p.read_bytes() for p in tmp_path.iterdir())
        assert left.count(b"sort code 12-34-56 sort code") <= 200  # of the one text kept


@pytest.mark.parametrize("damage", ["not a database", "header", "middle"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "d.sqlite"
    begun = [started(f"{i}") for i in range(300)]

    async def fill(ledger: SqliteLedger) -> None:
        await asyncio.gather(*(ledger.begin(d, f"{i}") for i, d in enumerate(begun)))

    with open_ledger(path, queue_rows=1000) as ledger:
        asyncio.run(fill(ledger))
    whole = path.read_bytes()
    assert not path.with_name("d.sqlite-wal").exists()
    if damage == "not a database":
        path.write_bytes(b"hello " * 1000)
    elif damage == "header":
        path.write_bytes(b"\xff" * 100 + whole[100:])
    else:
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 8192) + whole[-4096:])
    with pytest.raises(IntegrityError, match="damaged") as caught, open_ledger(path) as ledger:
        ledger.reader.search(Search())
    assert f"mv {path}" in caught.value.fix


def test_other_troubles_have_words(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No decisions are recorded"):
        LedgerReader(tmp_path / "none.sqlite")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError):
        open_ledger(tmp_path / "file" / "d.sqlite")
    ledger = open_ledger(tmp_path / "d.sqlite")
    ledger.close()
    with pytest.raises(StoreError, match="closed"):
        asyncio.run(ledger.begin(started(), "text"))
    connection = sqlite3.connect(tmp_path / "d.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        open_ledger(tmp_path / "d.sqlite")


def test_the_writer_outlives_a_closed_event_loop(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "d.sqlite") as ledger:
        first, second = started("1"), started("2")

        async def leave() -> None:
            asyncio.ensure_future(ledger.begin(first, "1"))  # noqa: RUF006 - abandoned on purpose
            await asyncio.sleep(0)

        asyncio.run(leave())
        asyncio.run(ledger.begin(second, "2"))
        deadline = time.monotonic() + 10
        while ledger.get(first.id) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ledger.get(first.id) is not None
