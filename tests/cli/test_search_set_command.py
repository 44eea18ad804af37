"""`rightsized search set` as a lawyer runs it: from a search to a production that the other side can read."""

from __future__ import annotations

import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rightsized.apps.search.discovery.stopping.certificate import RecallCertificate, verify_recall
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.accesses import looked
from tests.command_line import command

PUMPS = ("the pump leaks at its seal", "pressure of the pump falls", "a bearing of the pump is worn")
OTHERS = ("the lease of the office ends", "the canteen is closed", "parking is for guests", "salaries are paid")


def rightsized(home: Path, *words: str | Path, status: int = 0) -> str:
    done = command("search", *words, "--home", home, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def as_json(home: Path, *words: str | Path, status: int = 0) -> Any:
    return json.loads(rightsized(home, *words, status=status))


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    for at in range(24):
        said = PUMPS[at % 3] if at % 6 == 0 else OTHERS[at % 4]
        (folder / f"n{at:02d}.txt").write_text(f"Note {at}\n\nMonday: {said}, as number {at} says.\n")
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "The pump", "Anna <anna@a.example>", "Bo <bo@b.example>"
    mail["Message-ID"] = "<1@a.example>"
    mail.set_content("Counsel says that the pump is our fault.\n")
    mail.add_attachment(b"The pump, drawn.\n", maintype="text", subtype="plain", filename="drawing.txt")
    (folder / "counsel.eml").write_bytes(mail.as_bytes())
    return folder


def test_from_a_search_to_a_production(home: Path, papers: Path, tmp_path: Path) -> None:
    as_json(home, "add", papers, "--collection", "mails")
    source = f"source=folder:{papers}"
    made = as_json(home, "set", "create", "mails", "pumps", "--filter", source, "--note", "pumps")
    assert made["documents"] == 26
    batch = as_json(home, "set", "next", "mails", "pumps", "-n", "6")
    assert sum("pump" in one["excerpt"].lower() for one in batch) >= 4  # from the note alone
    tags = tmp_path / "tags.jsonl"

    def decide(documents: list[dict[str, Any]]) -> None:
        lines = [
            {"document": one["id"], "tags": ["responsive" if "pump" in one["excerpt"].lower() else "not-responsive"]}
            for one in documents
        ]
        tags.write_text("\n".join(map(json.dumps, lines)))
        as_json(home, "set", "review", "mails", "pumps", "--data", tags)

    decide(batch)
    decide(as_json(home, "set", "next", "mails", "pumps", "-n", "6"))
    sample = as_json(home, "set", "sample", "mails", "pumps", "--recall", "0.7", "--size", "14")  # all that is left
    refused = as_json(home, "set", "certify", "mails", "pumps", status=1)
    assert "have not been decided on" in json.dumps(refused)
    decide(as_json(home, "set", "next", "mails", "pumps", "-n", str(len(sample["drawn"]))))
    found = as_json(home, "set", "certify", "mails", "pumps")
    verify_recall(msgspec.convert(found, RecallCertificate))
    status = as_json(home, "set", "status", "mails", "pumps")
    assert (status["certificate"]["id"], status["stale"]) == (found["id"], "")
    assert status["responsive"] == 6

    as_json(home, "set", "tag", "mails", "pumps", "counsel.eml", "-t", "privileged", "--note", "advice of counsel")
    stopped = as_json(home, "set", "export", "mails", "pumps", "--to", tmp_path / "out", status=2)
    assert "--allow family" in json.dumps(stopped)
    as_json(home, "set", "tag", "mails", "pumps", "counsel.eml", "-t", "privileged", "--with", "family")
    out = as_json(home, "set", "export", "mails", "pumps", "--to", tmp_path / "out")
    assert (out["documents"], out["withheld"]) == (6, 2)
    assert as_json(home, "set", "verify", tmp_path / "out")["documents"] == 6
    given = [path.read_bytes() for path in (tmp_path / "out" / "production").rglob("*.*")]
    assert not any(b"our fault" in one for one in given)
    actions = {one["action"] for one in as_json(home, "set", "log", "mails", "pumps")}
    assert actions >= {"created", "added", "batch", "text", "tag", "sampled", "certified", "produced", "withheld"}
    with LedgerReader(Home(home).decisions) as reader:
        assert {row.what for row in looked(reader, 0.0, 1e12)} == {"document", "production"}
