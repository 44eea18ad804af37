"""Parts of the traffic with a promise of their own: declared, tested and told, on real fits of the sample data."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from rightsized.cascade.bounds import binomial_p_values
from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Certificate, Targets
from rightsized.data import path as sample
from rightsized.store.home import Home
from rightsized.tasks.dataset import Columns
from rightsized.tasks.fit import fit_task
from rightsized.tasks.records import FitReport
from rightsized.tasks.segments import SegmentRule, check_rule
from rightsized.tasks.slices import FitPlan, prepare
from rightsized.tasks.versions import TaskStore

pytestmark = pytest.mark.usefixtures("trained_and_timed_once")

FORM = 55  # characters; a shorter message is taken to come from the form


def with_channel(folder: Path, name: str, drop: str = "") -> Path:
    """A sample file with a column `channel` that follows from the message; rows of one channel may be dropped."""
    out = folder / name
    with sample(name).open(encoding="utf-8", newline="") as source, out.open("w", encoding="utf-8", newline="") as to:
        writer = csv.writer(to)
        writer.writerow(["text", "department", "channel"])
        for row in csv.DictReader(source):
            channel = "form" if len(row["text"]) < FORM else "mail"
            if channel != drop:
                writer.writerow([row["text"], row["department"], channel])
    return out


def plan(home: Path, folder: Path, rule: SegmentRule, **targets: object) -> FitPlan:
    return FitPlan(
        home=str(home),
        task="support",
        file=str(with_channel(folder, "support_train.csv")),
        calibrate=str(with_channel(folder, "support_calibrate.csv")),
        columns=Columns(label="department"),
        targets=msgspec.structs.replace(Targets(max_error=0.1), **targets),
        segments=rule,
    )


def test_a_part_of_the_requests_is_certified_on_its_own_counts(home: Path, tmp_path: Path) -> None:
    found = fit_task(plan(home, tmp_path, SegmentRule(by="channel", share=0.8)))
    certificate = found.certificate
    assert certificate.state == "certified"
    assert certificate.segment_by == "channel"
    form, mail = certificate.segments
    assert [form.name, mail.name] == ["form", "mail"]
    assert form.n + mail.n == certificate.n == 600
    assert form.m + mail.m == certificate.m
    assert form.errors + mail.errors == certificate.errors
    assert mail.certified
    assert binomial_p_values(mail.errors, mail.m, certificate.epsilon) <= mail.delta
    assert form.delta == mail.delta == pytest.approx(0.4 * certificate.delta_spent)
    assert certificate.p_value is not None
    assert certificate.p_value <= 0.2 * certificate.delta_spent  # what the parts left to the promise about everything
    assert "20% is for this and 80% in equal parts for the tests of 2 parts alone" in certificate.sentence
    assert "The same was shown of messages with channel mail alone." in certificate.sentence
    page = (TaskStore(Home(home)).folder("support") / "report.html").read_text("utf-8")
    assert "Part “mail”" in page
    again = fit_task(plan(home, tmp_path, SegmentRule(by="channel", share=0.8)))
    assert again.certificate.attempt == 1
    other = fit_task(plan(home, tmp_path, SegmentRule(by="channel", names=("mail",), share=0.8)))
    assert other.certificate.attempt == 2  # other parts are another look at the same labels


def test_parts_by_predicted_label_count_answers_not_true_labels(home: Path, tmp_path: Path) -> None:
    rule = SegmentRule(by="department", names=("returns", "delivery"), share=0.5)
    found = fit_task(plan(home, tmp_path, rule))
    parts = {segment.name: segment for segment in found.certificate.segments}
    assert found.certificate.segment_by == "predicted label"
    assert set(parts) == {"returns", "delivery"}
    with Path(str(sample("support_calibrate.csv"))).open(encoding="utf-8", newline="") as stream:
        truly = [row["department"] for row in csv.DictReader(stream)]
    assert 0 < parts["returns"].m <= parts["returns"].n
    assert parts["returns"].m - parts["returns"].errors <= truly.count("returns")
    assert "the answers" in found.certificate.sentence
    said = [f.message for f in found.findings if f.kind == "segment"]
    assert "2 parts by predicted label share 50% of delta equally" in said[0]


def test_values_that_no_training_row_has_are_no_part_and_are_told(tmp_path: Path) -> None:
    given = plan(tmp_path, tmp_path, SegmentRule(by="channel"))
    with_channel(tmp_path, "support_train.csv", drop="form")
    slices = prepare(given)
    assert slices.segments is not None
    assert slices.segments.names == ("mail",)
    assert any("121 calibrate rows belong to no part" in f.message for f in slices.findings)


def test_a_declaration_that_cannot_be_tested_is_refused(tmp_path: Path) -> None:
    for rule, words in (
        (SegmentRule(names=("returns",)), "not what divides"),
        (SegmentRule(by="channel", share=1.0), "between 0 and 1"),
        (SegmentRule(by="channel", names=("a", "a")), "named twice"),
    ):
        with pytest.raises(InputError, match=words):
            check_rule(rule, "selective_error", "department")
    with pytest.raises(InputError, match="go with the promise selective_error"):
        check_rule(SegmentRule(by="label"), "wrong_local_rate", "department")
    check_rule(SegmentRule(by="channel"), "wrong_local_rate", "department")
    with pytest.raises(InputError, match="'refund' is no label"):
        prepare(plan(tmp_path, tmp_path, SegmentRule(by="label", names=("refund",))))
    with pytest.raises(DataError, match="no column 'tenant'"):
        prepare(plan(tmp_path, tmp_path, SegmentRule(by="tenant")))
    with pytest.raises(DataError, match="values among the training rows; parts can be 1 to 100"):
        prepare(plan(tmp_path, tmp_path, SegmentRule(by="text")))


def test_the_sample_certificate_has_no_parts(fitted_home: Path) -> None:
    store = TaskStore(Home(fitted_home))
    assert store.read("support", "report.json", FitReport).certificate.segments == ()
    assert store.read("support", "certificate.json", Certificate).segment_by == ""
