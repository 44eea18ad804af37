"""Ask a folder of documents: extracts, answers that a model writes and that are checked, and a certificate refused.

python examples/ask_documents.py        (the tier that writes is a fake, so no model is needed; name a real one)

The sample documents are those of an invented maker of pumps. The fake tier says two things: one that a passage bears
out, and one that none does. Only the first is shown.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rightsized.data import folder

SAID = "The usual measure is up to two days a week [1][2][3][4][5][6][7][8]. Everybody gets a car [1]."
SETTINGS = f"""
[[tiers]]
name = "small"
engine = "fake"
options = {{answer = "{SAID}"}}
"""
ASKED = "What is the usual measure of remote work, in days a week?"
JUDGED = (
    {"text": ASKED, "document": "remote-work.html", "answer": "The usual measure is up to two days a week"},
    {
        "text": "Can somebody be made to work at home?",
        "document": "remote-work.html",
        "answer": "Nobody can be obliged",
    },
    {"text": "Who won the cup in 1974?", "unanswerable": True},
)


def rightsized(*arguments: str) -> dict[str, Any]:
    """Run a command; gives what it found."""
    command = [sys.executable, "-m", "rightsized.cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show(found: dict[str, Any]) -> None:
    """An answer with its places."""
    print(f"{found['status']} ({found['method']}, {found['state']}), probability {found['probability']:.2f}")
    for one in found["sentences"]:
        places = {f"{cited['document']['key']}:{cited['place']['start']}" for cited in one["citations"]}
        print(f"  {' '.join(one['text'].split())}  [{', '.join(sorted(places))}]")
    for note in found["notes"]:
        print(f"  note: {note}")


def main() -> None:
    """Take in, ask twice, calibrate."""
    documents = folder("documents")
    with tempfile.TemporaryDirectory() as work:
        settings = Path(work) / "rightsized.toml"
        settings.write_text(SETTINGS, "utf-8")
        rightsized("search", "add", str(documents / "policies"), "--collection", "papers")
        asked = ("papers", ASKED, "--as", "everyone", "--config", str(settings))
        show(rightsized("search", "answer", *asked))
        written = rightsized("search", "answer", *asked, "--written")
        show(written)
        print(f"  written by {written['written']['tier']}, decision {written['written']['decision']}")
        judged = Path(work) / "judged.jsonl"
        judged.write_text("".join(json.dumps(one) + "\n" for one in JUDGED), "utf-8")
        found = rightsized("search", "calibrate", "papers", "--data", str(judged), "--max-error", "0.1")
        print(f"calibrated on {len(JUDGED)} judged questions: {found['kept']['certificate']['state']}")
        for one in found["findings"]:
            print(f"  {one}")


if __name__ == "__main__":
    main()
