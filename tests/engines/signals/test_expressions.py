"""The calculator for arithmetic in text: right values, and nothing that a hostile text can do with it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.engines.signals.equations import calculations
from rightsized.engines.signals.expressions import NotArithmeticError, evaluate
from rightsized.engines.signals.numbers import in_digits, in_words, same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("84 * (5/14)", 30),
        ("$1,200 x 10%", 120),
        ("10 × 3 ÷ 4", 7.5),
        ("7 − 9", -2),
        ("2^10", 1024),
        ("2**3", 8),
        ("-3 + 5", 2),
        ("3650 \\* 10/100", 365),
        (".5 * 8", 4),
        ("2 \\times 3", 6),
        ("1 - 2 - 3", -4),
        ("2^3^2", 512),
    ],
)
def test_values(text: str, value: float) -> None:
    assert evaluate(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "1 +", "(1 + 2", "1 / 0", "9^9^9^9", "__import__('os')", "a + b", "1 2", "0^-1", "(-8)^0.5", "10^80",
     "(" * 60 + "1" + ")" * 60, "1+" * 400 + "1"],
)  # fmt: skip
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(NotArithmeticError):
        evaluate(text)


@given(st.text(alphabet="0123456789+-*/^%(). ,x$", max_size=60))
def test_any_text_gives_a_finite_number_or_is_refused(text: str) -> None:
    with contextlib.suppress(NotArithmeticError):
        assert abs(evaluate(text)) <= 1e18


@given(st.integers(0, 999), st.integers(0, 999), st.integers(1, 99), st.sampled_from("+-*"))
def test_agrees_with_python(a: int, b: int, c: int, sign: str) -> None:
    expected = {"+": a + b / c, "-": a - b / c, "*": a * b / c}[sign]
    assert evaluate(f"{a} {sign} {b} / {c}") == pytest.approx(expected)


def test_calculations_marked_and_plain_count_once() -> None:
    found = calculations("He pays 3 x 9 = $<<3*9=27>>27 and later $84 - $27 = $57.")
    assert [(c.operands, c.claimed, c.right) for c in found] == [((3.0, 9.0), 27.0, True), ((84.0, 27.0), 57.0, True)]


def test_a_false_sum_is_found_with_its_units() -> None:
    (found,) = calculations("In total: 5 hours * $15/hour = $85.")
    assert (found.claimed, found.value, found.right) == (85.0, 75.0, False)


def test_chains_are_followed() -> None:
    assert [c.right for c in calculations("2 + 3 = 5 * 4 = 21")] == [True, False]


@pytest.mark.parametrize(("said", "right"), [("8 / 3 = 2.67", True), ("8 / 3 = 3", True), ("8 / 3 = 2.9", False)])
def test_rounded_results_pass(said: str, right: bool) -> None:
    (found,) = calculations(said)
    assert found.right is right


@pytest.mark.parametrize("text", ["x = 3", "a == b", "url?q=1&r=2", "= = =", "<<=>>", "1=1", ""])
def test_equal_signs_without_arithmetic_are_passed_over(text: str) -> None:
    assert calculations(text) == []


def test_numbers_in_text() -> None:
    assert in_digits("pay $3,650 over 5 months at 2.5%, v1.2.3 and room 7b") == [3650.0, 5.0, 2.5, 7.0]
    assert in_words("Half of twenty-one dozen") == [0.5, 20.0, 1.0, 12.0]
    assert same(0.333, 1 / 3) and not same(100, 101)
