"""Word contributions: additivity, ground truth, budgets, determinism and honest names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rightsized.core.errors import InputError
from rightsized.core.types import Explanation
from rightsized.explain.game import Options, Score
from rightsized.explain.segments import words
from rightsized.explain.words import explain_words

LONG = " ".join(
    f"In part {i} we say nothing much about it." if i != 17 else "My card was stolen yesterday." for i in range(40)
)


def _noise(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") / 2**32


def _rough(texts: Sequence[str]) -> NDArray[np.float64]:
    """A score with interactions of every order: as hard as it gets."""
    return np.array([8.0 * _noise(text) - 3.0 for text in texts])


def _linear(texts: Sequence[str]) -> NDArray[np.float64]:
    """A score that is a sum over words, with a constant."""
    return np.array([0.5 + sum(_noise(word) for word in text.split()) for text in texts])


class _Counted:
    """A score that keeps what it was asked."""

    def __init__(self, score: Score) -> None:
        self.asked: list[str] = []
        self.calls = 0
        self._score = score

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.asked += texts
        self.calls += 1
        return self._score(texts)


def _gap(explanation: Explanation) -> float:
    return sum(c.value for c in explanation.contributions) - explanation.total


def _brute_force(text: str, score: Callable[[Sequence[str]], NDArray[np.float64]]) -> list[float]:
    """Shapley values by their definition: the mean over all orders of what a word adds to those before it."""
    parts = text.split(" ")
    total = np.zeros(len(parts))
    orders = list(permutations(range(len(parts))))
    for order in orders:
        sets = [sorted(order[:size]) for size in range(len(parts) + 1)]
        values = score([" ".join(parts[i] for i in chosen) for chosen in sets])
        for player, (before, after) in zip(order, pairwise(values), strict=True):
            total[player] += after - before
    return [float(v) for v in total / len(orders)]


@given(st.text(max_size=120))
@settings(max_examples=150, deadline=None)
def test_contributions_add_up_and_point_into_the_text(text: str) -> None:
    found = explain_words(text, _rough, Options(pairs=2, max_evaluations=2000))
    assert abs(_gap(found)) < 1e-9
    assert all(text[c.start : c.end] == c.text for c in found.contributions)
    if text.strip():
        assert found.base + found.total == pytest.approx(float(_rough([text])[0]), abs=1e-12)
        assert found.base == float(_rough([""])[0])


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_exhaustive_permutations_give_the_exact_values(n: int) -> None:
    text = " ".join(f"w{i}" for i in range(n))
    found = explain_words(text, _rough, Options(pairs=360))
    assert found.method == "exact Shapley"
    assert [c.value for c in found.contributions] == pytest.approx(_brute_force(text, _rough), abs=1e-9)


def test_sampling_comes_near_the_exact_values_and_nearer_with_more_pairs() -> None:
    texts = [f"one two three four five {last}" for last in ("six", "seven", "eight", "nine")]
    true = {text: np.array(_brute_force(text, _rough)) for text in texts}

    def error(pairs: int) -> float:
        found = {text: explain_words(text, _rough, Options(pairs=pairs)) for text in texts}
        return float(np.mean([np.abs([c.value for c in found[t].contributions] - true[t]).mean() for t in texts]))

    assert error(360) < 1e-9
    assert error(5) < 0.8 * error(1)


@pytest.mark.parametrize("n", [1, 4, 12, 30])
def test_an_additive_score_gives_back_its_weights(n: int) -> None:
    text = " ".join(f"word{i}" for i in range(n))
    found = explain_words(text, _linear)
    assert [c.value for c in found.contributions] == pytest.approx([_noise(w) for w in text.split()], abs=1e-9)
    assert found.base == 0.5


def test_the_result_is_a_function_of_the_text() -> None:
    text = "please tell me where my new card is now"
    first, second = explain_words(text, _rough), explain_words(text, _rough)
    assert first.contributions == second.contributions
    assert first.method == second.method == "permutation Shapley, 4 antithetic pairs"


@pytest.mark.parametrize("budget", [2, 5, 14, 20, 40, 100, 256])
@pytest.mark.parametrize("text", ["a b c d e f g h i j k l", LONG, "x " * 70], ids=["short", "long", "repeats"])
def test_the_evaluation_budget_is_kept(text: str, budget: int) -> None:
    score = _Counted(_rough)
    found = explain_words(text, score, Options(max_evaluations=budget))
    assert len(score.asked) == len(set(score.asked)) == found.evaluations <= budget
    if not found.method.startswith("leave-one-out"):
        assert abs(_gap(found)) < 1e-9


def test_leave_one_out_says_that_it_does_not_add_up() -> None:
    text = "a b c d e f g h i j k l"
    found = explain_words(text, _rough, Options(max_evaluations=16))
    assert found.evaluations == 14
    assert found.method == f"leave-one-out (sum differs from the total by {_gap(found):+.2f})"
    full = float(_rough([text])[0])
    assert found.contributions[0].value == pytest.approx(full - float(_rough([text[2:]])[0]))


class _Clocked:
    """A clock that a score moves on: each text takes `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.now, self._seconds = 0.0, seconds

    def __call__(self) -> float:
        return self.now

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.now += self._seconds * len(texts)
        return _rough(texts)


@pytest.mark.parametrize("budget_ms", [10, 50, 120, 400])
@pytest.mark.parametrize("text", ["one two three four five six seven eight nine ten", LONG], ids=["short", "long"])
def test_the_time_budget_is_kept(text: str, budget_ms: float) -> None:
    clock = _Clocked(0.002)
    found = explain_words(text, clock.score, Options(budget_ms=budget_ms, clock=clock))
    assert found.latency_ms == pytest.approx(clock.now * 1000)
    assert found.latency_ms <= budget_ms


def test_more_time_gives_a_better_method() -> None:
    text = "one two three four five six seven eight nine ten"
    methods = []
    for budget_ms in (4, 30, 60, 1000):
        clock = _Clocked(0.002)
        methods.append(
            explain_words(text, clock.score, Options(budget_ms=budget_ms, clock=clock)).method.split(" (")[0]
        )
    assert methods == [
        "whole text",
        "leave-one-out",
        "permutation Shapley, 1 antithetic pair",
        "permutation Shapley, 4 antithetic pairs",
    ]


def test_a_long_text_is_opened_where_it_matters() -> None:
    def stolen(texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([4.0 * ("stolen" in text) + 1.0 * ("card" in text and "stolen" in text) for text in texts])

    found = explain_words(LONG, stolen)
    assert found.method.startswith("block Shapley")
    assert abs(_gap(found)) < 1e-9
    assert found.total == 5.0
    best = max(found.contributions, key=lambda c: c.value)
    assert (best.text, LONG[best.start : best.end]) == ("stolen", "stolen")
    assert best.value == pytest.approx(4.5)
    assert len(found.contributions) < len(words(LONG))
    covered = "".join(c.text for c in found.contributions).replace(" ", "")
    assert covered == LONG.replace(" ", "")


def test_repeated_words_cost_nothing_twice_and_share_alike() -> None:
    score = _Counted(_linear)
    found = explain_words("no no no no no no no no", score)
    assert found.evaluations == 9
    assert {round(c.value, 9) for c in found.contributions} == {round(_noise("no"), 9)}


def test_white_space_has_nothing_to_explain() -> None:
    for text in ("", "  \n"):
        found = explain_words(text, _rough)
        assert (found.contributions, found.total) == ((), 0.0)


def test_a_mask_stands_where_the_word_stood() -> None:
    score = _Counted(_linear)
    explain_words("alpha beta", score, Options(mask="[MASK]"))
    assert set(score.asked) == {"", "alpha beta", "alpha [MASK]", "[MASK] beta"}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="not finite"):
        explain_words("a b", lambda texts: np.full(len(texts), bad))


def test_a_score_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match="values for 2 texts"):
        explain_words("a b", lambda texts: np.zeros(1))


def test_a_budget_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        explain_words("a b", _rough, Options(max_evaluations=1))


@pytest.mark.parametrize("seconds_each", [0.001, 0.01, 0.03, 0.06])
def test_a_time_budget_is_kept_and_the_words_still_add_up(seconds_each: float) -> None:
    now = 0.0

    def score(texts: Sequence[str]) -> NDArray[np.float64]:
        nonlocal now
        now += sum(seconds_each * (0.1 + 0.9 * len(text) / len(LONG)) for text in texts)
        return _rough(texts)

    found = explain_words(LONG, score, Options(budget_ms=500.0, clock=lambda: now))
    assert "Shapley" in found.method
    assert _gap(found) == pytest.approx(0.0, abs=1e-9)
    assert len(found.contributions) >= 2
    assert found.latency_ms <= 500.0 + 2 * 1000.0 * seconds_each  # the pair that was begun is ended


def test_what_cannot_be_had_word_by_word_is_shared_out_over_a_few_blocks() -> None:
    found = explain_words(LONG, _linear, Options(max_evaluations=2 + 8))
    assert found.method == "block Shapley, 1 antithetic pair"
    assert 2 <= len(found.contributions) <= 5
    assert " ".join(LONG[c.start : c.end] for c in found.contributions) == LONG
