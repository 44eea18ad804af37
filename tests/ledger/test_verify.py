"""Checking a log offline: what is sound passes, tampering is found, checkpoints kept elsewhere find more."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ledger_samples import signed_ledger, write_decisions

from rightsized.core.errors import IntegrityError, NotFoundError
from rightsized.ledger.findings import Verification
from rightsized.ledger.head import stored_chain
from rightsized.ledger.log_keys import LogKeys, handover_note
from rightsized.ledger.merkle import leaf_hash, root_of
from rightsized.ledger.notes import Checkpoint, Signer, VerifierKey, checkpoint_text, parse_checkpoint, parse_key
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import EventRow, ReviewRow, encode, leaf
from rightsized.ledger.verify import verify
from rightsized.store.secrets import SecretFolder


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of 625 entries, a change of keys in it, and two kept checkpoints."""
    folder = tmp_path_factory.mktemp("log")
    with signed_ledger(folder) as ledger:
        ids = asyncio.run(write_decisions(ledger, 200))
        asyncio.run(ledger.review(ReviewRow(ids[3], "support", "feedback", "refund", "ana", 1.0)))
        (folder / "early.txt").write_text(asyncio.run(ledger.keep_checkpoint()))
        asyncio.run(ledger.rotate_key())
        asyncio.run(write_decisions(ledger, 110))
        asyncio.run(ledger.note(EventRow("alarm", "support", "c1", 2.0, "too many wrong")))
        asyncio.run(write_decisions(ledger, 1))
        (folder / "late.txt").write_text(ledger.checkpoint)
    return folder


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "log"))


def checkpoint(folder: Path, name: str) -> Checkpoint:
    return parse_checkpoint((folder / f"{name}.txt").read_text())


def keys_of(folder: Path) -> list[VerifierKey]:
    with LedgerReader(folder / "d.sqlite") as reader:
        origin = reader.query("SELECT origin FROM identity")[0][0]
    return [signer.key for signer in LogKeys(SecretFolder(folder / "secrets"), origin).all()]


def check(folder: Path, **options: object) -> Verification:
    return verify(folder / "d.sqlite", trusted=keys_of(folder), **options)


def kinds(found: Verification) -> set[str]:
    assert found.ok == (not found.findings)
    return {finding.kind for finding in found.findings}


def flip_signature(note: str, at: int) -> str:
    """Another character in the first of two signatures."""
    assert note.count("\u2014") == 2
    at += note.index(" ", note.index("\u2014") + 2) + 1
    return note[:at] + ("B" if note[at] != "B" else "C") + note[at + 1 :]


def tamper(folder: Path, *statements: str | tuple[str, tuple[object, ...]]) -> None:
    connection = sqlite3.connect(folder / "d.sqlite")
    connection.create_function("flip", 2, lambda blob, at: bytes(b ^ (i == at) for i, b in enumerate(blob)))
    connection.create_function("flipped", 1, lambda note: note[:-20] + ("B" if note[-20] == "A" else "A") + note[-19:])
    for called, at in (("earlier_flipped", 60), ("earlier_renamed", 2)):  # characters into the first signature
        connection.create_function(called, 1, partial(flip_signature, at=at))
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        sql, values = statement if isinstance(statement, tuple) else (statement, ())
        assert connection.execute(sql, values).rowcount != 0, statement
    connection.commit()
    connection.close()


