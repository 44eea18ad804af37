"""Calibration: its tests against closed forms and MAPIE, its states, and what it does with awkward data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cascade_samples import constant_risk, draw, population

from rightsized.cascade import bounds, estimates
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.path import as_thresholds, mean_costs, nested_runs, outcomes
from rightsized.cascade.plan import JudgePlan, Plan, SegmentPlan
from rightsized.cascade.scores import Scores
from rightsized.cascade.selection import Simulated, best_start, choose_path, walk, walked_shares
from rightsized.cascade.selection import Test as OneTest
from rightsized.core.errors import DataError

COSTS = (0.01, 1.0)
TWO = (0.001, 0.01, 1.0)


@pytest.fixture
def rows() -> Scores:
    return population(3000, seed=1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("epsilon", [0.02, 0.05, 0.1])
def test_one_threshold_of_the_wrong_local_rate_is_the_closed_form(rows: Scores, epsilon: float, seed: int) -> None:
    """RCPS: the loosest level whose count of wrong local answers, and that of every stricter one, is small enough."""
    sample = draw(population(4000, seed=9), 700, np.random.default_rng(seed))
    plan = Plan("wrong_local_rate", epsilon, 0.05, COSTS, share=1.0)
    found = calibrate(plan, rows, sample)
    limit = bounds.critical_errors(700, epsilon, 0.05)
    path = choose_path(OneTest("wrong_local_rate", epsilon, 0.05, 700), rows, COSTS, seed=0, bootstraps=300)
    kept = [t for t in path.configurations[:, 0] if ((sample.scores[:, 0] >= t) & ~sample.correct[:, 0]).sum() <= limit]
    assert found.thresholds == (min(kept),)
    assert found.state == "certified"
    assert len(found.rejected) == len(kept)


@pytest.mark.parametrize("promise", ["selective_error", "wrong_local_rate"])
@pytest.mark.parametrize("rungs", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_walk_is_mapies_fixed_sequence(promise: str, rungs: int, seed: int) -> None:
    control = pytest.importorskip("mapie.risk_control")
    if not hasattr(control, "control_fwer"):
        pytest.skip("this MAPIE has no control_fwer")
    chosen, sample = population(2000, rungs, seed=1), population(800, rungs, seed=20 + seed)
    costs = TWO[-rungs - 1 :]
    test = OneTest(promise, 0.05, 0.05, 800)
    path = choose_path(test, chosen, costs, seed=0, bootstraps=100)
    p = test.p_values(*outcomes(path.configurations, sample).count())
    theirs = control.control_fwer(p[path.start :], 0.05, "fixed_sequence") + path.start
    found = calibrate(Plan(promise, 0.05, 0.05, costs, share=1.0, bootstraps=100), chosen, sample)
    assert found.rejected == tuple(as_thresholds(path.configurations[i]) for i in theirs)


@pytest.mark.filterwarnings("ignore:Fixed sequence testing requires a monotonic risk")
def test_selective_error_is_mapies_precision_control(rows: Scores) -> None:
    """The whole of MAPIE's controller: precision 1 - epsilon, thresholds in our order, binomial p-values."""
    control = pytest.importorskip("mapie.risk_control")
    if not hasattr(control, "BinaryClassificationController"):
        pytest.skip("this MAPIE has no BinaryClassificationController")
    sample = population(900, seed=5)
    test = OneTest("selective_error", 0.08, 0.1, 900)
    path = choose_path(test, rows, COSTS, seed=0, bootstraps=100)
    levels = path.configurations[path.start :, 0]
    controller = control.BinaryClassificationController(
        lambda x: np.stack([1 - x[:, 0], x[:, 0]], axis=1),
        "precision",
        target_level=0.92,
        confidence_level=0.9,
        list_predict_params=levels,
        fwer_method="fixed_sequence",
    )
    controller.calibrate(sample.scores, sample.correct[:, 0].astype(int))
    found = calibrate(Plan("selective_error", 0.08, 0.1, COSTS, share=1.0, bootstraps=100), rows, sample)
    ours = [configuration[0] for configuration in found.rejected]
    theirs = list(controller.valid_predict_params)
    assert len(ours) > 5
    assert set(theirs) <= set(ours)  # theirs rounds a count such as 7.000000001 up, so it may stop a little sooner
    assert len(theirs) >= len(ours) - 25


def test_p_values_and_passes_agree() -> None:
    local, wrong = np.meshgrid(np.arange(301), np.arange(40), indexing="ij")
    keep = wrong <= local
    for promise in ("selective_error", "wrong_local_rate"):
        test = OneTest(promise, 0.03, 0.04, 300)
        passes, p = test.passes(local, wrong), test.p_values(local, wrong)
        assert (passes == (p <= 0.04))[keep].all()
    assert OneTest("selective_error", 0.03, 0.04, 300).p_values(np.array([0]), np.array([0]))[0] == 1.0


