"""Labels of a judge, rows that people checked, and unlabelled traffic: real fits on the sample data."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rightsized.cascade.certificate import sign
from rightsized.core.config import AuditConfig, Config
from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Certificate, Targets
from rightsized.data import path as sample
from rightsized.store.home import Home
from rightsized.tasks import traffic
from rightsized.tasks.dataset import OUT_OF_SCOPE, Columns
from rightsized.tasks.fit import fit_task
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.judged import LabelRule, check_labels, judge_of, kind_in_words, read_checked
from rightsized.tasks.service import open_service
from rightsized.tasks.slices import FitPlan, prepare
from rightsized.tasks.versions import TaskStore, write_record

pytestmark = pytest.mark.usefixtures("trained_and_timed_once")

JUDGE = "judge:J-7"


def rows(name: str) -> tuple[list[str], list[str]]:
    with sample(name).open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    return [row["text"] for row in found], [row["department"] for row in found]


def plan(home: Path, **changed: Any) -> FitPlan:
    return FitPlan(
        home=str(home),
        task="support",
        rows=rows("support_train.csv"),
        calibrate_rows=rows("support_calibrate.csv"),
        targets=Targets(max_error=0.1),
        **changed,
    )


def checked(blind: int = 0) -> tuple[list[str], list[Any], list[Any]]:
    """Calibrate rows that people labelled too; every `blind`-th is wrong by their word, and the judge lets it pass."""
    texts, said = rows("support_calibrate.csv")
    people = [OUT_OF_SCOPE if blind and i % blind == 0 else label for i, label in enumerate(said)]
    return texts[:400], list(people[:400]), list(said[:400])


def test_an_unchecked_judge_is_named_and_wrong_is_not_said(home: Path) -> None:
    found = fit_task(plan(home, labelled=LabelRule(kind=JUDGE)))
    assert found.certificate.state == "certified"
    assert found.certificate.label_kind == "judge J-7"
    assert "at most 10% of the messages answered here disagree with judge J-7" in found.certificate.sentence
    assert "are wrong" not in found.certificate.sentence
    assert any(f.kind == "judge" and "not as judge J-7 says" in f.message for f in found.findings)


def test_a_checked_judge_lets_wrong_be_said_and_a_blind_one_does_not(home: Path) -> None:
    sound = fit_task(plan(home, labelled=LabelRule(kind=JUDGE, check_rows=checked())))
    certificate = sound.certificate
    assert certificate.state == "certified"
    assert certificate.label_kind == "judge J-7, checked by people"
    assert "at most 10% of the messages answered here are wrong" in certificate.sentence
    assert "disagreement with the judge within 0.05" in certificate.method
    assert certificate.p_value is not None
    assert certificate.p_value <= certificate.delta_spent / 2
    blind = fit_task(plan(home, labelled=LabelRule(kind=JUDGE, check_rows=checked(blind=5))))
    assert blind.certificate.state != "certified"
    assert blind.certificate.label_kind == "judge J-7"  # the check was not passed, so the figures are the judge's
    assert blind.certificate.attempt == 2  # other checks are another look at the same labels


def test_rows_that_people_checked_never_train(tmp_path: Path) -> None:
    texts, labels = rows("support_train.csv")
    given = (texts[:7], list(labels[:7]), list(labels[:7]))
    slices = prepare(plan(tmp_path, labelled=LabelRule(kind=JUDGE, check_rows=given)))
    assert set(texts[:7]).isdisjoint(slices.train.texts)


def test_the_file_of_checks_names_both_columns(tmp_path: Path) -> None:
    path = tmp_path / "checks.csv"
    lines = [["text", "label", "judge"], ["a", "returns", "returns"], ["b", "returns", ""], ["c", "", "billing"]]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([*lines, ["d", "out_of_scope", "billing"]])
    found = read_checked(LabelRule(kind=JUDGE, check=str(path)), Columns())
    assert found.people.texts == ["a", "d"]
    assert found.people.labels == [("returns",), ()]
    assert found.judge == [("returns",), ("billing",)]
    with pytest.raises(DataError, match="no column 'verdict'"):
        read_checked(LabelRule(kind=JUDGE, check=str(path), column="verdict"), Columns())


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (LabelRule(kind="people"), "Known: human, exact, judge:NAME"),
        (LabelRule(kind="judge:"), "cannot be printed"),
        (LabelRule(kind="judge:J, checked by people"), "cannot be printed"),
        (LabelRule(kind="human", check="checks.csv"), "Say whose labels they are"),
        (LabelRule(kind=JUDGE, share=1.0), "between 0 and 1"),
    ],
)
def test_what_cannot_be_said_is_refused(rule: LabelRule, words: str) -> None:
    with pytest.raises(InputError) as refused:
        check_labels(rule)
    assert words in str(refused.value)


def test_kinds_in_words() -> None:
    assert [kind_in_words(LabelRule(kind=kind), passed=True) for kind in ("human", "exact", JUDGE)] == [
        "people",
        "exact match",
        "judge J-7",
    ]
    assert [judge_of(kind) for kind in ("people", "judge J-7", "judge J-7, checked by people")] == ["", JUDGE, ""]


def test_a_judges_promise_is_watched_by_the_judges_labels(copied_home: Path) -> None:
    store, settings = TaskStore(Home(copied_home)), Config(home=str(copied_home), audit=AuditConfig(rate=1.0))
    certificate = msgspec.structs.replace(
        store.read("support", "certificate.json", Certificate), label_kind="judge J-7"
    )
    signed = sign(certificate, Home(copied_home).secret(SIGNING_SECRET))
    write_record(store.folder("support"), "certificate.json", signed)

    async def scenario() -> None:
        async with open_service(settings, purpose="test", record=True) as service:
            audits = [await service.classify("support", text) for text in rows("support_calibrate.csv")[0][:30]]
            local = [reply.id for reply in audits if reply.status == "answered"]
            watch = service.loaded("support").watch
            assert watch is not None
            for reviewer, seen in (("ana", 0), (JUDGE, len(local))):
                for decision in local:
                    await service.label(decision, OUT_OF_SCOPE, reviewer)
                await watch.refresh()
                status = service.task("support").monitor
                assert status is not None
                assert (status.audits, status.wrong) == (seen, seen)
            assert service.task("support").state == "suspended"

    asyncio.run(scenario())


def test_traffic_says_how_much_is_answered_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sample("support_stream.csv").open(encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    wide = fit_task(plan(home)).certificate
    monkeypatch.setattr(traffic, "MOST", len(texts) - 10)
    found = fit_task(plan(home, traffic_texts=[*texts, " "]))
    certificate = found.certificate
    assert certificate.local_share.n == len(texts) - 10
    assert f"local share from {len(texts) - 10:,} unlabelled requests" in certificate.method
    assert [f.message for f in found.findings if f.kind == "traffic"]
    assert (certificate.attempt, certificate.thresholds) == (1, wide.thresholds)  # no promise rests on traffic
    assert 0 < certificate.local_share.low < certificate.local_share.value <= certificate.local_share.high


def test_traffic_is_read_without_labels_and_counted_once_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "traffic.csv"
    path.write_text("talk,text\na,one\na,two\nb,three\n,four\n,\n", "utf-8")
    data = traffic.read_traffic(path, Columns(group="talk"))
    assert data.texts == ["one", "two", "three", "four"]
    assert len(traffic.sampled(data, 0, [])) == 3
    with pytest.raises(DataError, match="no text"):
        traffic.traffic_of([" "])
