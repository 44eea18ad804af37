"""The egress journal is under the log's signature as far as the writer has seen it; full files are followed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ledger_samples import signed_ledger, write_decisions

from rightsized.core.egress import JOURNAL, Journal, journal_files, read_journal
from rightsized.core.errors import IntegrityError
from rightsized.ledger import journal
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.verify import verify


def seal(ledger: SqliteLedger, path: Path) -> int:
    """What the server does every few minutes; how many files had grown."""

    async def work() -> int:
        found = journal.grown(path, journal.seals(ledger.reader.query))
        for one in found:
            await ledger.note(journal.event(one, 1.0))
        return len(found)

    return asyncio.run(work())


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A folder with a log and a journal of two files, both under seals, and one line more."""
    notes = Journal(tmp_path / JOURNAL, most=400)
    with signed_ledger(tmp_path) as ledger:
        asyncio.run(write_decisions(ledger, 3))
        for number in range(6):
            notes.note("opened", "api.example.com", f"The tier 'cloud' {number}")
            assert seal(ledger, notes.path) == 1
            assert seal(ledger, notes.path) == 0
    notes.note("opened", "api.example.com", "not yet seen")
    return tmp_path


def problems(folder: Path) -> list[str]:
    found = verify(folder / "d.sqlite", journal=folder / JOURNAL)
    assert found.journal_bytes > 500
    assert {finding.kind for finding in found.findings} <= {"journal"}
    return [finding.words for finding in found.findings]


def test_a_full_file_is_followed_by_the_next_and_all_are_read(sealed: Path) -> None:
    files = journal_files(sealed / JOURNAL)
    assert [file.name for file in files] == ["egress.jsonl", "egress-2.jsonl", "egress-3.jsonl"]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert [one.purpose[-1] for one in read_journal(sealed / JOURNAL)] == [*"012345", "n"]
    files[0].unlink()  # the next number is never one that was used
    Journal(sealed / JOURNAL, most=1).note("opened", "a.example", "more")
    assert [file.name for file in journal_files(sealed / JOURNAL)][-1] == "egress-4.jsonl"


def test_what_was_seen_must_stay_and_what_came_later_may_be_anything(sealed: Path) -> None:
    assert problems(sealed) == []
    last = sealed / "egress-3.jsonl"
    last.write_bytes(last.read_bytes() + b"half a li")
    assert problems(sealed) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.write_bytes(f.read_bytes().replace(b"api.example.com", b"127.0.0.1.....x")), "altered"),
        (lambda f: f.write_bytes(b"".join(f.read_bytes().splitlines(keepends=True)[1:])), "was cut"),
        (lambda f: f.write_bytes(b""), "was cut"),
        (lambda f: f.unlink(), "is missing"),
    ],
)
def test_a_change_of_what_was_seen_is_found(sealed: Path, change: object, said: str) -> None:
    change(sealed / JOURNAL)  # type: ignore[operator]
    (words,) = problems(sealed)
    assert said in words
    with (
        signed_ledger(sealed) as ledger,
        pytest.raises(IntegrityError, match="egress journal"),
    ):  # a new seal would cover it up
        seal(ledger, sealed / JOURNAL)
    assert said in problems(sealed)[0]


def test_a_seal_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    from rightsized.ledger.schema import EventRow

    with signed_ledger(tmp_path) as ledger:
        asyncio.run(ledger.note(EventRow("journal", "", "", 1.0, '{"file":"../x","bytes":1,"sha256":""}')))
    found = verify(tmp_path / "d.sqlite", journal=tmp_path / JOURNAL)
    assert [finding.kind for finding in found.findings] == ["journal"]
