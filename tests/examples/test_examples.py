"""Every example runs as its user would run it, in one home, in the order of the examples' own index."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rightsized.data import path
from tests.conftest import share_vectors, shared_folder

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
pytestmark = [pytest.mark.needs_encoder, pytest.mark.slow]


def run(example: str, home: Path, *arguments: str) -> str:
    """What an example prints. Fails with its error output where it fails."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), *arguments],
        env={**os.environ, "RIGHTSIZED_HOME": str(home), "PYTHONWARNINGS": "error::ResourceWarning"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, encoder_home: Path) -> Path:
    """A home with the encoder and the task that quickstart.py fits."""
    made = tmp_path_factory.mktemp("examples") / "home"
    (made / "models").mkdir(parents=True)
    (made / "models" / "minilm").symlink_to(encoder_home / "models" / "minilm")
    share_vectors(shared_folder(tmp_path_factory), made)
    out = run("quickstart.py", made)
    assert "Certified" in out and "at most 5% of the messages answered here are wrong" in out
    assert re.search(r"delivery, \d+% sure, by (ngram|head)", out)
    assert "for a person; the model would have said" in out
    return made


def test_batch(home: Path, tmp_path: Path) -> None:
    answered, person = tmp_path / "answered.csv", tmp_path / "person.csv"
    source = path("support_stream.csv")
    out = run("batch_classify.py", home, "support", str(source), str(answered), str(person))
    rows = {file: read(file) for file in (source, answered, person)}
    assert len(rows[answered]) + len(rows[person]) == len(rows[source])
    assert out.strip() == f"{len(rows[answered])} answered, {len(rows[person])} for a person"
    assert {row["text"] for row in rows[answered]}.isdisjoint(row["text"] for row in rows[person])
    assert all(row["label"] and 0 <= float(row["confidence"]) <= 1 for row in rows[answered])


def test_serve_and_call(home: Path) -> None:
    out = run("serve_and_call.py", home)
    assert re.search(r"status (answered|abstained), by \w+, decision [0-9a-f-]{36}", out)
    assert "on record: done, text kept: 'The zip of my new jacket is broken.'" in out
    assert "support: certified" in out


def test_review_queue(home: Path) -> None:
    out = run("review_queue.py", home)
    waiting, mine = map(int, re.findall(r"(\d+) wait for a person, (\d+) of them from here", out)[0])
    assert waiting >= mine >= 1
    labelled = re.findall(r"^(abstained|audit): .* is (orders|out_of_scope)$", out, re.M)
    assert len(labelled) == mine and "taken back: 204" in out
    trained = [kind for kind, _ in labelled[1:] if kind == "abstained"]  # the first label was taken back
    assert f"{len(trained)} rows from the queue may train; fitted again: " in out
    assert "attempt 2 on the same calibrate rows" in out


def test_custom_rung(home: Path) -> None:
    assert run("custom_rung.py", home).splitlines() == [
        "orders (tried: order-number 0.99)",
        "delivery (tried: order-number 0.00, model 0.97)",
        "for a person (tried: order-number 0.00, model 0.40)",
    ]


def test_gateway(home: Path) -> None:
    sentence, *answers = run("gateway.py", home).splitlines()
    assert sentence.startswith("Certified") and "at most 5% of the requests answered here are wrong" in sentence
    assert [answer.split("  |  ")[1:] for answer in answers] == [
        ["small", "certified"],
        ["large", "uncertified"],
        ["small", "certified"],
    ]


def test_ask_documents(home: Path) -> None:
    out = run("ask_documents.py", home)
    assert "(extract, uncertified)" in out and "answered (write, uncertified)" in out
    assert "The usual measure is up to two days a week.  [remote-work.html:" in out and "car" not in out.split()
    assert "1 of 2 sentences left out" in out and "written by small, decision " in out
    assert "A certificate would need about" in out


def test_triage_mail(home: Path) -> None:
    out = run("triage_mail.py", home)
    ways = [line.split()[0] for line in out.splitlines() if line.startswith(("routed", "waits"))]
    assert len(ways) == 6, out
    assert "Nothing is set up that writes for inbox." in out and "[[tiers]]" in out


def test_every_example_is_listed_and_tested() -> None:
    index = (EXAMPLES / "README.md").read_text("utf-8")
    tests = Path(__file__).read_text("utf-8")
    for file in sorted(EXAMPLES.glob("*.py")):
        assert f"[{file.name}]({file.name})" in index and f'run("{file.name}"' in tests
