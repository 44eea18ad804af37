"""The arithmetic behind the report: the thousand, the curve, the intervals, and the command line's summary."""

from __future__ import annotations

import json
import math
import re

import msgspec
import pytest
from report_samples import certificate, curve, sample

from rightsized.core.types import Interval
from rightsized.tasks.records import CurvePoint, FitReport
from rightsized.tasks.report import report_json, summary, svg, words
from rightsized.tasks.report.page import _readings

CONTRACT = {
    *("task", "n_train", "n_calibrate", "n_report", "state", "accuracy", "macro_f1", "coverage", "wrong_local_rate"),
    *("selective_error", "measured_on", "intervals", "certificate", "latency_ms", "rss_mb", "report"),
}
CERTIFICATE = {"id", "epsilon", "delta", "attempt", "n", "method", "expires", "promise", "sentence"}


def test_summary_keeps_the_contract() -> None:
    found = summary(sample())
    assert found.keys() >= CONTRACT
    assert found["certificate"].keys() >= CERTIFICATE
    assert found["latency_ms"] == {"p50": 2.1, "p95": 7.4}
    for name in ("accuracy", "macro_f1", "coverage", "wrong_local_rate", "selective_error"):
        assert isinstance(found[name], float)
        assert found["measured_on"][name] == "calibrate"
    assert found["intervals"]["coverage"] == {"low": 0.80, "high": 0.86, "n": 1840, "level": 0.95}
    assert found["certificate"]["thresholds"] == {"ngram": 0.93, "head": 0.81}
    assert json.loads(json.dumps(found, allow_nan=False)).keys() == found.keys()


def test_summary_writes_missing_figures_as_null() -> None:
    measured = msgspec.structs.replace(sample().measured, selective_error=Interval(math.nan, 0.0, 1.0, 0), ece=math.nan)
    found = summary(sample("none", measured=measured))
    assert found["selective_error"] is None and found["ece"] is None
    assert found["certificate"]["thresholds"] == {"ngram": None, "head": None}
    json.dumps(found, allow_nan=False)


def test_report_json_round_trips() -> None:
    report = sample()
    assert msgspec.json.decode(report_json(report), type=FitReport) == report


def test_the_thousand_of_a_certified_task_is_an_upper_limit() -> None:
    of = words.thousand(sample())
    assert (of.local, of.wrong, of.person, of.limit) == (830, 17, 170, "at most")  # 830 x 2% = 16.6
    joint = words.thousand(sample(certificate=certificate("certified", promise="wrong_local_rate")))
    assert (joint.wrong, joint.limit) == (20, "at most")  # 1,000 x 2%
    exact = words.thousand(sample(certificate=certificate("certified", epsilon=0.1)))
    assert exact.wrong == 83  # not 84: 830 x 0.1 is 83.00000000000001 in binary


def test_the_thousand_without_a_promise() -> None:
    assert words.thousand(sample("estimated"))[1:] == (24, 170, "perhaps")  # 830 x 2 of 70 = 23.7
    for state in ("none", "suspended"):
        assert words.thousand(sample(state)).person == 1000
    lost = Interval(math.nan, math.nan, math.nan, 0)
    assert words.thousand(sample("estimated", certificate=certificate("estimated", local_share=lost))).local == 0


def test_a_small_share_is_not_called_a_plain_yes() -> None:
    small = certificate("certified", local_share=Interval(0.12, 0.1, 0.14, 1840))
    assert words.verdict(sample(certificate=small)) == "Yes, but only for about 12% of the messages."


def test_the_picture_shows_exactly_a_thousand() -> None:
    drawn = str(svg.thousand(813, 17))
    counted = {kind: path.count("M") for kind, path in re.findall(r'class="mark-(\w+)" d="([^"]*)"', drawn)}
    assert counted == {"right": 813, "wrong": 17, "person": 170}
    assert "mark-wrong" not in str(svg.thousand(1000, 0))


@pytest.mark.parametrize(("share", "n", "low", "high"), [(0.0, 100, 0.0, 0.0370), (0.1, 50, 0.0435, 0.2136)])
def test_wilson_agrees_with_published_values(share: float, n: int, low: float, high: float) -> None:
    assert svg.wilson(share, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_without_rows_says_nothing() -> None:
    assert svg.wilson(0.5, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("budget", "last"), [(0.0001, 0.0), (0.01, 0.03), (0.02, 0.09), (0.1, 0.6), (0.5, 1.0)])
def test_the_axis_has_room_and_round_steps(budget: float, last: float) -> None:
    top, step = svg.axis([(1.0, last)], budget)
    assert min(1.0, 2 * budget) <= top <= 1.0 and last <= top
    assert top / step == pytest.approx(round(top / step)) and 1 <= round(top / step) <= 5


def test_the_curve_stays_inside_its_plot() -> None:
    drawn = str(svg.risk_coverage(curve(), 1840, 0.02, (0.83, 0.0124), joint=False))
    line = re.search(r'class="curve" d="([^"]*)"', drawn)
    assert line is not None
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", line[1])]
    assert len(points) > 40 and points[-1][0] == 100
    assert all(0 <= x <= 100 and 0 <= y <= svg.PLOT for x, y in points)
    assert "chosen: 83% answered here" in drawn
    assert "chosen" not in str(svg.risk_coverage(curve(), 1840, 0.02, None, joint=False))


def test_the_joint_promise_draws_errors_as_a_share_of_all() -> None:
    points = [CurvePoint(0.9, 0.5, 0.02), CurvePoint(0.5, 1.0, 0.1)]
    apart, joint = (str(svg.risk_coverage(points, 100, 0.05, None, joint=j)) for j in (False, True))
    assert 'class="curve" d="M50 190.7' in apart  # 2% below a top of 15%, 220 pixels high
    assert 'class="curve" d="M50 205.3' in joint  # half of it


def test_readings_take_the_largest_share_within_each_limit() -> None:
    points = (
        CurvePoint(0.9, 0.4, 0.001),
        CurvePoint(0.8, 0.6, 0.012),
        CurvePoint(0.7, 0.8, 0.009),
        CurvePoint(0, 1, 0.2),
    )
    assert dict(_readings(points, joint=False)) == {0.005: 0.4, 0.01: 0.8, 0.02: 0.8, 0.05: 0.8, 0.1: 0.8}
    assert dict(_readings(points, joint=True))[0.1] == 0.8 and dict(_readings((), joint=False))[0.1] == 0


@pytest.mark.parametrize(
    ("dollars", "written"), [(2.4, "US$ 2.40"), (0, "US$ 0.00"), (0.0041, "US$ 0.0041"), (1234.5, "US$ 1,234.50")]
)
def test_money(dollars: float, written: str) -> None:
    assert words.money(dollars) == written


def test_shares_that_were_set_carry_no_needless_digits() -> None:
    assert [svg.share(v) for v in (0.02, 0.005, 0.9337, 1.0)] == ["2%", "0.5%", "93.37%", "100%"]