def rehash(folder: Path, sign: Callable[[str], str] = lambda text: "") -> None:
    """Write tree and head anew over the rows as they stand, as someone does who knows how; keys he may have or not."""
    with LedgerReader(folder / "d.sqlite") as reader:
        rows = list(reader.rows())
        origin = reader.query("SELECT origin FROM identity")[0][0]
    leaves = [leaf_hash(leaf(row)) for row in rows]
    tiles = [(n, root_of(leaves[n * 256 : n * 256 + 256])) for n in range(len(leaves) // 256)]
    text = checkpoint_text(origin, len(leaves), root_of(leaves), 2_000_000_000)
    with LedgerReader(folder / "d.sqlite") as reader:
        notes = reader.query("SELECT size FROM checkpoints")
    signed = []
    for (size,) in notes:
        if size <= len(leaves):
            signed.append((size, sign(checkpoint_text(origin, size, root_of(leaves[:size]), 2_000_000_000))))
    tamper(
        folder,
        ("DELETE FROM subtrees", ()),
        *[("INSERT INTO subtrees VALUES (8, ?, ?)", tile) for tile in tiles],
        ("UPDATE head SET size = ?, root = ?, note = ?", (len(leaves), root_of(leaves), sign(text))),
        "DELETE FROM checkpoints",
        *[("INSERT INTO checkpoints VALUES (?, 1.0, ?)", one) for one in signed],
    )


def thief(folder: Path) -> Callable[[str], str]:
    """Signs with the log's own keys, stolen."""
    with LedgerReader(folder / "d.sqlite") as reader:
        chain = stored_chain(reader.query)
    keys = LogKeys(SecretFolder(folder / "secrets"), chain.origin)

    def sign(text: str) -> str:
        return text + "\n" + "".join(signer.line(text) for signer in keys.all())

    return sign


def test_a_sound_log_passes_and_says_what_was_looked_at(folder: Path) -> None:
    found = check(folder, against=[checkpoint(folder, "early"), checkpoint(folder, "late")])
    assert found.findings == ()
    assert (found.ok, found.entries, found.external, found.trusted) == (True, 625, 2, True)
    assert found.checkpoints >= 3
    assert found.texts == 200
    assert parse_key(found.key) == keys_of(folder)[1]
    assert parse_checkpoint(found.checkpoint).size == 625


def test_since_a_checkpoint_only_later_entries_are_read(folder: Path) -> None:
    read: list[int] = []
    early = checkpoint(folder, "early")
    found = check(folder, since=early, progress=lambda stage, done, total: read.append(total))
    assert found.ok
    assert (found.since, found.entries, found.external) == (401, 625, 1)
    tamper(folder, "UPDATE ends SET record = flip(record, 20) WHERE seq = 620")
    assert "altered" in kinds(check(folder, since=early))
    tamper(folder, "UPDATE ends SET record = flip(record, 20) WHERE seq = 400")  # in the last tile before it
    assert "rewritten" in kinds(check(folder, since=early))


def test_an_empty_log_and_one_from_before(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        verify(tmp_path / "d.sqlite")
    with signed_ledger(tmp_path):
        pass
    assert check(tmp_path).ok
    assert check(tmp_path).entries == 0
    tamper(tmp_path, "PRAGMA user_version = 2")
    with pytest.raises(IntegrityError, match="before logs had proofs"):
        check(tmp_path)


ONE_ROW = {
    "a flipped bit in a start": ("UPDATE starts SET record = flip(record, 40) WHERE seq = 5", {"altered", "tree"}),
    "another label": (
        "UPDATE ends SET record = CAST(replace(record, 'billing', 'refunds') AS BLOB) WHERE seq = 625",
        {"altered"},
    ),
    "another reviewer": ("UPDATE reviews SET record = CAST(replace(record, 'ana', 'bob') AS BLOB)", {"altered"}),
    "a record as text": ("UPDATE events SET record = CAST(record AS TEXT) WHERE kind = 'alarm'", {"altered"}),
    "a change of keys as bad text": (
        "UPDATE events SET record = CAST(record AS BLOB) || x'b4' WHERE kind = 'log-key'",
        {"key", "altered"},
    ),
    "a change of keys as bad bytes": (
        "UPDATE events SET record = CAST(record || x'b4' AS BLOB) WHERE kind = 'log-key'",
        {"key", "altered"},
    ),
    "a text that is none": ("UPDATE texts SET text = text || CAST(x'b4' AS TEXT) WHERE number = 4", {"text"}),
    "a deleted end": ("DELETE FROM ends WHERE seq = (SELECT max(seq) FROM ends WHERE seq < 600)", {"missing"}),
    "the last entry deleted": ("DELETE FROM ends WHERE seq = 625", {"missing"}),
    "an entry inserted at the end": ("INSERT INTO events VALUES (626, 'alarm', 't', 'c', 1.0, x'7b7d')", {"extra"}),
    "a second entry of one number": (
        "INSERT INTO events SELECT 7, kind, task, certificate, created, record FROM events WHERE kind = 'alarm'",
        {"extra"},
    ),
    "another task beside the record": ("UPDATE starts SET task = 'other' WHERE seq = 9", {"copy"}),
    "another task of an end": ("UPDATE ends SET task = 'other' WHERE seq = (SELECT min(seq) FROM ends)", {"copy"}),
    "another outcome": ("UPDATE ends SET status = 'abstained' WHERE seq = (SELECT min(seq) FROM ends)", {"copy"}),
    "another label beside the record": ("UPDATE reviews SET kind = 'audit'", {"copy"}),
    "another text": ("UPDATE texts SET text = 'something else' WHERE number = 4", {"text"}),
    "a kept hash": ("UPDATE subtrees SET hash = flip(hash, 0) WHERE number = 0", {"tree"}),
    "a kept hash deleted": ("DELETE FROM subtrees WHERE number = 1", {"tree"}),
    "a kept hash too many": ("INSERT INTO subtrees VALUES (16, 0, zeroblob(32))", {"tree"}),
    "another root": ("UPDATE head SET root = flip(root, 3)", {"signature", "altered"}),
    "a smaller head": ("UPDATE head SET size = 624", {"extra", "signature"}),
    "an unsigned head": ("UPDATE head SET note = ''", {"signature"}),
    "a head that is no checkpoint": ("UPDATE head SET note = x'00'", {"tree"}),
    "no head": ("DELETE FROM head", {"tree"}),
    "an older head": ("UPDATE head SET note = (SELECT note FROM checkpoints ORDER BY size LIMIT 1)", {"signature"}),
    "a kept checkpoint's signature": (
        "UPDATE checkpoints SET note = flipped(note) WHERE size = 401",
        {"signature"},
    ),
    "a signature of the key before": (
        "UPDATE checkpoints SET note = earlier_flipped(note) WHERE size = 402",
        {"signature"},
    ),
    "a signature of the key before, under another id": (
        "UPDATE checkpoints SET note = earlier_renamed(note) WHERE size = 402",
        {"signature"},
    ),
    "a kept checkpoint of another size": ("UPDATE checkpoints SET size = 400 WHERE size = 401", {"signature"}),
    "another origin": ("UPDATE identity SET origin = 'rightsized.invalid/log-0000000000000000'", {"signature", "key"}),
    "another first key": (
        "UPDATE identity SET key = (SELECT substr(key, 1, length(key) - 4) || 'AAA=' FROM identity)",
        {"key"},
    ),
    "no key": ("UPDATE identity SET key = ''", {"key"}),
    "no change of keys": ("UPDATE events SET kind = 'alarm' WHERE kind = 'log-key'", {"copy", "signature"}),
}


@pytest.mark.parametrize("name", ONE_ROW)
def test_one_change_is_found(folder: Path, name: str) -> None:
    statement, expected = ONE_ROW[name]
    tamper(folder, statement)
    found = check(folder)
    assert not found.ok
    assert expected <= kinds(found), found.findings
    assert all(finding.words.endswith((".", ")")) for finding in found.findings)


def test_swapped_entries_are_found(folder: Path) -> None:
    tamper(
        folder,
        "UPDATE starts SET seq = -1 WHERE seq = 3",
        "UPDATE starts SET seq = 3 WHERE seq = (SELECT max(seq) FROM starts)",
    )
    assert {"missing", "altered"} <= kinds(check(folder))


def test_an_edit_with_everything_hashed_anew_lacks_a_signature(folder: Path) -> None:
    tamper(folder, "UPDATE ends SET record = flip(record, 30) WHERE seq = (SELECT max(seq) FROM ends)")
    rehash(folder)
    assert "signature" in kinds(check(folder))


def test_a_thief_of_the_key_is_found_only_by_a_checkpoint_kept_elsewhere(folder: Path) -> None:
    sign = thief(folder)
    tamper(
        folder,
        "UPDATE ends SET record = CAST(replace(record, 'billing', 'refunds') AS BLOB) WHERE seq = 400",
    )
    rehash(folder, sign)
    assert check(folder).ok  # nothing in the file can tell
    found = check(folder, against=[checkpoint(folder, "late")])
    assert kinds(found) == {"rewritten"}
    assert "rewritten" in kinds(check(folder, since=checkpoint(folder, "early")))


def test_a_rollback_is_found_only_by_a_checkpoint_kept_elsewhere(sample: Path, tmp_path: Path) -> None:
    old = tmp_path / "log"
    old.mkdir()
    with signed_ledger(old) as ledger:
        asyncio.run(write_decisions(ledger, 20))
    shutil.copytree(old, tmp_path / "backup")
    with signed_ledger(old) as ledger:
        asyncio.run(write_decisions(ledger, 20))
        later = parse_checkpoint(ledger.checkpoint)
    assert check(old, against=[later]).ok
    assert check(tmp_path / "backup").ok
    assert kinds(check(tmp_path / "backup", against=[later])) == {"rollback"}


def test_a_checkpoint_of_another_log_or_key_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with signed_ledger(tmp_path / "other") as ledger:
        asyncio.run(write_decisions(ledger, 3))
        foreign = parse_checkpoint(ledger.checkpoint)
    assert "signature" in kinds(check(folder, against=[foreign]))
    late = checkpoint(folder, "late")
    text = checkpoint_text(late.origin, late.size, bytes(32), 1)
    forged = parse_checkpoint(text + "\n" + Signer(late.origin, bytes(32)).line(text))
    assert {"signature", "rewritten"} <= kinds(check(folder, against=[forged]))
    stranger = Signer(late.origin, bytes(32)).key
    assert kinds(verify(folder / "d.sqlite", trusted=[stranger])) == {"key"}
    assert verify(folder / "d.sqlite", trusted=[keys_of(folder)[0]]).ok  # the first key vouches for the second


def test_a_handover_by_a_stranger_is_found(folder: Path) -> None:
    late = checkpoint(folder, "late")
    stranger = Signer(late.origin, bytes(32))
    event = EventRow("log-key", "", "", 3.0, handover_note(stranger, stranger))
    tamper(folder, ("INSERT INTO events VALUES (626, 'log-key', '', '', 3.0, ?)", (encode(event),)))
    rehash(folder, lambda text: text + "\n" + stranger.line(text))
    assert "key" in kinds(check(folder))


def test_a_server_that_writes_meanwhile_is_no_finding(tmp_path: Path) -> None:
    async def scenario() -> list[Verification]:
        with signed_ledger(tmp_path) as ledger:
            writing = asyncio.ensure_future(write_decisions(ledger, 400))
            found = []
            while not writing.done():
                found.append(await asyncio.to_thread(check, tmp_path))
            await writing
            return found

    found = asyncio.run(scenario())
    assert found
    assert [f.findings for f in found if not f.ok] == []
