"""The audit report: counts that add up, a record that was altered is told, and pages that stand alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from test_report_page import Page

from rightsized.core.config import Config, load
from rightsized.core.egress import JOURNAL, Journal
from rightsized.core.errors import ForbiddenError, NotFoundError
from rightsized.core.generation import Caller, Generation
from rightsized.core.types import Attempt, Completion, Decision, Reply
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.schema import EventRow
from rightsized.store.home import Home
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.compliance import Asked, AuditReport, gather, render
from rightsized.tasks.compliance.provisions import provisions
from rightsized.tasks.compliance.tally import MOST_KINDS, Tally
from rightsized.tasks.service import LocalService
from tests.command_line import command

TOML = """
[[tiers]]
name = "small"
engine = "fake"
options = { answer = "small says" }

[[tiers]]
name = "large"
engine = "fake"
tier = 1
data_classes = ["public"]
options = { answer = "large says" }
"""
EVER = Asked(0.0, 4e9)


def chat(text: str, **more: Any) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": text}]}, **more)


@pytest.fixture
def asked(tmp_path: Path) -> Config:
    """A home whose gateway was asked three things, one of them refused, and where an alarm went off."""
    file = tmp_path / "rightsized.toml"
    file.write_text(TOML)
    config = load(file, environment={}, flags={"home": str(tmp_path)})

    async def main() -> None:
        async with LocalService(config, purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            generate, caller = service.gateway.generate, Caller(key="k", tenant="ward")
            await generate(chat("a patient", model="small", data_class="health"), caller, "")
            await generate(chat("hello", model="large", data_class="public"), caller, "")
            with pytest.raises(ForbiddenError):
                await generate(chat("a secret", model="large", data_class="secret"), caller, "")
        with SqliteLedger(Path(config.home) / "decisions.sqlite", secrets=SecretFolder(Home(tmp_path).secrets)) as log:
            await log.note(EventRow("alarm", "chat", "", time.time(), "6% were wrong."))

    asyncio.run(main())
    return config


def test_counts_add_up_and_say_who_saw_what(asked: Config) -> None:
    report = gather(asked, EVER)
    assert (report.outcomes.requests, report.outcomes.answered, report.outcomes.failed) == (3, 2, 1)
    assert report.outcomes == report.tasks[0].outcomes
    assert report.classes == {"health": 1, "public": 1, "secret": 1}
    rungs = {rung.rung: rung for rung in report.rungs}
    assert (rungs["small"].asked, rungs["small"].classes) == (1, {"health": 1})
    assert (rungs["large"].asked, rungs["large"].classes) == (1, {"public": 1})  # the refused text never came there
    assert report.departures == ()
    assert report.opened == ()
    assert [event.words for event in report.events] == ["the promise was found broken: 6% were wrong."]
    assert report.log.unaltered is True
    assert report.log.entries == 2 * 3 + 1  # three starts, three ends, one event


def test_connections_come_from_the_egress_journal(asked: Config) -> None:
    journal = Journal(Path(asked.home) / JOURNAL, clock=lambda: 100.0)
    journal.note("opened", "pypi", "pulling minilm")
    journal.note("closed", "pypi", "pulling minilm", received=5)
    (row,) = gather(asked, Asked(50.0, 200.0)).opened
    assert (row.destination, row.opened, row.received) == ("pypi", 1, 5)
    assert gather(asked, Asked(101.0, 200.0)).opened == gather(asked, Asked(1.0, 100.0)).opened == ()


def test_a_period_leaves_out_what_came_before_and_after(asked: Config) -> None:
    with contextlib.closing(sqlite3.connect(Path(asked.home) / "decisions.sqlite")) as file:
        times = [moment for (moment,) in file.execute("SELECT started FROM starts ORDER BY started")]
    assert gather(asked, Asked(times[1], times[2])).outcomes.requests == 1
    empty = gather(asked, Asked(1.0, 2.0))
    assert (empty.outcomes.requests, empty.tasks, empty.events) == (0, (), ())
    assert empty.log.unaltered is True  # the record is checked whole, whatever the period


def test_an_altered_record_is_told_on_the_page_and_by_the_status(asked: Config) -> None:
    with contextlib.closing(sqlite3.connect(Path(asked.home) / "decisions.sqlite")) as file:
        file.execute("DROP TRIGGER ends_no_update")
        file.execute("UPDATE ends SET record = replace(CAST(record AS TEXT), 'small', 'large') WHERE seq = 2")
        file.commit()
    report = gather(asked, EVER)
    assert report.log.unaltered is False
    assert report.log.findings
    page = Page(render(report))
    assert "The record is not as it was signed." in " ".join(page.words)
    assert gather(asked, Asked(EVER.since, EVER.until, check=False)).log.unaltered is None
    assert _command(asked, "report", "audit", status=1)["log"]["unaltered"] is False


def test_the_page_stands_alone_and_answers_first(asked: Config) -> None:
    report = gather(asked, EVER)
    html = render(report)
    page = Page(html)
    words = " ".join(" ".join(page.words).split())
    assert not page.faults
    assert "3 requests" in words
    assert "2 answered by a model" in words
    assert "No text left this machine through a tier." in words
    assert not [one for one in page.elements if one[0] in ("script", "img", "link", "iframe")]
    anchors = {attributes.get("id") for _, attributes in page.elements}
    linked = {value[1:] for name, attributes in page.elements if name == "a" and (value := attributes.get("href", ""))}
    assert linked <= anchors


def test_each_article_says_what_is_shown_and_what_is_not(asked: Config) -> None:
    found = provisions(gather(asked, EVER))
    assert [one.article for one in found] == [
        *("Art. 12", "Art. 13", "Art. 14", "Art. 19", "Art. 26"),
        "45 CFR 164.312(b)",
        *("Art. 15", "Art. 17", "Art. 22"),
    ]
    assert all(one.asks and one.shows and one.missing and one.sections for one in found)
    shown = {one.article: one.shows for one in found}
    assert shown["Art. 12"].startswith("3 requests of this period are on record")
    assert "All 7 entries are those that were signed." in shown["Art. 12"]
    assert "1 request held health data" in shown["45 CFR 164.312(b)"]
    assert "Six months are not reached yet." in shown["Art. 19"]
    assert shown["Art. 26"].startswith("1 alarm in this period")


def test_hostile_words_stay_words(asked: Config) -> None:
    hostile = '"><script>alert(1)</script>{{ 7*7 }}'
    tally = Tally({})
    tally.add(_decision("x", hostile, destination=hostile))
    report = gather(asked, EVER)
    report = AuditReport(
        **{name: getattr(report, name) for name in AuditReport.__struct_fields__}
        | {"tasks": tally.tasks(), "departures": tally.departures(), "rungs": tally.rungs()}
    )
    page = Page(render(report))
    assert not page.faults
    assert not [one for one in page.elements if one[0] == "script"]
    assert hostile in "".join(page.words)


def test_texts_that_left_are_counted_by_host_and_class_further_samples_included() -> None:
    tally = Tally({"large": (False, "api.example.com")})
    for number in range(3):
        tally.add(_decision(str(number), "chat", destination="api.example.com", samples=2))
    tally.add(_decision("here", "chat", destination=""))
    (left,) = tally.departures()
    assert (left.destination, left.times, left.classes, left.last) == ("api.example.com", 9, {"internal": 3}, 10.0)
    (rung,) = tally.rungs()
    assert (rung.asked, rung.on_premises, rung.destination) == (4, False, "api.example.com")


def test_memory_is_bounded_by_the_kinds_not_by_the_requests() -> None:
    tally = Tally({})
    for number in range(MOST_KINDS + 50):
        failed = _decision(str(number), "chat", destination="")
        tally.add(Decision(**{f: getattr(failed, f) for f in Decision.__struct_fields__} | _failed(f"error {number}")))
    assert len(tally.failures) == MOST_KINDS + 1
    assert tally.failures["other"] == 50
    assert tally.outcomes.failed == MOST_KINDS + 50


def test_the_command_writes_the_page_and_prints_everything(asked: Config, tmp_path: Path) -> None:
    out = tmp_path / "audit.html"
    found = _command(asked, "report", "audit", "--out", str(out))
    assert found["outcomes"]["requests"] == 3
    assert found["report"] == str(out)
    assert out.read_text("utf-8").startswith("<!doctype html>")
    early = _command(asked, "report", "audit", "--since", "2001-01-01", "--until", "2001-02-01", "--out", str(out))
    assert early["outcomes"]["requests"] == 0
    _command(asked, "report", "audit", "--since", "2001-02-01", "--until", "2001-01-01", status=2)
    _command(asked, "report", "audit", "--since", "last week", status=2)
    with pytest.raises(NotFoundError):
        gather(load(None, environment={}, flags={"home": str(tmp_path / "nothing")}), EVER)


def _failed(error: str) -> dict[str, Any]:
    return {"phase": "failed", "reply": None, "error": error}


def _decision(number: str, task: str, *, destination: str, samples: int = 0) -> Decision:
    attempt = Attempt(
        "large",
        1,
        "sha256:x",
        0.0,
        None,
        True,
        completion=Completion(sha256="s"),
        samples=samples,
        destination=destination,
    )
    reply = Reply(number, task, "answered", None, "large", 1, "sha256:x", 0.0, "none", attempts=(attempt,))
    return Decision(number, task, "v", 10.0, "t", "done", False, 0.0, ended=11.0, reply=reply, data_class="internal")


def _command(config: Config, *arguments: str, status: int = 0) -> dict[str, Any]:
    done = command(*arguments, "--home", config.home, "--json", cwd=Path(config.home))
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
