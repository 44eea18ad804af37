"""`rightsized ledger`: verify, prove, checkpoint, keys, search, export, retention, erase, on a home with decisions."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from rightsized.core.errors import StoreError
from rightsized.core.types import Attempt, Decision, LabelScore, Prediction, Reply
from rightsized.core.verdicts import Verdict
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.merkle import leaf_hash, root_of
from rightsized.ledger.notes import parse_checkpoint
from rightsized.ledger.schema import LogRow, leaf
from rightsized.store.home import Home, WriterLock
from rightsized.store.secrets import SecretFolder
from tests.command_line import command

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_proof.py"


def rightsized(home: Path, *arguments: str, status: int = 0) -> str:
    done = command("ledger", *arguments, "--home", home, cwd=home)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def as_json(home: Path, *arguments: str, status: int = 0) -> Any:
    return json.loads(rightsized(home, *arguments, "--json", status=status))


def decision(number: int) -> Decision:
    label = ("billing", "refund")[number % 2]
    prediction = Prediction(label, (label,), (LabelScore(label, 0.9),))
    attempt = Attempt("encoder", 3, "sha256:aa", 0.9, 0.8, True, prediction)
    reply = Reply(
        id=f"d{number}",
        task="support",
        status="answered",
        output=prediction,
        rung="encoder",
        tier=3,
        model="sha256:aa",
        confidence=0.9,
        state="certified",
        certificate="sha256:c1" if number < 6 else "sha256:c2",
        certified=True,
        attempts=(attempt,),
        verdicts=(Verdict("no-health", "allow", "request", "fine"),) if number == 3 else (),
    )
    return Decision(
        id=f"d{number}",
        task="support",
        version="1",
        started=1_764_000_000.0 + number,
        text_sha256=hashlib.sha256(f"text {number}".encode()).hexdigest(),
        phase="done",
        audit=False,
        audit_probability=0.0,
        tenant="ward" if number == 4 else "",
        subject="alice" if number >= 8 else "",
        reply=reply,
    )


async def fill(ledger: SqliteLedger, numbers: range) -> None:
    for number in numbers:
        one = decision(number)
        begun = msgspec.structs.replace(one, phase="started", reply=None)
        await ledger.begin(begun, f"text {number}")
        await ledger.finish(one)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("homes") / "home").ensure()
    with SqliteLedger(home.decisions, group_ms=0, secrets=SecretFolder(home.secrets)) as ledger:
        asyncio.run(fill(ledger, range(10)))
    return home.path


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


def test_verify_checkpoint_and_prove_go_together(home: Path, tmp_path: Path) -> None:
    shown = as_json(home, "checkpoint", "--out", str(tmp_path / "kept.txt"))
    assert shown["size"] == parse_checkpoint(shown["checkpoint"]).size == 20
    (key,) = shown["keys"]
    assert key in rightsized(home, "checkpoint")
    assert shown["sinks"] == []
    rightsized(home, "checkpoint", "--cosigned", status=3)
    found = as_json(home, "verify", "--against", str(tmp_path / "kept.txt"))
    assert (found["ok"], found["entries"], found["external"], found["trusted"]) == (True, 20, 1, True)
    assert "compare with a checkpoint kept elsewhere" in rightsized(home, "verify")

    said = rightsized(home, "prove", "d3", "--out", str(tmp_path / "proof.json"), "--with-texts")
    assert f"python verify_proof.py {tmp_path / 'proof.json'} '{key}'" in said
    assert subprocess.run([sys.executable, str(SCRIPT), str(tmp_path / "proof.json"), key]).returncode == 0

    with SqliteLedger(home / "decisions.sqlite", group_ms=0, secrets=SecretFolder(home / "secrets")) as ledger:
        asyncio.run(fill(ledger, range(20, 22)))
    proof = as_json(home, "prove", "--from", str(tmp_path / "kept.txt"))
    assert (proof["kind"], parse_checkpoint(proof["checkpoint"]).size) == ("consistency", 24)
    rightsized(home, "checkpoint", "--out", str(tmp_path / "kept.txt"))  # the file now holds two
    found = as_json(home, "verify", "--since", str(tmp_path / "kept.txt"))
    assert (found["ok"], found["since"]) == (True, 24)
    rightsized(home, "prove", status=2)
    rightsized(home, "prove", "none such", status=3)


def test_what_was_altered_shows_and_sets_the_exit_status(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "backup")
    connection = sqlite3.connect(home / "decisions.sqlite")
    connection.execute("DROP TRIGGER ends_no_update")
    connection.execute("UPDATE ends SET record = CAST(replace(record, 'refund', 'rebate') AS BLOB) WHERE id = 'd3'")
    connection.commit()
    connection.close()
    found = as_json(home, "verify", status=1)
    assert not found["ok"]
    assert "altered" in {finding["kind"] for finding in found["findings"]}
    assert "was altered or is damaged" in rightsized(home, "verify", status=1)
    assert as_json(tmp_path / "backup", "verify", "--file", str(tmp_path / "backup" / "decisions.sqlite"))["ok"]
    stranger = as_json(tmp_path / "backup", "checkpoint")["keys"][0]
    assert as_json(tmp_path / "backup", "verify", "--key", stranger)["ok"]


def test_a_key_takes_over(home: Path, tmp_path: Path) -> None:
    rightsized(home, "checkpoint", "--out", str(tmp_path / "kept.txt"))
    rotated = as_json(home, "rotate-key")
    assert rotated["key"] == as_json(home, "checkpoint")["keys"][-1]
    assert as_json(home, "verify", "--against", str(tmp_path / "kept.txt"))["ok"]
    for path in (home / "secrets").glob("log-*"):
        path.unlink()
    with pytest.raises(StoreError, match="not among the home's secrets"):
        SqliteLedger(home / "decisions.sqlite", secrets=SecretFolder(home / "secrets"))
    rightsized(home, "rotate-key", status=1)
    rightsized(home, "rotate-key", "--lost")
    found = as_json(home, "verify", status=1)
    assert [finding["kind"] for finding in found["findings"]] == ["key"]


SEARCHES = [
    (("--label", "refund", "--limit", "3"), ["d9", "d7", "d5"]),
    (("--certificate", "sha256:c2"), ["d9", "d8", "d7", "d6"]),
    (("--rule", "no-health"), ["d3"]),
    (("--tenant", "ward"), ["d4"]),
    (("--subject", "alice"), ["d9", "d8"]),
    (("--tier", "2"), []),
    (("--rung", "encoder", "--model", "sha256:aa", "--limit", "1"), ["d9"]),
    (
        (
            "--task",
            "support",
            "--status",
            "answered",
            "--since",
            "2025-11-24T16:00:05",
            "--until",
            "2025-11-24T16:00:07",
        ),
        ["d6", "d5"],
    ),
    (("--status", "failed"), []),
    (("--audited",), []),
]


@pytest.mark.parametrize(("asked", "expected"), SEARCHES)
def test_search(made: Path, asked: tuple[str, ...], expected: list[str]) -> None:
    assert [one["id"] for one in as_json(made, "search", *asked)] == expected


def test_search_shows_a_table_and_refuses_nonsense(made: Path) -> None:
    assert "d9" in rightsized(made, "search")
    assert rightsized(made, "search", "--label", "none").strip() == "No such decision."
    rightsized(made, "search", "--since", "yesterday", status=2)


def test_export_gives_entries_that_hash_to_the_root(made: Path, tmp_path: Path) -> None:
    assert as_json(made, "export", str(tmp_path / "log.jsonl"))["rows"] == 20
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    leaves = [leaf_hash(leaf(LogRow(row["seq"], row["table"], row["record"].encode()))) for row in rows]
    assert root_of(leaves) == parse_checkpoint(as_json(made, "checkpoint")["checkpoint"]).root
    assert as_json(made, "export", str(tmp_path / "part.jsonl"), "--after", "15")["rows"] == 5
    rightsized(made, "export", str(tmp_path / "log.csv"), status=2)
    rightsized(made, "export", "/proc/none/log.jsonl", status=1)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_export_of_decisions_as_parquet(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "decisions.parquet"
    assert "10 decisions written" in rightsized(made, "export", str(out), "--rows", "decisions")
    table = pq.read_table(out).to_pylist()
    assert [row["id"] for row in table] == [f"d{n}" for n in range(10)]
    assert table[3]["rules"] == ["no-health"]
    assert (table[9]["subject"], table[9]["label"], table[0]["certified"]) == ("alice", "refund", True)
    as_json(made, "export", str(tmp_path / "decisions.jsonl"), "--rows", "decisions")
    lines = [json.loads(line) for line in (tmp_path / "decisions.jsonl").read_text("utf-8").splitlines()]
    assert lines == table


def test_retention_counts_and_deletes(home: Path) -> None:
    (home / "rightsized.toml").write_text("[record]\ntext_days = 1.0\nlabelled_text_days = 1.0\n")
    found = as_json(home, "retention")
    assert (found["texts"], found["older_than_text_days"], found["deleted"]) == (10, 10, 0)
    assert "10 were deleted" in rightsized(home, "retention", "--apply")
    assert as_json(home, "retention")["texts"] == 0
    assert as_json(home, "verify")["ok"]


def test_erase(home: Path) -> None:
    found = as_json(home, "erase", "alice", "--yes")
    assert (found["logged"], found["event"]["decisions"], found["event"]["texts"]) == (True, 2, 2)
    assert as_json(home, "search", "--subject", "alice") == []
    assert as_json(home, "verify")["ok"]
    rightsized(home, "erase", "alice", "--yes", status=3)
    rightsized(home, "erase", "ward", "--tenant", "--yes", status=3)


def test_erase_beside_a_writer_is_done_at_once_and_said_later(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rightsized.cli import ledger_data

    monkeypatch.setattr(ledger_data, "PATIENCE_S", 0.3)
    where = Home(home)
    with WriterLock(where, "serve"), SqliteLedger(where.decisions, secrets=SecretFolder(where.secrets)) as ledger:
        began = time.monotonic()
        result = ledger_data.erase(ledger_data.EraseOptions(subject="alice", yes=True, home=home))
        assert time.monotonic() - began >= 0.3
        assert not result.data["logged"]
        assert ledger.reader.text("d9") is None
        assert len(asyncio.run(ledger.log_erasures())) == 1
