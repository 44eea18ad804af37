"""From people's labels to a version in force: what trains, what compares, what tests, on the sample company's mail."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from rightsized.apps.triage.learning import shadow
from rightsized.apps.triage.learning.ask import ask
from rightsized.apps.triage.learning.candidate import _learned_before, candidate_of, keep, refit
from rightsized.apps.triage.learning.compare import _unlike, compare
from rightsized.apps.triage.learning.curve import curve
from rightsized.apps.triage.learning.discover import discover
from rightsized.apps.triage.learning.labels import Fresh, Learnt, fresh_audits, is_held, learn_from, text_digest
from rightsized.apps.triage.learning.promote import _bursts_once, promote
from rightsized.apps.triage.learning.standing import _waits, noise, standing
from rightsized.cascade.attempts import decisions_tested
from rightsized.core.config import AuditConfig, Config
from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.types import Certificate, Targets
from rightsized.data import path as sample
from rightsized.explain.neighbours import open_examples
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks import shadow_run
from rightsized.tasks.dataset import OUT_OF_SCOPE, Columns
from rightsized.tasks.fit import fit_task
from rightsized.tasks.queue import ReviewQueue, TrainingRow
from rightsized.tasks.service import LocalService
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.versions import TaskStore
from tests.command_line import command
from tests.conftest import share_encoder, share_vectors, shared_folder

TASK, RATE, TESTS = "mail", 0.4, 60
FIRST, ON_RECORD, LATER = 160, 320, 12  # rows that train the first version; messages on record; those after the refit


class Lived(NamedTuple):
    """A home with a task, messages answered, and labels of people: audits all labelled, and the doubtful others."""

    home: Home
    truth: dict[str, str]
    first: str


def mail() -> list[tuple[str, str]]:
    found = []
    for name in ("support_train.csv", "support_calibrate.csv"):
        with sample(name).open(encoding="utf-8", newline="") as stream:
            found += [(row["text"], row["department"]) for row in csv.DictReader(stream)]
    return list(dict(found).items())


@pytest.fixture(scope="module")
def lived(encoder_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Written to by the tests in their order: each goes on from the one before, as a month would."""
    place = tmp_path_factory.mktemp("learning") / "home"
    home = Home(share_vectors(shared_folder(tmp_path_factory), share_encoder(encoder_home, place)))
    rows = mail()
    first = [row for row in rows if row[1] != OUT_OF_SCOPE][:FIRST]
    texts, labels = [text for text, _ in first], [label for _, label in first]
    plan = FitPlan(
        str(home.path), TASK, rows=(texts, labels), columns=Columns(), targets=Targets(max_error=0.3), train_only=True
    )
    report = fit_task(plan)
    rest = [row for row in rows if row not in first]
    asyncio.run(_live(home, rest[:ON_RECORD]))
    yield Lived(home, dict(rows), report.task.version)
    shutil.rmtree(home.path, ignore_errors=True)


async def _live(home: Home, messages: list[tuple[str, str]]) -> None:
    """Messages come in; all audits are labelled; of the others those that wait, and every second one is corrected."""
    config = Config(home=str(home.path), audit=AuditConfig(rate=RATE))
    async with LocalService(config, purpose="test", record=True) as service:
        for number, (text, label) in enumerate(messages):
            reply = await service.classify(TASK, text)
            if service.decision(reply.id).audit or reply.status == "abstained":
                await service.label(reply.id, label, "ana")
            elif number % 2:
                await service.feedback(reply.id, label, "ben")


def fresh(home: Home) -> Fresh:
    with LedgerReader(home.decisions) as reader:
        return fresh_audits(ReviewQueue(reader), reader, home.path, TASK)


def test_what_to_ask_is_doubtful_and_never_an_audit(lived: Lived) -> None:
    found = ask(lived.home, TASK, 15)
    everyone = ask(lived.home, TASK, 10_000)
    assert len(found) == len({one.text for one in found}) == 15
    with LedgerReader(lived.home.decisions) as reader:
        assert not any(reader.get(one.decision).audit for one in everyone)
        labelled = {row.decision for row in ReviewQueue(reader).reviews(TASK)}
    assert not labelled & {one.decision for one in everyone}
    mean = sum(one.uncertainty for one in everyone) / len(everyone)
    assert sum(one.uncertainty for one in found) / 15 > mean
    assert {one.kind for one in everyone} == {"feedback"}, "those that waited were labelled"
    with pytest.raises(InputError, match="0 messages"):
        ask(lived.home, TASK, 0)


