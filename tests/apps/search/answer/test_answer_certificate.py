"""The certificate of answers: what it promises, what makes it void, when it is refused, and what is asked above it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from answer_rooms import Counting, collected

from rightsized.apps.search.answer import fitting, promises, questions
from rightsized.apps.search.answer.answering import EVIDENCE, answer
from rightsized.apps.search.answer.calibrating import AnswerPlan, Bench, Calibrated, calibrate_answers
from rightsized.apps.search.answer.choosing import DEFAULT, SIGNALS, probability
from rightsized.apps.search.answer.counting import BLOCK, Tally
from rightsized.apps.search.answer.ways import WAYS
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.query.search import FUSED
from rightsized.apps.search.rank.ordering import Ordering
from rightsized.apps.search.types import Filters
from rightsized.cascade.attempts import read_book
from rightsized.cascade.certificate import verify_certificate
from rightsized.core.errors import DataError, IntegrityError
from rightsized.core.types import Targets
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.schema import EventRow
from rightsized.tasks.writing import NOBODY, no_writer

THINGS = (
    "valve", "pump", "rotor", "seal", "flange", "gasket", "bearing", "shaft",
    "casing", "nozzle", "filter", "sensor", "motor", "cable", "gauge", "hose",
)  # fmt: skip
PLACES = ["graz", "maribor", "ghent", "brno", "oslo", "turin"]
OTHERS = ["unicorn", "comet", "violin", "harbour", "saddle", "pepper", "tulip", "glacier"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PLAN = AnswerPlan(targets=Targets(max_error=0.1), sampling="drawn for a test")


def facts() -> dict[tuple[str, str], str]:
    dice = random.Random(3)  # test data
    return {(thing, place): f"{dice.randint(100, 999)}" for thing in THINGS for place in PLACES}


def documents() -> dict[str, str]:
    texts: dict[str, str] = {}
    for (thing, place), code in facts().items():
        line = f"\n\n## {thing} {place}\n\nThe {thing} of {place} bears the code {code}, painted in white.\n"
        texts[f"{thing}.md"] = texts.get(f"{thing}.md", "# Parts\n") + line
    return texts


def judged(path: Path, count: int, *, shuffled: bool = False, seed: int = 5) -> Path:
    """Questions about parts; one in twelve asks for what is nowhere. `shuffled`: judgements that fit nothing."""
    dice, known = random.Random(seed), facts()  # test data
    lines = []
    for number in range(count):
        thing, place = dice.choice(sorted(known))
        greeting = " ".join("".join(dice.choices(LETTERS, k=14)) for _ in range(2))  # no two questions are near repeats
        if number % 12 == 0:
            lines.append({"text": f"{greeting}: who owns the {dice.choice(OTHERS)}?", "unanswerable": True})
            continue
        other = dice.choice(sorted(known)) if shuffled else (thing, place)
        lines.append(
            {
                "text": f"{greeting}: which code does the {thing} of {place} bear?",
                "document": f"{other[0]}.md",
                "answer": f"The {other[0]} of {other[1]} bears the code {known[other]}",
            }
        )
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    collection = collected(tmp_path_factory.mktemp("parts"), documents())
    yield collection
    collection.close()


def bench(parts: Collection, ranking: Ranking = FUSED) -> Bench:
    return Bench(parts, ranking, WAYS["extract"](lambda: no_writer("", NOBODY)))


def calibrated(parts: Collection, path: Path, plan: AnswerPlan = PLAN) -> Calibrated:
    read = questions.read(path, parts.view(parts.all_principals()))
    assert not read.problems
    return asyncio.run(calibrate_answers(bench(parts), read.questions, plan))


@pytest.fixture(scope="module")
def certified(parts: Collection, tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    return calibrated(parts, judged(tmp_path_factory.mktemp("judged") / "judged.jsonl", 320))


def test_a_certificate_says_what_it_promises_and_is_signed(certified: Calibrated, parts: Collection) -> None:
    certificate = certified.kept.certificate
    verify_certificate(certificate)
    assert certificate.state == "certified" and certificate.rungs == ("extract", "person")
    assert "at most 10% of the questions answered here are wrong" in certificate.sentence
    assert "questions drawn for a test" in certificate.sentence and "16 documents" in certificate.sentence
    assert certificate.errors <= certificate.m <= certificate.n == certified.calibrate
    assert set(certificate.digests) >= {"answers", "encoder", "ordering", "recipe", "method", "reranker"}


def test_answers_above_the_threshold_are_certified_and_others_are_not_given(
    certified: Calibrated, parts: Collection
) -> None:
    promises.save(parts.folder, "extract", certified.kept)
    bar = promises.Bars().of(parts, FUSED, "extract")
    assert bar.state == "certified" and bar.least == certified.kept.certificate.thresholds[0]
    code = facts()["rotor", "ghent"]
    said = asyncio.run(answer(parts.view(()), "Which code does the rotor of ghent bear?", encoder=Counting(), bar=bar))
    assert (said.status, said.state) == ("answered", "certified") and code in said.text
    assert said.promise == certified.kept.certificate.sentence
    none = asyncio.run(answer(parts.view(()), "Who owns the unicorn?", encoder=Counting(), bar=bar))
    assert none.status == "abstained" and none.probability < bar.least


def test_the_promise_holds_on_fresh_questions(certified: Calibrated, parts: Collection, tmp_path: Path) -> None:
    fresh = questions.read(judged(tmp_path / "fresh.jsonl", 200, seed=9), parts.view(())).questions
    bar = promises.bar_of(certified.kept, "")
    given = [(one, asyncio.run(answer(parts.view(()), one.text, encoder=Counting(), bar=bar))) for one in fresh]
    answered = [(one, said) for one, said in given if said.status == "answered"]
    wrong = [one for one, said in answered if not questions.is_right(one, said)]
    assert len(answered) > 50 and len(wrong) <= 0.1 * len(answered)


@pytest.mark.parametrize("changed", ["answers", "encoder", "ordering", "recipe", "method", "fusion", "reranker"])
def test_any_change_of_what_answers_makes_it_void(certified: Calibrated, parts: Collection, changed: str) -> None:
    certificate = certified.kept.certificate
    digests = {**certificate.digests, changed: "sha256:other"}
    other = msgspec.structs.replace(certificate, digests=digests)
    kept = msgspec.structs.replace(certified.kept, certificate=other)
    promises.save(parts.folder, "extract", kept)
    bar = promises.Bars().of(parts, FUSED, "extract")
    assert bar.state == "uncertified" and (bar.weights, bar.least) == (EVIDENCE.weights, EVIDENCE.least)
    promises.save(parts.folder, "extract", certified.kept)
    learned = Ranking(ordering=Ordering({"lexical": 2.0}))
    bar = promises.Bars().of(parts, learned, "extract")
    assert bar.state == "uncertified" and "ordering is sha256:" in bar.promise


def test_an_altered_certificate_is_void_and_a_broken_file_an_error(certified: Calibrated, parts: Collection) -> None:
    looser = msgspec.structs.replace(certified.kept.certificate, thresholds=(0.0,))
    promises.save(parts.folder, "extract", msgspec.structs.replace(certified.kept, certificate=looser))
    assert "altered after it was signed" in promises.Bars().of(parts, FUSED, "extract").promise
    promises.path_of(parts.folder, "extract").write_text("{")
    with pytest.raises(IntegrityError):
        promises.Bars().of(parts, FUSED, "extract")
    promises.path_of(parts.folder, "extract").unlink()
    assert promises.Bars().of(parts, FUSED, "extract") == EVIDENCE


def test_a_certificate_ends_after_so_many_questions(certified: Calibrated, parts: Collection) -> None:
    promises.save(parts.folder, "extract", certified.kept)
    (parts.folder / "answers-extract.count").write_text("100000")
    assert "100,000 requests" in promises.Bars().of(parts, FUSED, "extract").promise


def test_questions_are_counted_ahead_so_that_a_crash_loses_none(tmp_path: Path) -> None:
    first = Tally(tmp_path, "extract")
    assert [first.count() for _ in range(BLOCK + 2)] == list(range(BLOCK + 2))
    assert Tally(tmp_path, "extract").count() == 2 * BLOCK
    first.reset()
    assert Tally(tmp_path, "extract").count() == 0


def test_few_questions_certify_nothing_and_say_how_many_would_do(parts: Collection, tmp_path: Path) -> None:
    found = calibrated(parts, judged(tmp_path / "few.jsonl", 60))
    certificate = found.kept.certificate
    assert certificate.state in ("estimated", "none") and certificate.attempt == 1
    assert "nothing is promised" in certificate.sentence or "Nothing is promised" in certificate.sentence
    assert promises.bar_of(found.kept, "").state == "uncertified" or certificate.thresholds[0] is not None


def test_judgements_that_fit_nothing_certify_nothing_and_spend_no_attempt(parts: Collection, tmp_path: Path) -> None:
    before = len(read_book(promises.home_of(parts).path).attempts)
    found = calibrated(parts, judged(tmp_path / "shuffled.jsonl", 320, shuffled=True, seed=11))
    assert found.kept.certificate.state != "certified"
    assert any("were not looked at" in one for one in found.findings)
    assert len(read_book(promises.home_of(parts).path).attempts) == before


def test_another_look_at_the_same_questions_spends_more(parts: Collection, tmp_path: Path) -> None:
    path = judged(tmp_path / "again.jsonl", 200, seed=17)
    assert calibrated(parts, path).kept.certificate.attempt == 1
    other = calibrated(parts, path, msgspec.structs.replace(PLAN, targets=Targets(max_error=0.15)))
    assert other.kept.certificate.attempt == 2
    assert other.kept.certificate.delta_spent == pytest.approx(0.05 / 6)


def test_what_is_fitted_on_clear_answers_tells_them_apart() -> None:
    dice = np.random.default_rng(1)
    right = dice.random(300) < 0.5
    rows = dice.normal(size=(300, len(SIGNALS))) + np.where(right, 1.0, -1.0)[:, None] * [1.0, 0, 0.5, 0]
    fitted = fitting.fit(rows, right)
    assert fitted.confidence["share"] > fitted.confidence["meaning_lead"] > abs(fitted.confidence["word_lead"])
    likely = fitting.probabilities(rows, fitted)
    assert likely[right].mean() > 0.7 > 0.3 > likely[~right].mean()
    assert abs(likely.mean() - right.mean()) < 0.01
    assert probability(rows[0], fitted) == likely[0] != probability(rows[0], DEFAULT)
    held = fitting.out_of_fold(rows, right, 0)
    assert np.isfinite(held).all() and held.tolist() != likely.tolist()


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "is no judged question"),
        ('{"text": ""}', "no question"),
        ('{"text": "a", "answer": "b"}', "no `document`"),
        ('{"text": "a", "document": "seal.md", "answer": "b", "said": "c"}', "in two ways"),
        ('{"text": 3}', "is no judged question"),
    ],
)
def test_odd_lines_are_named(parts: Collection, tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(DataError, match="line 2") as error:
        questions.read(path, parts.view(()))
    assert wrong in str(error.value)


def test_every_way_to_judge_is_understood(parts: Collection, tmp_path: Path) -> None:
    code = facts()["seal", "brno"]
    sentence = f"The seal of brno bears the code {code}"
    text = parts.view(()).text(next(one.id for one in parts.view(()).documents(Filters()) if one.key == "seal.md"))
    at = text.index(sentence)
    asked = "Which code does the seal of brno bear?"
    said = asyncio.run(answer(parts.view(()), asked, encoder=Counting()))
    rows: list[dict[str, object]] = [
        {"document": "seal.md", "answer": sentence},
        {"document": "seal.md", "spans": [[at, at + 10]]},
        {"documents": ["seal.md", "pump.md"]},
        {"said": said.text.upper(), "right": True},
        {"said": said.text, "right": False},
        {"said": "Something else.", "right": True},
        {"document": "pump.md", "answer": f"The pump of brno bears the code {facts()['pump', 'brno']}"},
        {},
        {"document": "gone.md", "answer": "x"},
    ]
    path = tmp_path / "ways.jsonl"
    path.write_text("".join(json.dumps({"text": asked, **row}) + "\n" for row in rows))
    read = questions.read(path, parts.view(()))
    assert [questions.is_right(one, said) for one in read.questions] == [True] * 4 + [False] * 5
    assert read.problems == ("Line 9: there is no document 'gone.md'; no answer to it counts as right.",)


def test_after_an_alarm_questions_used_before_certify_nothing_more(
    certified: Calibrated, parts: Collection, tmp_path: Path
) -> None:
    """Last of those that share the collection: an alarm stays."""
    first = certified.kept.certificate
    alarm = EventRow("alarm", first.task, first.id, time.time(), "9 of 40 audited answers were wrong")
    with SqliteLedger(promises.home_of(parts).decisions) as ledger:
        asyncio.run(ledger.note(alarm))
    again = calibrated(parts, judged(tmp_path / "judged.jsonl", 320), msgspec.structs.replace(PLAN, seed=8))
    assert again.kept.certificate.state != "certified"
    assert "can no longer certify anything" in " ".join(again.findings)
