"""The drift warning: quiet on like messages, loud on unlike ones, and a warning only."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from rightsized.cascade.drift import LEVEL, DriftState, DriftTest, DriftWatch
from rightsized.core.errors import DataError


def highest(reference: np.ndarray, values: np.ndarray, seed: int = 0) -> float:
    test = DriftTest(reference.tolist(), seed)
    for value in values.tolist():
        test.see(value)
    return test.highest


@pytest.mark.parametrize("digits", [6, 1])
def test_like_messages_rarely_warn_ties_or_not(digits: int) -> None:
    random, level, runs = np.random.default_rng(0), 0.1, 200
    warned = [
        highest(np.round(random.random(200), digits), np.round(random.random(500), digits), seed) >= 1 / level
        for seed in range(runs)
    ]
    assert np.mean(warned) <= level + 3.5 * math.sqrt(level * (1 - level) / runs)


@pytest.mark.parametrize("shift", [-0.6, 0.6])
def test_a_shift_either_way_is_found(shift: float) -> None:
    random = np.random.default_rng(0)
    assert highest(random.normal(0, 1, 500), random.normal(shift, 1, 800)) > 1e4


def test_a_wider_spread_after_a_quiet_time_is_found_too() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0, 1, 2000), random.normal(0.8, 1, 600)])
    assert highest(random.normal(0, 1, 500), values) > 1 / LEVEL


def test_a_watch_names_what_moved_and_promises_nothing() -> None:
    random = np.random.default_rng(0)
    watch = DriftWatch({"score": random.random(300).tolist(), "energy": random.random(300).tolist()})
    assert watch.warning() == ""
    for value, moved in zip(random.random(1000), random.random(1000) ** 2, strict=True):
        watch.see([("score", float(value)), ("energy", float(moved))])
    assert "(energy)" in watch.warning()
    assert "may or may not have changed" in watch.warning()


def test_state_survives_a_restart() -> None:
    random = np.random.default_rng(0)
    reference, values = random.random(100).tolist(), random.random(400).tolist()
    whole, cut = DriftWatch({"s": reference}), DriftWatch({"s": reference})
    for number, value in enumerate(values):
        whole.see([("s", value)])
        cut.see([("s", value)])
        if number == 200:
            kept = msgspec.json.decode(msgspec.json.encode(cut.state()), type=dict[str, DriftState])
            cut = DriftWatch({"s": reference})
            cut.restore(kept)
            cut.restore({"gone": kept["s"]})
    assert sorted(cut.state()["s"].seen) == sorted(whole.state()["s"].seen)
    assert math.log(cut.state()["s"].highest) == pytest.approx(math.log(whole.state()["s"].highest), abs=1.0)


def test_values_that_are_no_numbers_are_passed_over() -> None:
    test = DriftTest([0.1, 0.2])
    assert test.see(math.nan) == 1.0
    assert test.see(math.inf) == 1.0


@pytest.mark.parametrize("reference", [[], [0.1, math.nan]])
def test_a_reference_that_cannot_be_used_is_refused(reference: list[float]) -> None:
    with pytest.raises(DataError):
        DriftTest(reference)