def test_a_candidate_learns_from_corrections_and_from_nothing_that_tests_or_compares(lived: Lived) -> None:
    with pytest.raises(NotFoundError, match="no candidate"):
        candidate_of(lived.home, TASK)
    candidate = refit(lived.home, TASK, fit_task)
    store = TaskStore(lived.home)
    assert store.current(TASK) == candidate.base == lived.first, "a candidate is not in force"
    examples = open_examples(store.folder(TASK, candidate.version))
    with LedgerReader(lived.home.decisions) as reader:
        queue = ReviewQueue(reader)
        taught = queue.training_rows(TASK)
        audited = {reader.text(one.decision) for one in queue.audit_outcomes(TASK)}
    held = {row.text for row in taught if is_held(row)}
    learned = {row.text for row in taught if not is_held(row) and row.label != OUT_OF_SCOPE}
    assert candidate.held == len(held) > 0
    assert candidate.corrections >= len(learned) > 10
    assert learned <= set(examples.texts)
    assert not set(examples.texts) & (held | audited)
    assert candidate.needed is None or candidate.needed > 0
    assert store.read(TASK, "certificate.json", Certificate, candidate.version).state != "certified"


def test_the_comparison_is_paired_and_looks_at_no_audit(lived: Lived) -> None:
    found = compare(lived.home, TASK)
    assert found.held is not None
    assert found.held.n == candidate_of(lived.home, TASK).held
    for one in (found.held, found.out_of_fold):
        assert one is not None
        assert one.difference.value == pytest.approx(one.candidate - one.running)
        assert one.difference.value == pytest.approx((one.fixed - one.broken) / one.n)
        assert one.difference.low <= one.difference.value <= one.difference.high
    assert found.out_of_fold is not None
    assert found.out_of_fold.n > 100
    with LedgerReader(lived.home.decisions) as reader:
        audited = {reader.text(one.decision) for one in ReviewQueue(reader).audit_outcomes(TASK)}
    assert not audited & {one.text for one in found.changed}
    assert found.verdict


def test_a_shadow_run_reads_along_and_changes_nothing(lived: Lived) -> None:
    version = candidate_of(lived.home, TASK).version
    run = shadow_run.start(lived.home, TASK, version)
    assert shadow.report(lived.home, run).n == 0, "what came before is not read"
    rest = [row for row in mail() if row[0] in lived.truth][-LATER:]
    asyncio.run(_live(lived.home, rest))
    assert shadow_run.running(lived.home) == [run]
    assert shadow.catch_up(lived.home, run) == LATER
    assert shadow.catch_up(lived.home, run) == 0
    lines = shadow_run.lines(lived.home, TASK)
    assert len({line.decision for line in lines}) == LATER
    with LedgerReader(lived.home.decisions) as reader:
        replies = {line.decision: reader.get(line.decision) for line in lines}
        taught = {row.decision for row in ReviewQueue(reader).training_rows(TASK)}
        audited = {reader.text(one.decision) for one in ReviewQueue(reader).audit_outcomes(TASK)}
    assert any(line.audit for line in lines)
    for line in lines:
        said = replies[line.decision].reply.suggestion
        assert line.running == said.labels
        assert replies[line.decision].version == lived.first, "the running version answered"
    found = shadow.report(lived.home, run)
    assert found.n == LATER
    assert found.labelled is not None
    assert found.labelled.n == len(taught & replies.keys()) > 0
    assert not audited & {one.text for one in found.differing}, "whoever labels an audit sees no prediction"
    path = lived.home.path / "learning" / TASK / shadow_run.LINES
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])  # a crash in the middle of a line
    assert len(shadow_run.lines(lived.home, TASK)) == LATER - 1
    assert shadow.catch_up(lived.home, run) == 1
    assert path.read_bytes() == whole
    assert _served_along(lived.home) == LATER + 1, "a service reads along by itself"
    assert shadow_run.stop(lived.home, TASK).stopped is not None
    assert shadow.catch_up(lived.home, shadow_run.of(lived.home, TASK)) == 0


def _served_along(home: Home) -> int:
    """Lines of the run once a service has answered one more message and waited for its next look."""

    async def look() -> int:
        config = Config(home=str(home.path), audit=AuditConfig(rate=RATE))
        async with LocalService(config, purpose="test", record=True) as one:
            decision = (await one.classify(TASK, "Do you also repair stoves?")).id
            if one.decision(decision).audit:
                await one.label(decision, OUT_OF_SCOPE, "ana")
            for _ in range(400):
                if len(found := shadow_run.lines(home, TASK)) > LATER:
                    return len(found)
                await asyncio.sleep(0.02)
            return 0

    return asyncio.run(look())


