"""Is what the reader is told true? The certificate, end to end, on populations whose true error is known.

The pool is the population: rows are drawn from it with replacement, and the promise is held against the whole pool.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rightsized.cascade import estimates
from rightsized.cascade.reference import Reference
from rightsized.cascade.scores import Scores
from rightsized.core.types import Certificate, Promise, Targets
from rightsized.engines.fake import FakeRung
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.schema import EventRow
from rightsized.store.home import Home
from rightsized.store.secrets import SecretFolder
from rightsized.tasks.certify import Evidence, certify
from rightsized.tasks.dataset import Dataset
from rightsized.tasks.evaluate import answered_by
from rightsized.tasks.score import score_rows
from rightsized.tasks.slices import FitPlan, Slices
from rightsized.tasks.split import Split

COSTS = (1e-6, 1e-4, 0.5)
DELTA = 0.2
OUTSIDE = 0.06  # share of messages that no label fits


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many labels would do is simulated at length, and no promise depends on it."""
    monkeypatch.setattr(estimates, "fresh_labels_needed", lambda *_, **__: None)


@dataclass(frozen=True)
class Pool:
    """A population: what each of two rungs says of each message, and what is right."""

    texts: list[str]
    labels: list[tuple[str, ...]]
    scores: NDArray[np.float64]
    said: NDArray[np.bool_]  # whether the rung says `yes`; the right label is `yes`, or none

    @property
    def correct(self) -> NDArray[np.bool_]:
        inside = np.array([bool(labels) for labels in self.labels])
        return self.said & inside[:, None]

    def rungs(self) -> list[FakeRung]:
        return [
            FakeRung(
                {t: ("yes" if self.said[i, k] else "no", float(self.scores[i, k])) for i, t in enumerate(self.texts)},
                name=name,
            )
            for k, name in enumerate(("ngram", "head"))
        ]

    def risk(self, thresholds: tuple[float | None, ...], promise: Promise) -> float:
        """The true rate that the promise is about."""
        rung = answered_by(self.scores, thresholds)
        local = rung >= 0
        wrong = local & ~self.correct[np.arange(len(rung)), np.maximum(rung, 0)]
        return float(wrong.sum() / (max(1, local.sum()) if promise == "selective_error" else len(rung)))


def pool(seed: int, size: int = 3000, sharpness: float = 3.0) -> Pool:
    """Messages of which the surest are answered best; of the two rungs the second knows more."""
    random = np.random.default_rng(seed)
    ease = random.random(size)
    scores, said = np.empty((size, 2)), np.empty((size, 2), np.bool_)
    for k, skill in enumerate((0.75, 1.0)):
        scores[:, k] = np.clip(ease + random.normal(0, 0.15 / skill, size), 0, 1).round(3)
        said[:, k] = random.random(size) < 1 - 0.5 * (1 - ease) ** (sharpness * skill)
    outside = random.random(size) < OUTSIDE
    scores[outside] *= 0.7
    return Pool([f"message {i}" for i in range(size)], [() if o else ("yes",) for o in outside], scores, said)


def evidence(home: Path, population: Pool, rows: NDArray[np.intp], targets: Targets, **other: object) -> Evidence:
    """As `fit` puts it together: calibrate rows scored through the rungs, selection from another pool."""
    selection = other.get("selection", population)
    assert isinstance(selection, Pool)
    data = Dataset("traffic", [population.texts[i] for i in rows], [population.labels[i] for i in rows], [], [])
    data.rows, data.groups = list(range(1, len(rows) + 1)), [""] * len(rows)
    slices = Slices(data, ["no", "yes"], data, data, None, Split((), (), (), "file", ""), "drawn at random", [])
    return Evidence(
        plan=FitPlan(home=str(home), task="t", targets=targets, seed=int(str(other.get("seed", 0)))),
        slices=slices,
        selection=Scores(selection.scores[:800], selection.correct[:800]),
        scored=asyncio.run(score_rows(population.rungs(), data)),
        costs=COSTS,
        reference=Reference((), ()),
        digests={"classifier": f"sha256:{hashlib.sha256(str(other.get('model', '')).encode()).hexdigest()}"},
    )


def naive(population: Pool, rows: NDArray[np.intp], epsilon: float) -> tuple[float | None, ...]:
    """The usual way: the loosest threshold that looks good enough on the calibrate rows."""
    score, right = population.scores[rows, 1], population.correct[rows, 1]
    order = np.argsort(-score, kind="stable")
    wrong = np.cumsum(~right[order])
    fine = np.flatnonzero(wrong <= epsilon * np.arange(1, len(order) + 1))
    return (None, float(score[order][fine[-1]]) if len(fine) else None)


