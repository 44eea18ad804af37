"""The right to erasure: what is about a person is sealed, can be read with their key, and with the key it is gone."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_samples import Echo, reply, signed_ledger, started
from msgspec.structs import replace

from rightsized.core.errors import IntegrityError
from rightsized.core.types import Decision, Request
from rightsized.ledger.notes import parse_checkpoint
from rightsized.ledger.prove import Prover
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.recorded import Recorded
from rightsized.ledger.schema import ReviewRow, decode_start
from rightsized.ledger.sealing import SEALED_DIGEST, Sealer
from rightsized.ledger.subjects import PERSON, TENANT, SubjectKey, SubjectKeys
from rightsized.ledger.verify import verify

SECRET_TEXT = "my pin is 4711"
ANSWER = "your pin was changed to 0815"


def about(subject: str, text: str = SECRET_TEXT, **more: str) -> Decision:
    return replace(started(text), subject=subject, conversation="thread of alice", **more)


async def record(ledger, decision: Decision, text: str = SECRET_TEXT, error: str = "") -> None:
    await ledger.begin(decision, text)
    if error:
        await ledger.finish(replace(decision, phase="failed", error=error))
        return
    digest = hashlib.sha256(ANSWER.encode()).hexdigest()
    await ledger.finish(replace(decision, phase="done", reply=reply(decision.id)), [(digest, ANSWER)])


def everything(folder: Path) -> bytes:
    """All bytes of the log's files, the write-ahead log included."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("d.sqlite*")))


def erase(folder: Path, name: str) -> str | None:
    keys = SubjectKeys(folder / "secrets")
    try:
        return keys.erase(PERSON + name, at=5.0)
    finally:
        keys.close()


def test_a_subject_is_sealed_and_read_back_with_its_key(tmp_path: Path) -> None:
    begun = about("alice@example.org")
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(record(ledger, begun))
        found = ledger.get(begun.id)
        assert found.subject == "alice@example.org"
        assert found.conversation == "thread of alice"
        assert found.sealed == ""
        assert ledger.reader.text(begun.id) == SECRET_TEXT
        assert found.text_sha256.startswith(SEALED_DIGEST)
        assert found.reply.output.label == "billing"
        texts = ledger.reader.query("SELECT opened(sha256, text) FROM texts ORDER BY number")
        assert texts == [(SECRET_TEXT,), (ANSWER,)]
    stored = everything(tmp_path)
    for plain in (SECRET_TEXT, ANSWER, "alice", begun.text_sha256, hashlib.sha256(ANSWER.encode()).hexdigest()):
        assert plain.encode() not in stored
    keys = tmp_path / "secrets" / "subjects.sqlite"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert b"alice" not in keys.read_bytes()


def test_an_error_that_quotes_the_text_is_sealed(tmp_path: Path) -> None:
    begun = about("alice")
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(record(ledger, begun, error=f"cannot parse {SECRET_TEXT!r}"))
        assert ledger.get(begun.id).error == f"cannot parse {SECRET_TEXT!r}"
        assert SECRET_TEXT.encode() not in everything(tmp_path)
        erase(tmp_path, "alice")
        assert ledger.get(begun.id).error == ""
        assert ledger.get(begun.id).phase == "failed"