def test_promotion_takes_fresh_audits_in_their_order_and_no_gap(lived: Lived) -> None:
    candidate = candidate_of(lived.home, TASK)
    keep(lived.home, msgspec.structs.replace(candidate, needed=100_000))
    with pytest.raises(InputError, match="100000 fresh audits"):
        promote(lived.home, TASK, fit_task)
    keep(lived.home, msgspec.structs.replace(candidate, declared=TESTS))
    with pytest.raises(InputError, match=f"{TESTS} fresh audits are to test this candidate; there are [1-9]"):
        promote(lived.home, TASK, fit_task)  # only those that came after the number was declared
    keep(lived.home, msgspec.structs.replace(candidate, needed=TESTS))
    before = fresh(lived.home)
    assert before.used == 0
    assert before.probability == RATE
    done = promote(lived.home, TASK, fit_task)
    store = TaskStore(lived.home)
    assert (done.state, done.promoted, done.attempt) == ("certified", True, 1)
    assert store.current(TASK) == done.version
    certificate = store.read(TASK, "certificate.json", Certificate)
    assert certificate.n == TESTS
    assert f"chosen by the audit coin of {TASK} (probability {RATE:g}" in certificate.sentence
    trained = set(open_examples(store.folder(TASK)).texts)
    assert not trained & set(before.texts[:TESTS])
    assert done.same_model == (done.left_out == 0)
    after = fresh(lived.home)
    assert after.used == TESTS, "what has tested once is not fresh"
    assert after.texts == before.texts[TESTS:]
    with pytest.raises(InputError, match="is in force now"):
        promote(lived.home, TASK, fit_task)


def test_a_promise_that_rests_on_one_incident_is_refused(lived: Lived) -> None:
    store, found = TaskStore(lived.home), fresh(lived.home)
    version, certificate = store.current(TASK), store.read(TASK, "certificate.json", Certificate)
    right = next(n for n, one in enumerate(found.outcomes) if one.local and one.wrong is False)
    own = found.outcomes[right]
    texts = [*(f"{found.texts[right]} {n}" for n in range(40)), *found.texts[-10:]]
    wrong = ["rental" if one.label != "rental" else "billing" for one in found.outcomes[-10:]]
    plan = FitPlan(str(lived.home.path), TASK, calibrate_rows=(texts, [str(own.label)] * 40 + wrong))

    def tested(seconds: float) -> tuple[int, str]:
        times = [1e6 + seconds * n for n in range(40)] + [1e6 + 1e5 * n for n in range(10)]
        audits = [msgspec.structs.replace(own, decision=f"d{n}", started=at) for n, at in enumerate(times)]
        return _bursts_once(lived.home, store, certificate, version, audits, plan)

    copies, refused = tested(60.0)
    assert copies == 39
    assert "39 of the 50 audits are further messages of one incident" in refused
    assert tested(25_000.0) == (0, ""), "the same text all the time is traffic, no incident"


def test_what_nearly_repeats_a_trained_row_compares_nothing() -> None:
    held = [TrainingRow("d1", "The payment page shows an error for order 4711 since ten", "billing", "abstained"),
            TrainingRow("d2", "Where can I hire a kayak for the weekend?", "rental", "feedback")]  # fmt: skip
    assert _unlike(held, ["The payment page shows an error for order 4712 since ten"]) == held[1:]


def test_conversations_are_remembered_after_their_texts_left_the_record(lived: Lived) -> None:
    before = candidate_of(lived.home, TASK)
    keep(lived.home, msgspec.structs.replace(before, learned=(("c1", text_digest("a")), ("c2", text_digest("b")))))
    learnt = Learnt(["a", "z"], [("x",), ("y",)], 1, [], 0, (("c9", text_digest("z")),))
    assert _learned_before(lived.home, TASK, learnt) == [("c1", text_digest("a"))]
    keep(lived.home, before)


def test_a_tested_audit_stays_tested_under_another_label_and_a_text_that_traffic_repeats_stays_fresh(
    lived: Lived,
) -> None:
    before = fresh(lived.home)
    with LedgerReader(lived.home.decisions) as reader:
        outcomes = ReviewQueue(reader).audit_outcomes(TASK)
        tested = next(one for one in outcomes if one.decision in decisions_tested(lived.home.path, TASK))
        text = str(reader.text(tested.decision))
    config = Config(home=str(lived.home.path), audit=AuditConfig(rate=RATE))

    async def relabelled_and_repeated() -> int:
        async with LocalService(config, purpose="test", record=True) as service:
            await service.label(tested.decision, "rental" if tested.label != "rental" else "billing", "second reviewer")
            again = [await service.classify(TASK, text) for _ in range(12)]
            audits = [reply.id for reply in again if service.decision(reply.id).audit]
            for one in audits:
                await service.label(one, str(tested.label), "ana")
            return len(audits)

    came = asyncio.run(relabelled_and_repeated())
    after = fresh(lived.home)
    assert after.used == TESTS, "a second reviewer's word makes a tested audit no fresh one"
    assert came > 0
    assert after.texts == [*before.texts, *[text] * came], "the same text sent again is traffic as any other"