def test_walk_stops_at_the_first_failure() -> None:
    passes = np.array([False, True, True, False, True])
    assert [walk(passes, start) for start in range(5)] == [-1, 2, 2, -1, 4]


def test_walked_shares_are_those_of_the_walk() -> None:
    passes = np.array([[True, True, True], [False, True, True], [False, True, False], [True, False, True]])
    share = np.array([0.1, 0.5, 0.9])
    assert walked_shares(passes, share).tolist() == [[0.9, 0.9, 0.9], [0, 0.9, 0.9], [0, 0.5, 0], [0.1, 0, 0.9]]


def test_start_is_neither_where_nothing_can_be_proven_nor_where_errors_are_many() -> None:
    """Three configurations: 20 rows answered, 400 with 1 wrong, 900 with 60 wrong; only the middle proves 2%."""
    local = np.tile([20, 400, 900], (50, 1))
    simulated = Simulated(local, np.tile([0, 1, 60], (50, 1)), np.array([0.02, 0.4, 0.9]))
    assert best_start(OneTest("selective_error", 0.02, 0.05, 1000), simulated) == (1, pytest.approx(0.4))
    assert best_start(OneTest("selective_error", 0.02, 0.05, 1000), simulated, least_share=0.5)[1] == 0.0


def test_of_nearly_equal_starts_the_strictest_is_taken() -> None:
    simulated = Simulated(np.tile([300, 600, 900], (50, 1)), np.zeros((50, 3), np.int64), np.array([0.3, 0.6, 0.9]))
    assert best_start(OneTest("selective_error", 0.02, 0.05, 1000), simulated) == (0, pytest.approx(0.9))


def test_the_path_of_several_rungs_leads_from_nothing_to_ever_cheaper() -> None:
    chosen = population(2000, 2, seed=1)
    path = choose_path(OneTest("wrong_local_rate", 0.05, 0.05, 800), chosen, TWO, seed=0, bootstraps=30).configurations
    costs = mean_costs(path, chosen, TWO)
    assert np.isinf(path[0]).all()
    assert (np.diff(costs) <= 1e-12).all()
    assert nested_runs(path) == 1
    assert len(path) > 100


def test_harder_traffic_than_training_still_certifies_something() -> None:
    """Of the messages that do not score highest every second fits no label, and no training row said so."""
    chosen, sample = population(1000, 2, seed=1, hard=12), population(1000, 2, seed=5, hard=12)
    outside = (np.arange(1000) % 2 == 0) & (sample.scores.max(axis=1) < 1)
    harder = Scores(sample.scores, sample.correct & ~outside[:, None])
    found = calibrate(Plan("wrong_local_rate", 0.02, 0.05, TWO), chosen, harder)
    assert found.state == "certified"
    assert found.m > 400


def test_calibration_rows_never_move_the_path(rows: Scores) -> None:
    """Turning every calibration label over leaves grid, order and start as they were."""
    sample = population(900, seed=5)
    turned = Scores(sample.scores, ~sample.correct)
    plan = Plan("wrong_local_rate", 0.05, 0.05, COSTS, share=1.0)
    found = calibrate(plan, rows, sample)
    again = calibrate(plan, rows, turned)
    assert again.state != "certified" or set(again.rejected) <= set(found.rejected)


@pytest.mark.parametrize("n", [20, 100, 148])
def test_below_the_minimum_nothing_is_certified_and_the_need_is_named(n: int) -> None:
    perfect = Scores(np.random.default_rng(0).random((2000, 1)), np.ones((2000, 1), np.bool_))
    found = calibrate(Plan("selective_error", 0.02, 0.05, COSTS, share=1.0), perfect, perfect.rows(np.arange(n)))
    assert found.state == "estimated"
    assert found.p_value is None
    assert found.rejected == ()
    assert found.needed is not None
    assert found.needed >= 149


def test_enough_perfect_answers_certify_everything() -> None:
    perfect = Scores(np.random.default_rng(0).random((2000, 1)), np.ones((2000, 1), np.bool_))
    found = calibrate(Plan("selective_error", 0.02, 0.05, COSTS, share=1.0), perfect, perfect.rows(np.arange(160)))
    assert (found.state, found.m, found.errors) == ("certified", 160, 0)
    assert found.thresholds == (0.0,)


def test_all_wrong_answers_nothing() -> None:
    wrong = Scores(np.random.default_rng(0).random((800, 1)), np.zeros((800, 1), np.bool_))
    found = calibrate(Plan("selective_error", 0.1, 0.05, COSTS), wrong, wrong)
    assert (found.state, found.thresholds, found.m) == ("none", (None,), 0)