def test_after_erasure_nothing_can_be_read_or_guessed_and_proofs_hold(tmp_path: Path) -> None:
    alice, bob = about("alice"), about("bob")
    with signed_ledger(tmp_path) as ledger:
        for decision in (alice, bob):
            asyncio.run(record(ledger, decision))
        asyncio.run(ledger.review(ReviewRow(alice.id, "support", "feedback", "refund", "ana", 1.0)))
        before = parse_checkpoint(ledger.checkpoint)
        reference = erase(tmp_path, "alice")
        assert ledger.reader.text(alice.id) is None  # at once, in a process that runs
        (note,) = asyncio.run(ledger.log_erasures())
        assert (note.subject, note.decisions, note.texts) == (reference, 1, 2)
        assert asyncio.run(ledger.log_erasures()) == []
        gone, kept = ledger.get(alice.id), ledger.get(bob.id)
        assert (gone.subject, gone.conversation, gone.error) == (reference, "", "")
        assert gone.reply.output.label == "billing"  # the evidence stays, and nobody knows of whom
        assert (kept.subject, ledger.reader.text(bob.id)) == ("bob", SECRET_TEXT)
        assert len(ledger.reader.query("SELECT * FROM texts")) == 2
        proof = Prover(ledger.reader).decision(alice.id, with_texts=True)
        assert proof.texts == {}
        assert verify(tmp_path / "d.sqlite", against=[before]).ok
    record_ = json.loads(proof.entries[0].record)
    guessed = {hashlib.sha256(SECRET_TEXT.encode()).hexdigest()}
    guessed |= {hashlib.sha256((salt + SECRET_TEXT).encode()).hexdigest() for salt in (alice.id, reference, "alice")}
    assert record_["text_sha256"].rsplit(":", 1)[1] not in guessed
    event = json.loads(json.loads(list_events(tmp_path)[-1])["detail"])
    assert event == {"subject": reference, "decisions": 1, "texts": 2}
    keys = sqlite3.connect(tmp_path / "secrets" / "subjects.sqlite")
    assert keys.execute("SELECT count(*) FROM subjects").fetchone() == (1,)
    keys.close()


def list_events(folder: Path) -> list[bytes]:
    with LedgerReader(folder / "d.sqlite") as reader:
        return [row.record for row in reader.rows() if row.table == "events"]


def test_the_key_is_not_in_the_file_after_erasure(tmp_path: Path) -> None:
    keys = SubjectKeys(tmp_path)
    key = keys.key_of("person:alice").key
    assert any(key in path.read_bytes() for path in tmp_path.iterdir())
    keys.erase("person:alice", at=1.0)
    assert not any(key in path.read_bytes() for path in tmp_path.iterdir())
    keys.close()


def test_who_comes_back_after_erasure_is_somebody_else(tmp_path: Path) -> None:
    first, second = about("alice"), about("alice")
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(record(ledger, first))
        old = erase(tmp_path, "alice")
        asyncio.run(record(ledger, second))  # the running writer must not seal under the key that was destroyed
        assert ledger.get(second.id).subject == "alice"
        assert ledger.reader.text(second.id) == SECRET_TEXT
        assert ledger.get(first.id).subject == old
        new = decode_start(ledger.reader.query("SELECT record FROM starts WHERE id = ?", (second.id,))[0][0]).subject
        assert new != old


def test_an_erasure_between_start_and_end_leaves_nothing_readable(tmp_path: Path) -> None:
    begun = about("alice")
    digest = hashlib.sha256(ANSWER.encode()).hexdigest()

    async def scenario(ledger) -> None:
        await ledger.begin(begun, SECRET_TEXT)
        erase(tmp_path, "alice")
        await ledger.finish(replace(begun, phase="done", reply=reply(begun.id)), [(digest, ANSWER)])
        await ledger.log_erasures()

    with signed_ledger(tmp_path) as ledger:
        asyncio.run(scenario(ledger))
        assert ledger.reader.query("SELECT * FROM texts") == []
        assert ledger.get(begun.id).phase == "done"


def test_a_tenant_can_be_the_subject(tmp_path: Path) -> None:
    begun = replace(started(SECRET_TEXT), tenant="ward-3")
    named = replace(started(SECRET_TEXT), tenant="ward-3", subject="alice")
    with signed_ledger(tmp_path, tenants=True) as ledger:
        for decision in (begun, named):
            asyncio.run(record(ledger, decision))
        assert ledger.get(begun.id).tenant == "ward-3"
        assert ledger.get(named.id).tenant == "ward-3"
        keys = SubjectKeys(tmp_path / "secrets")
        assert keys.erase(PERSON + "ward-3", at=1.0) is None  # a person of that name is another
        assert keys.erase(TENANT + "ward-3", at=1.0)
        keys.close()
        assert ledger.get(begun.id).tenant == ""
        assert ledger.reader.text(begun.id) is None
        assert ledger.reader.text(named.id) == SECRET_TEXT


def test_a_request_without_subject_is_recorded_as_before(tmp_path: Path) -> None:
    begun = started("plain")
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(record(ledger, begun, "plain"))
        assert ledger.get(begun.id).text_sha256 == hashlib.sha256(b"plain").hexdigest()
        assert not (tmp_path / "secrets" / "subjects.sqlite").exists()


