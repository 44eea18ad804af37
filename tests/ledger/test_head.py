"""The head of the log: written with its rows, signed, resumed, never forked; older files are brought up to it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_samples import open_ledger, signed_ledger, started
from ledger_samples import write_decisions as write
from msgspec.structs import replace

from rightsized.core.errors import DiskFullError, IntegrityError
from rightsized.ledger.head import stored_chain
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.merkle import leaf_hash, root_of
from rightsized.ledger.migrations import _migrations, migrate
from rightsized.ledger.notes import Checkpoint, parse_checkpoint, parse_key
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import encode, leaf
from rightsized.ledger.tree import StoredTree
from rightsized.store.secrets import SecretFolder


def head(path: Path) -> tuple[int, bytes, str]:
    with LedgerReader(path) as reader:
        return reader.query("SELECT size, root, note FROM head")[0]


def true_root(path: Path) -> bytes:
    with LedgerReader(path) as reader:
        return root_of([leaf_hash(leaf(row)) for row in reader.rows()])


def checked(path: Path) -> Checkpoint:
    """The head's checkpoint, after its signature and its root were found right."""
    size, root, note = head(path)
    checkpoint = parse_checkpoint(note)
    with LedgerReader(path) as reader:
        chain = stored_chain(reader.query)
    assert checkpoint.note.signed_by([chain.at(size)]) == [chain.at(size)]
    assert (checkpoint.size, checkpoint.root) == (size, root) == (size, true_root(path))
    return checkpoint


def test_every_commit_writes_a_signed_head_over_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    with signed_ledger(tmp_path) as ledger:
        assert ledger.checkpoint == ""
        for size in (2, 4, 6):
            asyncio.run(write(ledger, 1))
            assert checked(path).size == size
            assert str(checked(path).note) == ledger.checkpoint
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 300))
    assert checked(path).size == 606
    secret = next((tmp_path / "secrets").iterdir())
    assert secret.stat().st_mode & 0o777 == 0o600


def test_kept_subtrees_give_the_roots_of_every_size(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "d.sqlite", queue_rows=2000) as ledger:
        asyncio.run(write(ledger, 700))
        rows = [leaf_hash(leaf(row)) for row in ledger.reader.rows()]
        tree = StoredTree(ledger.reader.query)
        for size in (0, 1, 2, 255, 256, 257, 511, 512, 513, 1023, 1024, 1399, 1400):
            assert tree.root(size) == root_of(rows[:size])
        assert len(ledger.reader.query("SELECT * FROM subtrees")) == 1400 // 256


def test_a_transaction_that_fails_leaves_the_tree_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"

    async def scenario(ledger: SqliteLedger) -> None:
        good, twice = started("a"), started("b")
        await ledger.begin(twice, "b")
        await asyncio.gather(ledger.begin(good, "a"), ledger.begin(twice, "b"), return_exceptions=True)
        bad = replace(started(), conversation="\ud800")
        await asyncio.gather(ledger.begin(started("c"), "c"), ledger.begin(bad, "d"), return_exceptions=True)
        await ledger.finish(replace(twice, phase="failed"))

    with signed_ledger(tmp_path) as ledger:
        asyncio.run(scenario(ledger))
    assert checked(path).size == 4


def test_a_full_disk_leaves_rows_and_head_in_step(tmp_path: Path) -> None:
    big = "x" * 20_000
    path = tmp_path / "d.sqlite"

    async def fill(ledger: SqliteLedger) -> None:
        for i in range(1000):
            await ledger.begin(started(f"{i}{big}"), f"{i}{big}")

    with signed_ledger(tmp_path) as ledger:
        pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        ledger._connection.execute(f"PRAGMA max_page_count = {pages + 100}")
        with pytest.raises(DiskFullError):
            asyncio.run(fill(ledger))
        full = checked(path).size
        assert full > 1
        ledger._connection.execute("PRAGMA max_page_count = 1000000")
        asyncio.run(write(ledger, 1))
        assert checked(path).size == full + 2


def test_checkpoints_are_kept_by_age_by_number_and_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightsized.ledger.head.KEEP_ENTRIES", 10)
    with signed_ledger(tmp_path) as ledger:
        for _ in range(8):
            asyncio.run(write(ledger, 1))
        sizes = [row[0] for row in ledger.reader.query("SELECT size FROM checkpoints ORDER BY size")]
        assert sizes == [1, 11]  # the first, then after ten more
        note = asyncio.run(ledger.keep_checkpoint())
        assert note == ledger.checkpoint
        assert ledger.reader.query("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1") == [(16, note)]
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            ledger._connection.execute("DELETE FROM checkpoints")
        asyncio.run(write(ledger, 1))
        last = ledger.checkpoint
    with LedgerReader(tmp_path / "d.sqlite") as reader:  # what was signed last is kept when the log is closed
        assert reader.query("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1") == [(18, last)]