@pytest.mark.parametrize(("promise", "epsilon"), [("selective_error", 0.06), ("wrong_local_rate", 0.04)])
def test_a_promise_is_broken_no_more_often_than_it_says(tmp_path: Path, promise: Promise, epsilon: float) -> None:
    population, flattering = pool(1), pool(2, sharpness=4.0)  # selection that believes in fewer errors than there are
    targets = Targets(max_error=epsilon, confidence=1 - DELTA, promise=promise)
    random = np.random.default_rng(3)
    draws, broken, certified, naively = 40, 0, 0, 0
    for draw in range(draws):
        rows = random.integers(0, len(population.texts), 400)
        found = certify(evidence(tmp_path / str(draw), population, rows, targets, selection=flattering, seed=draw))
        if found.state == "certified":
            certified += 1
            broken += population.risk(found.thresholds, promise) > epsilon
            assert str(found.out_of_scope_rows) in found.sentence
        naively += population.risk(naive(population, rows, epsilon), "selective_error") > epsilon
    assert certified >= 0.3 * draws  # a promise that is never made is never broken
    level = DELTA / 2  # the first attempt spends half
    assert broken / draws <= level + 3 * np.sqrt(level * (1 - level) / draws)
    if promise == "selective_error":
        assert naively / draws > 0.3  # so that this population can tell a sound test from a naive one


def test_five_attempts_on_the_same_rows_together_keep_to_delta(tmp_path: Path) -> None:
    """Models whose error is just above the budget whatever the threshold: every certificate is false."""
    epsilon, draws, size = 0.1, 20, 2000
    targets = Targets(max_error=epsilon, confidence=1 - DELTA)
    random = np.random.default_rng(5)
    false = fooled = 0
    for draw in range(draws):
        rows = random.integers(0, size, 300)
        numbers, states = [], []
        for model in range(5):
            said = random.random((size, 2)) >= 1.02 * epsilon
            null = Pool([f"{i}" for i in range(size)], [("yes",)] * size, random.random((size, 2)), said)
            found = certify(evidence(tmp_path / str(draw), null, rows, targets, model=model))
            numbers.append(found.attempt)
            states.append(found.state)
            fooled += model == 0 and null.correct[rows, 1].mean() >= 1 - epsilon
        assert numbers == [1, 2, 3, 4, 5]
        false += "certified" in states
    assert false / draws <= DELTA + 3 * np.sqrt(DELTA * (1 - DELTA) / draws)
    assert fooled / draws > 0.25  # the rows alone would often have looked good enough


def test_what_counts_as_a_new_attempt(tmp_path: Path) -> None:
    population = pool(7)
    rows = np.random.default_rng(8).integers(0, 3000, 300)
    targets = Targets(max_error=0.1)

    def attempt(**changed: object) -> int:
        return certify(evidence(tmp_path, population, rows, targets, **changed)).attempt

    assert [attempt(), attempt(), attempt()] == [1, 1, 1]  # the same again tells nothing new
    assert attempt(model="refitted with more rows") == 2
    assert attempt(seed=1) == 3
    assert attempt(selection=pool(9)) == 4
    grouped = evidence(tmp_path, population, rows, targets)
    assert grouped.slices.calibrate is not None
    grouped.slices.calibrate.groups = [f"c{i // 3}" for i in range(len(rows))]
    found = certify(grouped)  # other rows are tested: one a conversation
    assert (found.attempt, found.n, found.unit) == (5, 100, "conversations")
    assert found.out_of_scope_rows <= 100
    assert attempt() == 1
    fresh = np.setdiff1d(np.arange(3000), rows)[:300]
    assert certify(evidence(tmp_path, population, fresh, targets)).attempt == 1
    some_more = np.concatenate([rows, fresh[:20]])
    assert certify(evidence(tmp_path, population, some_more, targets)).attempt == 6


def test_labels_used_before_an_alarm_never_certify_again(tmp_path: Path) -> None:
    population, targets = pool(11), Targets(max_error=0.12, confidence=0.8)
    rows = np.arange(400)
    home = Home(tmp_path).ensure()
    first = certify(evidence(tmp_path, population, rows, targets))
    assert first.state == "certified"
    with SqliteLedger(home.decisions, group_ms=0, secrets=SecretFolder(home.secrets)) as ledger:
        asyncio.run(ledger.note(EventRow("alarm", "t", first.id, first.created + 1, "9 of 12 were wrong")))
    again = evidence(tmp_path, population, rows, targets)
    found = certify(again)  # the very same fit, run once more
    assert (found.state, found.figures_from) == ("estimated", "out-of-fold")
    assert "nothing is promised" in found.sentence
    assert [finding.kind for finding in again.slices.findings] == ["outlived"]
    fresh: Certificate = certify(evidence(tmp_path, population, np.arange(400, 800), targets))
    assert (fresh.state, fresh.attempt) == ("certified", 1)


def test_rows_that_trained_before_an_alarm_never_certify_under_another_seed(tmp_path: Path) -> None:
    population, targets = pool(11), Targets(max_error=0.12, confidence=0.8)
    home = Home(tmp_path).ensure()
    first = evidence(tmp_path, population, np.arange(400), targets)
    first.slices.data = evidence(tmp_path, population, np.arange(400, 1200), targets).slices.data  # train rows
    certificate = certify(first)
    with SqliteLedger(home.decisions, group_ms=0, secrets=SecretFolder(home.secrets)) as ledger:
        asyncio.run(ledger.note(EventRow("alarm", "t", certificate.id, certificate.created + 1, "9 of 12 were wrong")))
    again = evidence(tmp_path, population, np.arange(400, 800), targets)
    assert again.slices.calibrate is not None
    again.slices.calibrate.labels = [("relabelled",) for _ in again.slices.calibrate.labels]
    assert certify(again).state != "certified"
    assert [finding.kind for finding in again.slices.findings] == ["outlived"]
