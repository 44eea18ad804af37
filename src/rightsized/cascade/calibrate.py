"""Calibration: choose on selection data, test on calibration data, and say what was shown.

Exact binomial tests in a fixed order: Bates et al. 2021 for one threshold and the wrong-local rate, Angelopoulos et al.
2021, and Laufer-Goldshtein et al. 2023 for several thresholds. docs/explanation/certificate.md explains them.
Nothing here reads a file or a clock: `attempts` counts attempts, `certificate` signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.cascade import bounds, estimates
from rightsized.cascade.path import as_configuration, as_thresholds, mean_costs, nested_runs, outcomes
from rightsized.cascade.plan import Calibration, JudgePlan, Plan, SegmentPlan, check
from rightsized.cascade.scores import Bools, Floats, Scores, one_row_a_group
from rightsized.cascade.selection import Path, Test, choose_path, walk
from rightsized.core.types import Interval, Segment


@dataclass(frozen=True, eq=False)
class _Tested:
    """The calibration rows, one a group, with their place among all rows given."""

    rows: Scores
    picked: NDArray[np.intp]


def calibrate(
    plan: Plan, selection: Scores, calibration: Scores | None = None, traffic: Floats | None = None
) -> Calibration:
    """Choose thresholds that keep the promise, and show it where the labels suffice.

    Args:
        plan: what is to be shown.
        selection: out-of-fold scores of the training rows; they choose grid, order and start.
        calibration: scores of a simple random sample that neither trained nor chose anything; None where there is
            none: the figures are then cross-fitted from the selection rows.
        traffic: scores of unlabelled requests, shape (requests, rungs), for the interval of the local share.
    Raises:
        DataError: a value of the plan cannot be used, or the shapes of the data do not fit together.
    """
    check(plan, selection, calibration)
    chosen = _one_a_group(selection, plan.seed).rows
    if calibration is None or not calibration.n:
        return _estimated(plan, chosen, None)
    if plan.cross_fitted:
        return _estimated(plan, _one_a_group(calibration, plan.seed).rows, None)
    tested = _one_a_group(calibration, plan.seed)
    test = _main_test(plan, tested.rows.n)
    path = choose_path(
        test, chosen, plan.costs, seed=plan.seed, bootstraps=plan.bootstraps, least_share=_least_share(plan)
    )
    last = walk(_passes(plan, test, path, tested.rows), path.start)
    if last < 0 or not np.isfinite(path.configurations[last]).any():
        return _estimated(plan, chosen, tested.rows)
    return _certified(plan, path, last, tested, traffic)


def _one_a_group(rows: Scores, seed: int) -> _Tested:
    picked = one_row_a_group(rows.groups, seed) if rows.groups else np.arange(rows.n)
    return _Tested(rows.rows(picked), picked)


def _main_test(plan: Plan, n: int) -> Test:
    """The test of the promise about all traffic; with a checked judge, of its share of budget and of delta."""
    if plan.judge:
        return Test(plan.promise, plan.epsilon - plan.judge.epsilon, plan.delta_main / 2, n)
    return Test(plan.promise, plan.epsilon, plan.delta_main, n)


def _checked_test(plan: Plan, judge: JudgePlan) -> Test:
    """The test of wrong answers that the judge let pass, on the rows that people checked.

    R1 counts them among all checked rows, R2 among those answered here. Both bound the risk from above, since being
    checked means that the judge agreed, and P(local, agrees, wrong) <= P(local, wrong | agrees).
    """
    return Test(plan.promise, judge.epsilon, plan.delta_main / 2, judge.checked.n)


def _least_share(plan: Plan) -> float:
    """R2 with a judge: a start needs enough checked answers to prove anything, and half as many again for errors."""
    if plan.judge is None or plan.promise == "wrong_local_rate" or not plan.judge.checked.n:
        return 0.0
    return 1.5 * bounds.smallest_trials(plan.judge.epsilon, plan.delta_main / 2) / plan.judge.checked.n


def _passes(plan: Plan, test: Test, path: Path, rows: Scores) -> Bools:
    passes = test.passes(*outcomes(path.configurations, rows).count())
    if plan.judge:
        seen = outcomes(path.configurations, plan.judge.checked, plan.judge.agreed)
        passes &= _checked_test(plan, plan.judge).passes(*seen.count())
    return passes


def _certified(plan: Plan, path: Path, last: int, tested: _Tested, traffic: Floats | None) -> Calibration:
    rows, deployed = tested.rows, path.configurations[last]
    thresholds = as_thresholds(deployed)
    found = estimates.count(thresholds, rows)
    test = _main_test(plan, rows.n)
    p_value = test.p_values(np.array([found.m]), np.array([found.errors]))[0]
    return Calibration(
        state="certified",
        promise=plan.promise,
        epsilon=plan.epsilon,
        thresholds=thresholds,
        rejected=tuple(as_thresholds(row) for row in path.configurations[path.start : last + 1]),
        start=as_thresholds(path.configurations[path.start]),
        n=found.n,
        m=found.m,
        errors=found.errors,
        p_value=float(p_value),
        delta=plan.delta,
        delta_spent=plan.delta_spent,
        attempt=plan.attempt,
        method=_method(plan, rows.rungs) + _local_share_from(traffic),
        expected_cost=float(mean_costs(deployed[None, :], rows, plan.costs)[0]),
        local_share=_local_share(path, found, deployed, traffic),
        selective_error=found.selective_error(),
        wrong_local_rate=found.wrong_local_rate(),
        figures_from="calibrate",
        grouped=bool(rows.groups),
        segments=tuple(_segment(plan, segment, path, last, tested) for segment in plan.segments),
    )


def _local_share(path: Path, found: estimates.Counts, deployed: Floats, traffic: Floats | None) -> Interval:
    """From unlabelled traffic where there is some; else widened, since these rows chose the threshold."""
    if traffic is not None and len(traffic):
        local = outcomes(deployed[None, :], Scores(traffic, np.ones(traffic.shape, np.bool_))).local.sum()
        return bounds.clopper_pearson(int(local), len(traffic))
    families = nested_runs(path.configurations[path.start :])
    return bounds.dkw_interval(found.m / found.n, found.n, families)


def _segment(plan: Plan, segment: SegmentPlan, path: Path, last: int, tested: _Tested) -> Segment:
    """Walks the same path with the segment's own share of delta."""
    member = segment.member[tested.picked]
    by_answer = member if member.ndim == 2 else np.repeat(member[:, None], tested.rows.rungs, axis=1)
    n = int(member.any(axis=1).sum()) if member.ndim == 2 else int(member.sum())
    delta = segment.share * plan.delta_spent
    seen = outcomes(path.configurations, tested.rows, by_answer)
    local, wrong = seen.count()
    reached = walk(Test(plan.promise, plan.epsilon, delta, n).passes(local, wrong), path.start)
    kept = n > 0 and reached >= last
    return Segment(name=segment.name, delta=delta, n=n, m=int(local[last]), errors=int(wrong[last]), certified=kept)