def test_a_log_without_keys_is_not_signed_and_one_with_keys_needs_them(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    with open_ledger(path) as ledger:
        asyncio.run(write(ledger, 3))
        assert ledger.checkpoint == ""
    size, root, note = head(path)
    assert (size, root, note) == (6, true_root(path), "")
    with signed_ledger(tmp_path) as ledger:  # from now on: what stood there is signed at once
        assert parse_checkpoint(ledger.checkpoint).size == 6
    assert checked(path).size == 6
    with pytest.raises(IntegrityError, match="without its keys"):
        open_ledger(path)
    next((tmp_path / "secrets").iterdir()).unlink()
    with pytest.raises(IntegrityError, match="not among the home's secrets") as caught:
        signed_ledger(tmp_path)
    assert "--lost" in caught.value.fix


def test_another_key_takes_over_and_both_sign(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 2))
        first = parse_checkpoint(ledger.checkpoint)
        vkey = asyncio.run(ledger.rotate_key())
        handover = parse_checkpoint(ledger.checkpoint)
        asyncio.run(write(ledger, 1))
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 1))
        chain = stored_chain(ledger.reader.query)
    assert chain.problems() == []
    old, new = chain.keys
    assert str(new) == vkey
    assert (first.size, handover.size) == (4, 5)
    assert first.note.signed_by(chain.keys) == [old]
    assert handover.note.signed_by(chain.keys) == [old, new]
    assert checked(path).note.signed_by(chain.keys) == [new]
    assert chain.at(4) == old
    assert chain.at(5) == new


def test_a_lost_key_can_be_replaced_and_the_break_shows(tmp_path: Path) -> None:
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 2))
    next((tmp_path / "secrets").iterdir()).unlink()
    with signed_ledger(tmp_path, key_lost=True) as ledger:
        asyncio.run(ledger.rotate_key(lost=True))
        asyncio.run(write(ledger, 1))
        chain = stored_chain(ledger.reader.query)
    assert [words for _, words in chain.problems()] == [
        f"The change to key {chain.at(5).id.hex()} says that the key before was lost."
    ]
    assert checked(tmp_path / "d.sqlite").size == 7


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE ends SET record = replace(record, 'billing', 'refund') WHERE seq = 10"],
        ["DELETE FROM ends WHERE seq = 10"],
        ["DELETE FROM ends WHERE seq = 10", "UPDATE head SET size = 9"],
        ["UPDATE head SET root = zeroblob(32)"],
        ["UPDATE identity SET key = 'no key'"],
        ["UPDATE head SET note = ''"],
        ["UPDATE head SET note = replace(note, 'time 1', 'time 2')"],
        ["UPDATE identity SET key = ''", "UPDATE head SET note = ''"],
        ["INSERT INTO events VALUES (11, 'alarm', 't', 'c', 1.0, x'7b7d')"],
    ],
)
def test_a_writer_refuses_an_end_that_was_altered(tmp_path: Path, statements: list[str]) -> None:
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 5))
    change(tmp_path / "d.sqlite", *statements)
    with pytest.raises(IntegrityError, match="altered from outside") as caught:
        signed_ledger(tmp_path)
    assert "ledger verify" in caught.value.fix


def old_file(path: Path, version: int, rows: int) -> None:
    """A file as an older version left it."""
    connection = sqlite3.connect(path, isolation_level=None)
    for step in _migrations[:version]:
        step(connection)
    connection.execute(f"PRAGMA user_version = {version}")
    for seq in range(1, rows + 1):
        begun = started(f"m {seq}")
        values = (seq, begun.id, begun.task, begun.started, 0, begun.text_sha256, 1, encode(begun))
        connection.execute("INSERT INTO starts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    connection.close()


@pytest.mark.parametrize("rows", [0, 1, 600])
def test_an_older_file_gets_its_tree(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "d.sqlite"
    old_file(path, 2, rows)
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 1))
        assert len(ledger.reader.query("SELECT * FROM subtrees")) == (rows + 2) // 256
    assert checked(path).size == rows + 2


def test_an_older_file_with_a_hole_is_not_given_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    old_file(path, 2, 20)
    change(path, "DELETE FROM starts WHERE seq = 7")
    with pytest.raises(IntegrityError, match="Entry 7 of the log is missing"):
        signed_ledger(tmp_path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "d.sqlite", isolation_level=None)
    migrate(connection)
    before = (
        connection.execute("SELECT sql FROM sqlite_master").fetchall(),
        connection.execute("SELECT * FROM identity").fetchall(),
    )
    migrate(connection)
    assert (
        connection.execute("SELECT sql FROM sqlite_master").fetchall(),
        connection.execute("SELECT * FROM identity").fetchall(),
    ) == before
    connection.close()


def test_two_logs_have_two_origins_and_two_keys(tmp_path: Path) -> None:
    secrets = SecretFolder(tmp_path / "secrets")
    seen: list[str] = []
    for name in ("a", "b"):
        with SqliteLedger(tmp_path / f"{name}.sqlite", group_ms=0, secrets=secrets) as ledger:
            seen.append(str(stored_chain(ledger.reader.query).first))
    first, second = map(parse_key, seen)
    assert first.name != second.name
    assert first.public != second.public
    assert len(secrets.names()) == 2


def test_time_never_runs_backwards_in_checkpoints(tmp_path: Path) -> None:
    def opened(clock: Callable[[], float]) -> Checkpoint:
        with signed_ledger(tmp_path) as ledger:
            ledger._head._clock = clock
            asyncio.run(write(ledger, 1))
            return parse_checkpoint(ledger.checkpoint)

    assert opened(lambda: 2_000_000_000.0).time == 2_000_000_000
    assert opened(lambda: 1_000_000_000.0).time == 2_000_000_000


def test_a_new_log_is_begun_where_the_old_one_was_moved_away_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 2))
    (tmp_path / "d.sqlite").rename(tmp_path / "old.sqlite")
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write(ledger, 1))
        assert ledger.checkpoint
    assert [record.getMessage() for record in caplog.records] == ["A new log begins"]
