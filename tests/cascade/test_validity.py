"""Does the certificate keep its word? By simulation, pool = population, samples with replacement. Quick forms; the
long ones are `python -m benchmarks.certificate_validity`.

Each assertion is about the truth of what the reader is told: how often a certified promise is false on the whole pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cascade_samples import constant_risk, draw, population, true_risks

from rightsized.cascade import estimates
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.plan import Calibration, JudgePlan, Plan
from rightsized.cascade.scores import Scores
from rightsized.cascade.selection import Path, choose_path
from rightsized.core.types import Promise

DELTA = 0.1
DRAWS = 250
ALLOWED = DELTA + 3.5 * np.sqrt(DELTA * (1 - DELTA) / DRAWS)  # Monte Carlo error of a share of at most delta
COSTS = {1: (0.01, 1.0), 2: (0.001, 0.01, 1.0)}
PROMISES: tuple[Promise, ...] = ("selective_error", "wrong_local_rate")

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def no_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many labels would do is not looked at here, and costs most of the time."""
    monkeypatch.setattr(estimates, "fresh_labels_needed", lambda *_: None)


@pytest.fixture(autouse=True)
def a_path_is_chosen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws differ in the rows that are tested. The path is a function of the plan and of what chose it: it stays."""
    paths: dict[object, Path] = {}

    def once(test: Any, selection: Scores, costs: tuple[float, ...], **more: Any) -> Path:
        given = (selection.scores.tobytes(), selection.correct.tobytes())
        key = (test, costs, tuple(sorted(more.items())), *given)
        if key not in paths:
            paths[key] = choose_path(test, selection, costs, **more)
        return paths[key]

    monkeypatch.setattr("rightsized.cascade.calibrate.choose_path", once)


def broken(found: Calibration, pool: Scores) -> bool:
    """Certified, and false on the whole pool."""
    selective, overall, _ = true_risks(pool, found.thresholds)
    risk = selective if found.promise == "selective_error" else overall
    return found.state == "certified" and risk > found.epsilon


def broken_share(plan: Callable[[int], Plan], chosen: Scores, sample: Callable[[int], Scores], pool: Scores) -> float:
    """Over DRAWS samples: the share of certificates that are false."""
    return float(np.mean([broken(calibrate(plan(i), chosen, sample(i)), pool) for i in range(DRAWS)]))


def one_look(promise: Promise, epsilon: float, rungs: int = 1) -> Plan:
    return Plan(promise, epsilon, DELTA, COSTS[rungs], share=1.0, bootstraps=25)


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("rungs", [1, 2])
@pytest.mark.parametrize("epsilon", [0.05, 0.15])
def test_promises_are_kept(promise: Promise, rungs: int, epsilon: float) -> None:
    pool, chosen = population(2500, rungs, seed=3), population(300, rungs, seed=4)
    random = np.random.default_rng(7)
    shares = broken_share(lambda _: one_look(promise, epsilon, rungs), chosen, lambda _: draw(pool, 400, random), pool)
    assert shares <= ALLOWED


@pytest.mark.parametrize("epsilon", [0.02, 0.05, 0.2])
def test_null_just_above_epsilon_at_every_threshold(epsilon: float) -> None:
    """Whatever is certified is false; it must happen at most delta of the time, whatever selection believes."""
    pool, hopeful = constant_risk(5000, epsilon * 1.05, seed=1), constant_risk(400, epsilon / 3, seed=2)
    risks = [true_risks(pool, (t,))[0] for t in np.linspace(0, 0.9, 10)]
    if min(risks) <= epsilon:  # the pool's own luck: set every stretch of scores to the same share of errors
        order = np.argsort(pool.scores[:, 0])
        wrong = np.zeros(pool.n, np.bool_)
        wrong[order[:: int(1 / (epsilon * 1.05))]] = True
        pool = Scores(pool.scores, ~wrong[:, None])
    random = np.random.default_rng(0)
    share = broken_share(
        lambda _: one_look("selective_error", epsilon), hopeful, lambda _: draw(pool, 600, random), pool
    )
    assert share <= ALLOWED


def test_null_of_the_wrong_local_rate_at_every_threshold() -> None:
    """All scores are 1, so every threshold that answers at all answers everything, at just above epsilon."""
    wrong = np.arange(2000) % 19 == 0  # 5.3%
    pool = Scores(np.ones((2000, 1)), ~wrong[:, None])
    random = np.random.default_rng(0)
    share = broken_share(lambda _: one_look("wrong_local_rate", 0.05), pool, lambda _: draw(pool, 500, random), pool)
    assert 0.01 < share <= ALLOWED  # and the test is not idle


def test_repeats_stay_in_and_the_promise_about_messages_holds() -> None:
    """4% of the traffic is one template that is answered wrongly, every time."""
    base, chosen = population(2400, seed=3), population(300, seed=4)
    pool = Scores(
        np.concatenate([base.scores, np.full((100, 1), 0.97)]),
        np.concatenate([base.correct, np.zeros((100, 1), np.bool_)]),
    )
    random = np.random.default_rng(1)
    plan = one_look("wrong_local_rate", 0.06)
    assert broken_share(lambda _: plan, chosen, lambda _: draw(pool, 400, random), pool) <= ALLOWED

    def distinct(_: int) -> Scores:
        sample = random.integers(0, pool.n, 400)
        template = np.flatnonzero(sample >= 2400)
        return pool.rows(np.delete(sample, template[1:]))  # what dropping repeats would do

    assert broken_share(lambda _: plan, chosen, distinct, pool) > ALLOWED  # which is why they stay in


def clusters(random: np.random.Generator, pool: Scores, n: int, size: int) -> Scores:
    """n conversations of `size` messages that share their fate."""
    picked = random.integers(0, pool.n, n)
    rows = np.repeat(picked, size)
    return Scores(pool.scores[rows], pool.correct[rows], [str(i) for i in np.repeat(np.arange(n), size)])


def test_clusters_count_once_and_the_promise_holds() -> None:
    pool, chosen = population(2500, seed=3), population(300, seed=4)
    random = np.random.default_rng(1)
    plan = one_look("wrong_local_rate", 0.08)
    assert broken_share(lambda _: plan, chosen, lambda _: clusters(random, pool, 100, 8), pool) <= ALLOWED

    def singly(_: int) -> Scores:
        rows = clusters(random, pool, 100, 8)
        return Scores(rows.scores, rows.correct)

    assert broken_share(lambda _: plan, chosen, singly, pool) > ALLOWED  # which is why they count once


def test_label_noise_does_not_make_promises_false() -> None:
    """5% of calibration labels are replaced by another label: right answers then look wrong, wrong ones stay wrong."""
    pool, chosen = population(2500, seed=3), population(300, seed=4)
    random = np.random.default_rng(1)

    def noisy(_: int) -> Scores:
        sample = draw(pool, 400, random)
        flipped = random.random(sample.correct.shape) < 0.05
        return Scores(sample.scores, sample.correct & ~flipped)

    plan = one_look("wrong_local_rate", 0.12)
    assert broken_share(lambda _: plan, chosen, noisy, pool) <= ALLOWED


def test_shuffled_labels_certify_nothing_of_use() -> None:
    """Correctness dealt out at random: no threshold is better than another, and the rate is far above epsilon."""
    pool, chosen = population(2500, seed=3), population(300, seed=4)
    random = np.random.default_rng(1)
    shuffled = Scores(pool.scores, random.permutation(pool.correct))
    plan = one_look("selective_error", 0.05)
    assert broken_share(lambda _: plan, chosen, lambda _: draw(shuffled, 400, random), shuffled) <= ALLOWED


def test_ties_keep_the_promise() -> None:
    """Scores rounded to one digit: a threshold takes all of its equals or none."""
    fine = population(2500, seed=3)
    pool = Scores(np.round(fine.scores, 1), fine.correct)
    chosen, random = population(300, seed=4), np.random.default_rng(1)
    plan = one_look("selective_error", 0.08)
    assert broken_share(lambda _: plan, chosen, lambda _: draw(pool, 400, random), pool) <= ALLOWED


def test_ten_attempts_on_one_file() -> None:
    """Ten models tried on the same labels: the chance that any gets a false certificate is still delta."""
    random = np.random.default_rng(1)
    wrong = random.permuted(np.tile(np.arange(2000) % 19 == 0, (10, 1)), axis=1)  # ten models, each 5.3% wrong
    everything = Scores(np.ones((2000, 1)), np.ones((2000, 1), np.bool_))

    def any_broken(spend: bool) -> float:
        count = 0
        for _ in range(DRAWS):
            sample = random.integers(0, 2000, 400)
            for attempt, errors in enumerate(wrong, start=1):
                share = None if spend else 1.0
                plan = Plan("wrong_local_rate", 0.05, DELTA, COSTS[1], attempt=attempt, share=share)
                rows = Scores(np.ones((400, 1)), ~errors[sample, None])
                if calibrate(plan, everything, rows).state == "certified":
                    count += 1
                    break
        return count / DRAWS

    assert any_broken(spend=True) <= ALLOWED
    assert any_broken(spend=False) > ALLOWED  # which is why attempts are counted


@pytest.mark.parametrize("promise", PROMISES)
def test_a_judge_that_is_wrong_ten_percent_of_the_time(promise: Promise) -> None:
    """The judge lets every tenth wrong answer pass. "Wrong" is still true of at most epsilon once people checked."""
    pool, chosen = population(4000, seed=3), population(300, seed=4)
    random = np.random.default_rng(1)
    missed = random.random((pool.n, 1)) < 0.1
    agrees = pool.correct | missed
    agreed = np.flatnonzero(agrees[:, 0])
    certified = 0

    def found(_: int) -> bool:
        nonlocal certified
        rows, people = random.integers(0, pool.n, 500), random.choice(agreed, 1500)
        judge = JudgePlan(0.03, Scores(pool.scores[people], pool.correct[people]), agrees[people])
        plan = Plan(promise, 0.15, DELTA, COSTS[1], share=1.0, bootstraps=25, judge=judge)
        result = calibrate(plan, chosen, Scores(pool.scores[rows], agrees[rows]))
        certified += result.state == "certified"
        return broken(result, pool)

    assert np.mean([found(i) for i in range(DRAWS)]) <= ALLOWED
    assert certified > DRAWS / 2  # and the promise is not kept by never making it


def test_intervals_beside_the_promise_hold_the_truth() -> None:
    """The local share (95%, though these rows chose the threshold) and the error, over certified draws."""
    pool, chosen = population(2500, seed=3), population(300, seed=4)
    random = np.random.default_rng(1)
    held = []
    for _ in range(DRAWS):
        found = calibrate(one_look("wrong_local_rate", 0.06), chosen, draw(pool, 400, random))
        _, _, share = true_risks(pool, found.thresholds)
        held.append(found.local_share.low <= share <= found.local_share.high)
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / DRAWS)