def test_all_ties_are_all_or_nothing() -> None:
    right = np.arange(2000) % 50 != 0  # 2% wrong
    tied = Scores(np.full((2000, 1), 0.7), right[:, None])
    found = calibrate(Plan("selective_error", 0.05, 0.05, COSTS), tied, tied)
    assert found.state == "certified"
    assert found.m == 2000
    strict = calibrate(Plan("selective_error", 0.01, 0.05, COSTS), tied, tied)
    assert (strict.state, strict.m) == ("none", 0)


def test_scores_that_are_all_nan_answer_nothing() -> None:
    blank = Scores(np.full((500, 1), np.nan), np.ones((500, 1), np.bool_))
    found = calibrate(Plan("selective_error", 0.05, 0.05, COSTS), blank, blank)
    assert (found.state, found.m) == ("none", 0)


def test_an_estimate_that_the_calibration_rows_refute_is_withdrawn(rows: Scores) -> None:
    worse = Scores(rows.scores, rows.correct & (np.arange(rows.n) % 4 != 0)[:, None])  # a quarter more is wrong
    found = calibrate(Plan("selective_error", 0.02, 0.05, COSTS), rows, worse)
    assert (found.state, found.thresholds) == ("none", (None,))


def test_cross_fitted_is_never_certified(rows: Scores) -> None:
    for found in (
        calibrate(Plan("selective_error", 0.1, 0.05, COSTS), rows),
        calibrate(Plan("selective_error", 0.1, 0.05, COSTS, cross_fitted=True), rows, rows),
    ):
        assert found.state == "estimated"
        assert found.figures_from == "out-of-fold"
        assert found.delta_spent == 0.0
        assert found.rejected == ()


def test_cross_fitted_figures_are_honest() -> None:
    """Counted on rows that did not choose the threshold, the error is not flattered."""
    pool, gaps = population(50_000, seed=3), []
    for seed in range(40):
        sample = draw(pool, 150, np.random.default_rng(seed))
        found = estimates.cross_fitted("selective_error", 0.05, sample, COSTS, seed)
        threshold = estimates.estimate_thresholds("selective_error", 0.05, sample, COSTS)
        truth = estimates.count(threshold, pool)
        if found.m and truth.m:
            gaps.append(found.errors / found.m - truth.errors / truth.m)
    assert len(gaps) > 30
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(len(gaps)) + 0.005


def test_attempts_share_delta(rows: Scores) -> None:
    levels = [Plan("wrong_local_rate", 0.05, 0.05, COSTS, attempt=j).delta_spent for j in range(1, 60)]
    assert levels[0] == 0.025
    assert levels[2] == pytest.approx(0.05 / 12)
    assert sum(levels) < 0.05
    sample = population(900, seed=5)
    kept = [calibrate(Plan("wrong_local_rate", 0.05, 0.05, COSTS, attempt=j), rows, sample).m for j in (1, 2, 5)]
    assert kept == sorted(kept, reverse=True)


def test_segments_have_their_own_share_of_delta() -> None:
    chosen, sample = population(3000, seed=1), population(1500, seed=5)
    good = np.arange(1500) % 3 == 0
    bad = Scores(sample.scores, sample.correct | good[:, None])
    plan = Plan(
        "selective_error",
        0.05,
        0.05,
        COSTS,
        share=1.0,
        segments=(SegmentPlan("good", 0.3, good), SegmentPlan("few", 0.1, np.arange(1500) < 20)),
    )
    found = calibrate(plan, chosen, bad)
    named = {segment.name: segment for segment in found.segments}
    assert named["good"].certified
    assert named["good"].errors == 0
    assert not named["few"].certified
    assert named["good"].delta == pytest.approx(0.015)
    assert plan.delta_main + sum(s.delta for s in found.segments) == pytest.approx(plan.delta_spent)


def test_segment_by_predicted_label_counts_the_answering_rung() -> None:
    chosen, sample = population(3000, 2, seed=1), population(900, 2, seed=5)
    member = np.zeros((900, 2), np.bool_)
    member[:, 1] = True  # only what the second rung says belongs
    plan = Plan("selective_error", 0.05, 0.05, TWO, share=1.0, segments=(SegmentPlan("second", 0.3, member),))
    found = calibrate(plan, chosen, sample)
    t = [np.inf if x is None else x for x in found.thresholds]
    second = (sample.scores[:, 0] < t[0]) & (sample.scores[:, 1] >= t[1])
    assert found.segments[0].m == second.sum()
    with pytest.raises(DataError, match="depends on the predicted label"):
        calibrate(Plan("wrong_local_rate", 0.05, 0.05, TWO, segments=plan.segments), chosen, sample)


