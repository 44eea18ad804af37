"""What is to be shown (Plan) and what was found (Calibration). Records only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rightsized.cascade.path import Thresholds
from rightsized.cascade.scores import Bools, Scores
from rightsized.core.errors import DataError
from rightsized.core.types import Interval, Promise, Segment

PREDICTED_LABEL = "predicted label"  # what divides traffic into segments where that is the answer, not the request


@dataclass(frozen=True, eq=False)
class SegmentPlan:
    """A part of the traffic, declared before any label was seen.

    Args:
        name: shown on the certificate.
        share: this segment's share of delta, in (0, 1).
        member: bool, shape (n,) where membership is a function of the request, or (n, rungs) where it is one of
            the predicted label: rung k's answer to row i belongs to the segment. n counts the calibration rows.
    """

    name: str
    share: float
    member: Bools


@dataclass(frozen=True, eq=False)
class JudgePlan:
    """Lets "wrong" be said of labels that a judge gave: people label a random sample of the answers it agreed with.

    Args:
        epsilon: the part of the error budget left to wrong answers the judge let pass, declared beforehand.
        checked: rows that people labelled, drawn at random from those where the judge agreed with some rung's answer;
            correct = people call rung k's answer right.
        agreed: bool, shape (rows, rungs): the judge agreed with rung k's answer to this row.
    """

    epsilon: float
    checked: Scores
    agreed: Bools


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be shown, declared before the calibration labels are looked at.

    Args:
        promise: `selective_error` or `wrong_local_rate`.
        epsilon: the error budget, in (0, 1).
        delta: the chance of wrongly certifying, over all attempts on these labels, in (0, 1).
        costs: mean cost of one call of each rung, the last rung's last, in one unit (dollars, seconds, minutes).
        attempt: which attempt on these labels this is, from 1 (see `attempts`).
        share: the share of delta this attempt may spend; None takes 1 / (attempt (attempt + 1)).
        seed: fixes the bootstraps and the choice of one row a group.
        segments: parts of the traffic with a promise of their own; each takes its share from delta.
        bootstraps: simulated tests that choose the start.
        cross_fitted: the calibration rows also trained the model: figures are estimates, never a promise.
        judge: labels come from a judge, and people checked a sample of the answers it agreed with.
    """

    promise: Promise
    epsilon: float
    delta: float
    costs: tuple[float, ...]
    attempt: int = 1
    share: float | None = None
    seed: int = 0
    segments: tuple[SegmentPlan, ...] = ()
    bootstraps: int = 300
    cross_fitted: bool = False
    judge: JudgePlan | None = None

    @property
    def delta_spent(self) -> float:
        """The level of this attempt, all segments included."""
        return self.delta * (1 / (self.attempt * (self.attempt + 1)) if self.share is None else self.share)

    @property
    def delta_main(self) -> float:
        """What the segments leave to the promise about all traffic."""
        return self.delta_spent * (1 - sum(segment.share for segment in self.segments))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What calibration found. `certified` carries a promise, `estimated` only figures, `none` answers nothing here.

    Thresholds of a `certified` result were tested on the calibration rows; those of an `estimated` one were chosen
    on out-of-fold predictions and never tested. `rejected` holds the configurations shown to keep the promise, in the
    order tested. `n`, `m` and `errors` are rows, rows answered here, and those wrong, under `thresholds`, on the
    slice named by `figures_from`; `grouped` where a row stands for its whole group. `needed` is how many fresh labels
    would probably do where nothing is certified.
    """

    state: Literal["certified", "estimated", "none"]
    promise: Promise
    epsilon: float
    thresholds: tuple[float | None, ...]
    rejected: tuple[Thresholds, ...]
    start: Thresholds | None
    n: int
    m: int
    errors: int
    p_value: float | None
    delta: float
    delta_spent: float
    attempt: int
    method: str
    expected_cost: float
    local_share: Interval
    selective_error: Interval
    wrong_local_rate: Interval
    figures_from: Literal["calibrate", "out-of-fold"]
    grouped: bool = False
    needed: int | None = None
    segments: tuple[Segment, ...] = ()


def check(plan: Plan, selection: Scores, calibration: Scores | None) -> None:
    """Raise DataError where the plan cannot be carried out on these data; says which value is wrong."""
    if plan.attempt < 1:
        raise DataError(f"attempt = {plan.attempt} cannot be used: attempts count from 1.")
    for name, value in (("epsilon", plan.epsilon), ("delta", plan.delta)):
        if not 0 < value < 1:
            raise DataError(f"{name} = {value} cannot be used: it must lie between 0 and 1.")
    if plan.share is not None and not 0 < plan.share <= 1:
        raise DataError(
            f"share = {plan.share} cannot be used: an attempt spends more than none and at most all of delta."
        )
    if len(plan.costs) != selection.rungs + 1:
        raise DataError(f"{len(plan.costs)} costs were given for {selection.rungs} rungs and the last: one each.")
    if selection.n < 2:
        raise DataError(f"Selection needs at least 2 out-of-fold rows; there are {selection.n}.")
    if calibration is not None and calibration.rungs != selection.rungs:
        raise DataError(f"Selection has {selection.rungs} rungs and calibration {calibration.rungs}.")
    shares = [segment.share for segment in plan.segments]
    if any(not 0 < share < 1 for share in shares) or sum(shares) >= 1:
        raise DataError(f"The segments' shares of delta, {shares}, must be positive and leave some for all traffic.")
    for segment in plan.segments:
        _check_segment(plan, segment, calibration)
    if plan.judge and not 0 < plan.judge.epsilon < plan.epsilon:
        raise DataError(f"The judge's part of the budget, {plan.judge.epsilon}, must lie between 0 and {plan.epsilon}.")


def _check_segment(plan: Plan, segment: SegmentPlan, calibration: Scores | None) -> None:
    if segment.member.ndim == 2 and plan.promise == "wrong_local_rate":
        raise DataError(
            f"Segment {segment.name!r} depends on the predicted label: it has no count of all its requests.",
            fix="Use the promise selective_error, or define the segment by the request.",
        )
    if calibration is not None and segment.member.shape not in ((calibration.n,), calibration.scores.shape):
        raise DataError(f"Segment {segment.name!r} has membership of shape {segment.member.shape}, not one a row.")