def test_an_audit_without_a_label_stops_the_test(lived: Lived) -> None:
    config = Config(home=str(lived.home.path), audit=AuditConfig(rate=1.0))

    async def unanswered() -> str:
        async with LocalService(config, purpose="test", record=True) as service:
            return (await service.classify(TASK, "Where is the tent that I ordered on the third of May?")).id

    decision = asyncio.run(unanswered())
    TaskStore(lived.home).rollback(TASK)
    keep(lived.home, msgspec.structs.replace(candidate_of(lived.home, TASK), needed=1))
    with pytest.raises(InputError, match=f"1 of the first 1 fresh audits have no label yet, such as {decision}"):
        promote(lived.home, TASK, fit_task)  # thrown with another coin, earlier ones are passed over


def test_the_curve_rises_and_more_labels_are_promised_only_where_it_says_so(
    lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = curve(lived.home, TASK)
    sizes = [point.labels for point in found.points]
    assert sizes == sorted(sizes)
    assert sizes[-1] == found.messages * 4 // 5
    assert found.points[-1].right.value > found.points[0].right.value
    for one in (found.half, found.all):
        assert (one.more is None) == bool(one.why)
    monkeypatch.setattr("rightsized.jobs.local.run_in_child", lambda *_, **__: found)
    said = command("triage", "learn", "curve", TASK, "--home", lived.home.path)
    assert said.returncode == 0
    assert f"Of {found.messages:,} labelled messages, cross-fitted; no promise." in said.stdout
    assert f"{sizes[0]:,} " in said.stdout


def test_how_long_audits_take_to_come_is_said() -> None:
    assert _waits("certified", 40, 40, 0.02) == () == _waits("certified", 140, 0, 0.0)
    (said,) = _waits("certified", 144, 2, 0.02)
    assert "7,100 messages" in said and "trains nothing" not in said
    assert "trains nothing" in _waits("none", 144, 2, 0.02)[0]


def test_the_commands_say_where_learning_stands(lived: Lived) -> None:
    def run(*arguments: str) -> Any:
        done = command("triage", "learn", *arguments, "--home", lived.home.path, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    found = run("status", TASK)
    assert found == json.loads(msgspec.json.encode(standing(lived.home, TASK)))
    assert found["version"] == lived.first
    assert found["audits"] > TESTS
    assert len(run("ask", TASK, "--count", "3")) == 3
    asked = run("ask", TASK, "--count", "1")[0]["decision"]
    given = run("label", asked, "returns", "--reviewer", "cy")
    assert (given["decision"], given["label"], given["reviewer"], given["kind"]) == (asked, "returns", "cy", "feedback")
    assert asked not in [one["decision"] for one in run("ask", TASK, "--count", "1000")]
    assert len(run("noise", TASK)) == len(noise(lived.home, TASK))
    assert run("shadow", "status", TASK)["n"] == LATER + 1
    assert [one["n"] for one in run("discover", TASK)] == [one.n for one in discover(lived.home, TASK)]
    assert "running" in command("triage", "learn", "compare", TASK, "--home", lived.home.path).stdout
    gone = command("triage", "learn", "rollback", TASK, "--home", lived.home.path)
    assert (gone.returncode, "no version before" in gone.stderr) != (0, False)


def test_a_correction_replaces_the_example_it_contradicts(lived: Lived) -> None:
    store = TaskStore(lived.home)
    text = open_examples(store.folder(TASK)).texts[0]
    config = Config(home=str(lived.home.path), audit=AuditConfig(rate=0.0))

    async def corrected() -> None:
        async with LocalService(config, purpose="test", record=True) as service:
            for attempt in range(20):  # until the hash of a decision does not keep it back
                reply = await service.classify(TASK, text)
                await service.feedback(reply.id, "rental", "ben")
                row = next(r for r in ReviewQueue(service._reader).training_rows(TASK) if r.decision == reply.id)
                if not is_held(row):
                    return
                await service.unlabel(reply.id, "ben")
                assert attempt < 19

    asyncio.run(corrected())
    with LedgerReader(lived.home.decisions) as reader:
        learnt = learn_from(ReviewQueue(reader), store.folder(TASK), TASK, several=False)
    assert [label for known, label in zip(learnt.texts, learnt.labels, strict=True) if known == text] == [("rental",)]
    assert learnt.replaced >= 1