def _estimated(plan: Plan, selection: Scores, calibration: Scores | None) -> Calibration:
    """No promise: thresholds from out-of-fold rows, figures from rows that did not choose them."""
    thresholds = estimates.estimate_thresholds(plan.promise, plan.epsilon, selection, plan.costs)
    if calibration is None:
        found = estimates.cross_fitted(plan.promise, plan.epsilon, selection, plan.costs, plan.seed)
    else:
        found = estimates.count(thresholds, calibration)
    risk = found.selective_error() if plan.promise == "selective_error" else found.wrong_local_rate()
    refuted = risk.low > plan.epsilon  # rows that did not choose the threshold rule the budget out
    if refuted:
        thresholds = (None,) * selection.rungs
        found = estimates.count(thresholds, calibration or selection)
    answers = any(threshold is not None for threshold in thresholds)
    share = estimates.count(thresholds, selection).m / selection.n
    fresh = _main_test(plan, calibration.n if calibration else selection.n)
    needed = estimates.fresh_labels_needed(fresh, selection, plan.costs, plan.seed, share) if answers else None
    rows = calibration or selection
    return Calibration(
        state="estimated" if answers else "none",
        promise=plan.promise,
        epsilon=plan.epsilon,
        thresholds=thresholds,
        rejected=(),
        start=None,
        n=found.n,
        m=found.m,
        errors=found.errors,
        p_value=None,
        delta=plan.delta,
        delta_spent=plan.delta_spent if calibration else 0.0,
        attempt=plan.attempt,
        method="thresholds chosen on out-of-fold predictions, not tested",
        expected_cost=float(mean_costs(as_configuration(thresholds)[None, :], rows, plan.costs)[0]),
        local_share=found.local_share(),
        selective_error=found.selective_error(),
        wrong_local_rate=found.wrong_local_rate(),
        figures_from="calibrate" if calibration else "out-of-fold",
        grouped=bool(rows.groups),
        needed=needed,
    )


def _method(plan: Plan, rungs: int) -> str:
    strict = rungs == 1 and plan.promise == "wrong_local_rate"
    order = "fixed sequence, strict to loose" if strict else "fixed sequence from a start chosen by bootstrap"
    order = order if rungs == 1 else "Pareto testing"
    judge = "" if plan.judge is None else f"; {_judge_words(plan, plan.judge)}"
    return f"exact binomial tests, {order}, {plan.bootstraps} bootstraps of out-of-fold predictions{judge}"


def _judge_words(plan: Plan, judge: JudgePlan) -> str:
    """How the budget and delta were divided between what the judge found and what it may have let pass."""
    found, missed = plan.epsilon - judge.epsilon, judge.epsilon
    return (
        f"disagreement with the judge within {found:.6g}, and wrong answers within {missed:.6g} on {judge.checked.n:,}"
        " rows labelled by people where the judge agreed with an answer, each at half of delta"
    )


def _local_share_from(traffic: Floats | None) -> str:
    return "" if traffic is None or not len(traffic) else f"; local share from {len(traffic):,} unlabelled requests"
