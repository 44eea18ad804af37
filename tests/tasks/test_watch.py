"""The drift warning looks at messages in the order they came, whatever the order of the replies."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from rightsized.core.config import AuditConfig
from rightsized.core.types import Attempt, Certificate, LabelScore, Prediction, Reply
from rightsized.ledger.log import SqliteLedger
from rightsized.store.home import Home
from rightsized.tasks.versions import TaskStore
from rightsized.tasks.watch import DRIFT_FILE, TaskWatch

MESSAGES = 150


def reply(score: float) -> Reply:
    prediction = Prediction("a", ("a",), (LabelScore("a", score),), out_of_scope=1 - score)
    attempt = Attempt("ngram", 3, "sha256:x", score, 0.5, score >= 0.5, prediction)
    return Reply("i", "t", "answered", prediction, "ngram", 3, "sha256:x", score, "certified", attempts=(attempt,))


def watch(folder: Path, certificate: Certificate, ledger: SqliteLedger) -> TaskWatch:
    draw = random.Random(0)
    scores = [draw.random() for _ in range(500)]
    reference = {"ngram score": scores, "ngram out of scope": [1 - s for s in scores]}
    (folder / DRIFT_FILE).write_bytes(msgspec.json.encode(reference))
    return TaskWatch(folder, certificate, ledger=ledger, audit=AuditConfig(), on_alarm=lambda reason: None)


def warned(folder: Path, fitted_home: Path, scores: list[float], order: list[int]) -> str:
    certificate = TaskStore(Home(fitted_home)).read("support", "certificate.json", Certificate)
    with SqliteLedger(folder / "decisions.sqlite") as ledger:
        watched = watch(folder, certificate, ledger)
        tickets = [watched.begin() for _ in scores]
        for i in order:
            watched.see(tickets[i], reply(scores[i]))
        return watched.drift_warning()


def test_sure_answers_come_first_and_raise_no_warning(tmp_path: Path, fitted_home: Path) -> None:
    draw = random.Random(1)
    scores = [draw.random() for _ in range(MESSAGES)]
    fast_first = sorted(range(MESSAGES), key=lambda i: -scores[i])
    assert warned(tmp_path, fitted_home, scores, fast_first) == ""


def test_messages_that_are_really_different_raise_one(tmp_path: Path, fitted_home: Path) -> None:
    draw = random.Random(1)
    scores = [draw.random() ** 4 for _ in range(MESSAGES)]
    assert "no longer look like" in warned(tmp_path, fitted_home, scores, list(range(MESSAGES)))


def test_a_request_without_a_reply_does_not_block_the_others(tmp_path: Path, fitted_home: Path) -> None:
    certificate = TaskStore(Home(fitted_home)).read("support", "certificate.json", Certificate)
    with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
        watched = watch(tmp_path, certificate, ledger)
        failed = watched.begin()
        others = [watched.begin() for _ in range(MESSAGES)]
        for ticket in others:
            watched.see(ticket, reply(0.01))
        assert watched.drift_warning() == ""
        watched.see(failed, None)
        assert "no longer look like" in watched.drift_warning()