def test_groups_count_once() -> None:
    rows = population(600, seed=2)
    fivefold = Scores(
        np.repeat(rows.scores, 5, axis=0), np.repeat(rows.correct, 5, axis=0), [str(i // 5) for i in range(3000)]
    )
    found = calibrate(Plan("wrong_local_rate", 0.05, 0.05, COSTS), population(3000, seed=1), fivefold)
    assert found.n == 600
    assert found.grouped


def test_the_cheapest_of_the_rejected_is_taken_wasted_drafts_included() -> None:
    """A first rung that costs as much as the last is skipped."""
    chosen, sample = population(3000, 2, seed=1), population(1500, 2, seed=5)
    cheap = calibrate(Plan("selective_error", 0.05, 0.05, (0.0, 0.1, 1.0), share=1.0), chosen, sample)
    dear = calibrate(Plan("selective_error", 0.05, 0.05, (0.9, 0.1, 1.0), share=1.0), chosen, sample)
    answered = [
        (sample.scores[:, 0] >= (1.1 if c.thresholds[0] is None else c.thresholds[0])).mean() for c in (cheap, dear)
    ]
    assert answered[0] > 0.1
    assert answered[1] < answered[0] / 2
    assert cheap.expected_cost < dear.expected_cost


def test_traffic_narrows_the_interval_of_the_local_share(rows: Scores) -> None:
    sample, traffic = population(500, seed=5), population(20_000, seed=6).scores
    plan = Plan("wrong_local_rate", 0.05, 0.05, COSTS)
    wide, narrow = calibrate(plan, rows, sample).local_share, calibrate(plan, rows, sample, traffic).local_share
    assert narrow.n == 20_000
    assert narrow.high - narrow.low < 0.2 * (wide.high - wide.low)
    assert wide.low <= narrow.value <= wide.high


def test_needed_labels_do_when_gathered() -> None:
    pool = population(60_000, seed=3)
    chosen = draw(pool, 3000, np.random.default_rng(1))
    plan = Plan("selective_error", 0.05, 0.05, COSTS, share=1.0, bootstraps=100)
    found = calibrate(plan, chosen, draw(pool, 60, np.random.default_rng(2)))
    assert found.state == "estimated"
    assert found.needed is not None
    done = [
        calibrate(plan, chosen, draw(pool, found.needed, np.random.default_rng(seed))).state == "certified"
        for seed in range(20)
    ]
    assert sum(done) >= 14  # said: 9 in 10


@pytest.mark.parametrize("promise", ["selective_error", "wrong_local_rate"])
def test_a_judge_must_pass_both_tests(promise: str) -> None:
    chosen, sample = population(3000, seed=1), population(1500, seed=5)
    agreed, scores = np.ones((3000, 1), np.bool_), population(3000, seed=8).scores

    def answered(passed_wrongly: float) -> int:
        people = Scores(scores, constant_risk(3000, passed_wrongly).correct)
        plan = Plan(promise, 0.15, 0.05, COSTS, share=1.0, judge=JudgePlan(0.01, people, agreed))
        found = calibrate(plan, chosen, sample)
        return found.m if found.state == "certified" else 0

    assert answered(0.0) > 1000
    # People find 5% of what the judge passed wrong: R2 fails at once, R1 answers little enough to stay within 1%.
    assert answered(0.05) < (1 if promise == "selective_error" else 600)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": 0.0}, "epsilon = 0"),
        ({"delta": 1.0}, "delta = 1"),
        ({"attempt": 0}, "attempt = 0"),
        ({"costs": (1.0,)}, "1 costs"),
        ({"share": 1.5}, "share = 1.5"),
        (
            {"segments": (SegmentPlan("a", 0.6, np.ones(5, np.bool_)), SegmentPlan("b", 0.5, np.ones(5, np.bool_)))},
            "leave some",
        ),
        ({"segments": (SegmentPlan("a", 0.5, np.ones(5, np.bool_)),)}, "shape"),
        ({"judge": JudgePlan(0.2, population(5), np.ones((5, 1), np.bool_))}, "judge's part"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(rows: Scores, change: dict[str, object], words: str) -> None:
    values: dict[str, object] = {"promise": "selective_error", "epsilon": 0.05, "delta": 0.05, "costs": COSTS, **change}
    with pytest.raises(DataError, match=words):
        calibrate(Plan(**values), rows, rows)


def test_results_are_the_same_twice(rows: Scores) -> None:
    plan, sample = Plan("selective_error", 0.05, 0.05, COSTS, seed=4), population(900, seed=5)
    first, second = calibrate(plan, rows, sample), calibrate(plan, rows, sample)
    assert dataclasses.asdict(first) == dataclasses.asdict(second)