def test_the_recorder_passes_the_subject_on(tmp_path: Path) -> None:
    async def scenario() -> str:
        recorded = Recorded(Echo(), ledger)
        return (await recorded.answer(Request("support", "billing please", subject="alice"))).id

    with signed_ledger(tmp_path) as ledger:
        decision = asyncio.run(scenario())
        assert ledger.get(decision).subject == "alice"
        assert ledger.reader.search(Search(task="support"))[0].subject == "alice"


def test_altered_ciphertext_is_told_from_an_erased_one(tmp_path: Path) -> None:
    begun = about("alice")
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(record(ledger, begun))
        other = about("alice", "another text")
        asyncio.run(record(ledger, other, "another text"))
    connection = sqlite3.connect(tmp_path / "d.sqlite")
    swapped = connection.execute("SELECT text FROM texts ORDER BY number DESC LIMIT 1 OFFSET 1").fetchone()
    connection.execute("UPDATE texts SET text = ? WHERE number = 1", swapped)  # another ciphertext of the same subject
    connection.commit()
    connection.close()
    found = verify(tmp_path / "d.sqlite")
    assert [finding.kind for finding in found.findings] == ["text"]
    erase(tmp_path, "alice")
    assert verify(tmp_path / "d.sqlite").ok  # without the key there is nothing to compare


def test_who_may_read_the_log_and_not_the_keys_sees_what_is_in_clear(tmp_path: Path) -> None:
    begun = about("alice")
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(record(ledger, begun))
    (tmp_path / "secrets" / "subjects.sqlite").rename(tmp_path / "secrets" / "elsewhere.sqlite")
    for path in (tmp_path / "secrets").glob("subjects.sqlite-*"):
        path.unlink()
    (tmp_path / "secrets" / "subjects.sqlite").mkdir()  # there, and cannot be opened
    with LedgerReader(tmp_path / "d.sqlite") as reader:
        found = reader.get(begun.id)
        assert found.reply.output.label == "billing"
        assert (found.conversation, reader.text(begun.id)) == ("", None)
    assert verify(tmp_path / "d.sqlite").ok


def test_a_sealer_opens_its_own_alone() -> None:
    one, other = Sealer(SubjectKey("a", b"1" * 32)), Sealer(SubjectKey("a", b"2" * 32))
    sealed = one.seal("text", "here")
    assert one.open(sealed, "here") == "text"
    assert one.seal("text", "here") != sealed
    for opener, place in ((other, "here"), (one, "there")):
        with pytest.raises(IntegrityError, match="altered"):
            opener.open(sealed, place)
    assert one.digest("d1", "text") != one.digest("d2", "text") != other.digest("d2", "text")


def test_a_crash_between_destroying_and_saying_so_is_made_good(tmp_path: Path) -> None:
    with signed_ledger(tmp_path) as ledger:
        begun = about("alice")
        asyncio.run(record(ledger, begun))
    reference = erase(tmp_path, "alice")
    with signed_ledger(tmp_path) as ledger:
        ledger._subjects.mark_logged = lambda reference: None  # the process dies after the commit
        assert [note.subject for note in asyncio.run(ledger.log_erasures())] == [reference]
    with signed_ledger(tmp_path) as ledger:
        assert asyncio.run(ledger.log_erasures()) == []  # said once
        assert ledger._subjects.unlogged() == []
    assert sum(b"erased" in event for event in list_events(tmp_path)) == 1


def test_a_key_is_on_the_disk_before_what_it_seals(tmp_path: Path) -> None:
    code = (
        "import os, sys, signal\nfrom pathlib import Path\nfrom rightsized.ledger.subjects import SubjectKeys\n"
        "keys = SubjectKeys(Path(sys.argv[1]))\n"
        "key = keys.key_of('person:alice')\nos.write(1, (key.reference + ' ' + key.key.hex()).encode())\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    reference, key = done.stdout.split()
    keys = SubjectKeys(tmp_path)
    assert keys.by_reference(reference) == bytes.fromhex(key)
    assert keys.key_of("person:alice").reference == reference
    keys.close()


def test_several_processes_make_one_key(tmp_path: Path) -> None:
    many = [SubjectKeys(tmp_path) for _ in range(4)]
    assert len({keys.key_of("person:alice") for keys in many}) == 1
    for keys in many:
        keys.close()
