"""`rightsized search answer --written` and `search calibrate` on real documents with the real encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_search_commands import company, search, taken_in

from rightsized.apps.search.collections import Collections
from rightsized.core.config import Config
from rightsized.store.home import Home, WriterLock
from rightsized.tasks.opened import Encoders
from tests.answer_promises import promised
from tests.command_line import command
from tests.engines.tiny_gguf import model

__all__ = ["company", "taken_in"]
ASKED = "What is the usual measure of remote work, in days a week?"
SAID = "The usual measure is up to two days a week"
FAKE = """
[[tiers]]
name = "small"
engine = "fake"
options = {{answer = "{said} [1][2][3][4][5][6][7][8]."}}
"""
TINY = """
[[tiers]]
name = "tiny"
engine = "llamacpp"
model = "{model}"
context = 4096
options = {{threads = 1}}
"""


def settings(home: Path, text: str) -> Path:
    path = home / "rightsized.toml"
    path.write_text(text)
    return path


def test_a_written_answer_is_checked_cited_and_on_record(company: Path) -> None:
    config = settings(company, FAKE.format(said=SAID))
    found = search(company, "answer", "company", ASKED, "--written", "--as", "everyone", "--config", config)
    assert (found["status"], found["method"], found["written"]["tier"]) == ("answered", "write", "small")
    cited = found["sentences"][0]["citations"]
    assert cited and {one["document"]["key"] for one in cited} == {"policies/remote-work.html"}
    assert all(SAID in " ".join(one["quote"].split()) for one in cited)
    wrong = settings(company, FAKE.format(said="The usual measure is up to four days a week"))
    told = search(company, "answer", "company", ASKED, "--written", "--as", "everyone", "--config", wrong)
    assert (
        told["status"] == "abstained" and told["written"]["left_out"] == 1 and "four" not in json.dumps(told["notes"])
    )


def test_without_a_tier_there_is_no_written_answer(company: Path) -> None:
    refused = search(company, "answer", "company", ASKED, "--written", "--as", "everyone", status=2)
    assert "[[tiers]]" in json.dumps(refused)


def test_a_model_on_this_machine_that_writes_nonsense_is_not_shown(company: Path) -> None:
    pytest.importorskip("xllamacpp")
    config = settings(company, TINY.format(model=model(context=4096)))
    found = search(company, "answer", "company", ASKED, "--written", "--as", "everyone", "--config", config)
    assert found["status"] == "abstained" and found["sentences"] == []
    assert found["written"]["tier"] == "tiny" and found["written"]["model"].startswith("sha256:")
    assert found["written"]["decision"] and found["notes"]


def test_few_judged_questions_certify_nothing_and_say_so(company: Path, tmp_path: Path) -> None:
    row = {"text": ASKED, "document": "policies/remote-work.html", "answer": SAID}
    path = tmp_path / "judged.jsonl"
    path.write_text("".join(json.dumps({**row, "text": f"{ASKED} ({n})"}) + "\n" for n in range(12)))
    found = search(company, "calibrate", "company", "--data", path, "--max-error", "0.1")
    certificate = found["kept"]["certificate"]
    assert certificate["state"] != "certified" and found["problems"] == []
    assert any("A certificate would need about" in one for one in found["findings"])
    answer = search(company, "answer", "company", ASKED, "--as", "everyone")
    assert answer["state"] == "uncertified" and "calibration found no threshold" in answer["promise"]


def test_an_answer_under_a_certificate_is_on_record(company: Path) -> None:
    encoders = Encoders(Config(home=str(company)))
    collections = Collections(Home(company), lambda: encoders.get("minilm"))
    certificate = promised(collections.open("company"))
    collections.close()
    encoders.close()
    asked = ("answer", "company", ASKED, "--as", "everyone")
    found = search(company, *asked)
    assert (found["status"], found["state"]) == ("answered", "certified")
    shown = json.loads(command("decisions", "show", found["decision"], "--home", company, "--json").stdout)
    reply = shown["decision"]["reply"]
    assert reply["certificate"] == certificate.id and reply["certified"] and ASKED in shown["text"]
    (one,) = search(company, "promises")["promises"]
    assert (one["task"], one["state"]) == ("search/company/extract", "certified") and one["monitor"]["wrong"] == 0
    with WriterLock(Home(company), "fit"):
        alone = search(company, *asked)
    assert (alone["state"], alone["decision"]) == ("uncertified", "") and "cannot be put on record" in alone["promise"]
