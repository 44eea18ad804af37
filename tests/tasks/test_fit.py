"""The fit pipeline from file to installed version, on the real encoder and the sample data."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from rightsized.cascade.certificate import public_key, verify_certificate
from rightsized.core.errors import DataError, InputError, NotFoundError
from rightsized.core.types import Certificate, Targets, Task
from rightsized.data import path as sample
from rightsized.store.home import Home
from rightsized.tasks.dataset import Columns
from rightsized.tasks.fit import fit_task
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.records import FitReport
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.versions import TaskStore


def report(home: Path, task: str) -> FitReport:
    return TaskStore(Home(home)).read(task, "report.json", FitReport)


def tone_rows(count: int) -> tuple[list[str], list[str]]:
    with sample("tone.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[:count]
    return [row["text"] for row in rows], [row["tone"] for row in rows]


def test_the_sample_promise_is_certified_and_true_of_its_rows(fitted_home: Path) -> None:
    found = report(fitted_home, "support")
    certificate = found.certificate
    assert (found.state, found.n_train, found.n_calibrate) == ("certified", 400, 600)
    assert certificate.n == 600
    assert certificate.errors / certificate.m <= certificate.epsilon == 0.05
    assert certificate.p_value is not None
    assert certificate.p_value <= certificate.delta_spent < 0.05
    assert certificate.thresholds in certificate.rejected
    assert found.measured.coverage.value >= 0.5
    assert certificate.out_of_scope_rows > 0
    assert str(certificate.out_of_scope_rows) in certificate.sentence


def test_a_small_task_is_estimated_and_says_how_many_rows_would_do(fitted_home: Path) -> None:
    found = report(fitted_home, "tone")
    assert found.state == "estimated"
    assert found.measured.slice == "out-of-fold"
    assert "nothing is promised" in found.certificate.sentence
    assert found.certificate.needed is None or found.certificate.needed > found.rows


def test_what_is_installed_is_whole(fitted_home: Path) -> None:
    store = TaskStore(Home(fitted_home))
    certificate = store.read("support", "certificate.json", Certificate)
    verify_certificate(certificate, public_key(Home(fitted_home).secret(SIGNING_SECRET)))
    assert store.read("support", "task.json", Task).labels == tuple(sorted(report(fitted_home, "support").task.labels))
    page = (store.folder("support") / "report.html").read_text("utf-8")
    assert certificate.sentence.split(":")[0] in page
    assert report(fitted_home, "support").report == str(store.folder("support") / "report.html")


def test_measured_latency_and_memory_are_of_a_process_without_training_libraries(fitted_home: Path) -> None:
    found = report(fitted_home, "support")
    assert 0 < found.latency.p50 <= found.latency.p95
    assert 50 < found.rss_mb < 250
    assert found.rungs[0].latency_ms < found.rungs[1].latency_ms


def test_the_same_fit_again_is_the_same_model_and_the_same_attempt(home: Path) -> None:
    texts, labels = tone_rows(120)
    calibrate = ([f"{text} Thanks." for text in texts[:60]], labels[:60])
    plan = FitPlan(home=str(home), task="again", rows=(texts, labels), calibrate_rows=calibrate)
    first, second = fit_task(plan), fit_task(plan)
    assert first.certificate.digests["classifier"] == second.certificate.digests["classifier"]
    assert (first.certificate.attempt, second.certificate.attempt) == (1, 1)
    other = fit_task(FitPlan(home=str(home), task="again", rows=(texts, labels), calibrate_rows=calibrate, seed=1))
    assert other.certificate.attempt == 2
    assert other.certificate.delta_spent < first.certificate.delta_spent
    assert len(TaskStore(Home(home)).versions("again")) == 3


def test_nothing_is_installed_when_a_fit_fails(home: Path) -> None:
    texts, labels = tone_rows(40)
    with pytest.raises(DataError, match="one label only"):
        fit_task(FitPlan(home=str(home), task="broken", rows=(texts, ["calm"] * len(texts))))
    with pytest.raises(InputError, match="cannot name a task"):
        fit_task(FitPlan(home=str(home), task="Not A Name", rows=(texts, labels)))
    with pytest.raises(NotFoundError, match="models pull"):
        fit_task(FitPlan(home=str(home), task="broken", rows=(texts, labels), encoder="absent"))
    assert TaskStore(Home(home)).names() == []


def test_near_repeats_of_measuring_rows_do_not_train(home: Path) -> None:
    texts, labels = tone_rows(120)
    calibrate = ([texts[0].upper(), *(f"unrelated message number {i} about tents" for i in range(9))], ["calm"] * 10)
    found = fit_task(FitPlan(home=str(home), task="near", rows=(texts, labels), calibrate_rows=calibrate))
    assert found.n_train == 119
    assert [f.rows for f in found.findings if f.kind == "near-duplicate"] == [(1,)]


def test_out_of_scope_rows_never_train_and_always_count_as_wrong(home: Path) -> None:
    texts, labels = tone_rows(120)
    plan = FitPlan(
        home=str(home),
        task="scope",
        rows=([*texts, "we buy gold"], [*labels, "out_of_scope"]),
        calibrate_rows=(["I am applying for a job with you"] * 3, ["out_of_scope"] * 3),
        columns=Columns(),
        targets=Targets(max_error=0.2),
    )
    found = fit_task(plan)
    assert "out_of_scope" not in found.task.labels
    assert found.n_train == 120
    assert found.certificate.out_of_scope_rows == 3
    assert found.state != "certified"


def test_labels_that_were_never_trained_are_reported(home: Path) -> None:
    texts, labels = tone_rows(120)
    calibrate = (["hello there, a quite new kind of message"], ["novel"])
    found = fit_task(FitPlan(home=str(home), task="unknown", rows=(texts, labels), calibrate_rows=calibrate))
    assert [f.kind for f in found.findings if "novel" in f.message] == ["unknown-label"]


def test_a_conversation_never_trains_and_measures(tmp_path: Path, home: Path) -> None:
    texts, labels = tone_rows(60)
    train, calibrate = tmp_path / "train.csv", tmp_path / "calibrate.csv"
    rows = [[f"c{i}", text, label] for i, (text, label) in enumerate(zip(texts, labels, strict=True))]
    for path, part in ((train, rows[:50]), (calibrate, [*rows[50:], ["c3", "an answer to the third", "calm"]])):
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([["talk", "text", "label"], *part])
    columns = Columns(group="talk")
    found = fit_task(FitPlan(home=str(home), task="talks", file=str(train), calibrate=str(calibrate), columns=columns))
    assert found.n_train == 49
    assert [f.rows for f in found.findings if f.kind == "shared-group"] == [(4,)]
    assert found.certificate.unit == "conversations"


def test_the_encoder_before_quantisation_stands_beside_the_other_candidates(fitted_home: Path) -> None:
    rows = {c.name: c for c in report(fitted_home, "support").candidates}
    full, small = rows["fp32 encoder alone"], rows["INT8 encoder alone"]
    assert full.size_mb > 3 * small.size_mb
    assert abs(full.accuracy - small.accuracy) < 0.1
    assert "same answer" in full.note
    assert not full.chosen
    assert "fp32 encoder alone" not in {c.name for c in report(fitted_home, "tone").candidates}


def test_the_same_rows_cannot_train_and_calibrate(home: Path) -> None:
    rows = tone_rows(60)
    with pytest.raises(DataError, match="No row is left to train on"):
        fit_task(FitPlan(home=str(home), task="same", rows=rows, calibrate_rows=rows))
