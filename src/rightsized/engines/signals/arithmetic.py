"""Recomputes every calculation in an answer, and follows its numbers from the prompt to the result."""

from __future__ import annotations

import math

from rightsized.engines.signals import numbers
from rightsized.engines.signals.equations import Calculation, calculations
from rightsized.engines.signals.final import final_number
from rightsized.engines.signals.signal import MAX_CHARS, Exchange, Side


class Arithmetic:
    """Are the sums right, and does the result stand at their end?"""

    name = "arithmetic"
    side: Side = "answer"
    features = (
        "any", "log_count", "false", "false_share", "inexact", "last_false", "fractions", "negative", "division",
        "ends_in_result", "result_recomputed", "repeated", "log_largest",
    )  # fmt: skip

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        answer = exchange.answer[:MAX_CHARS]
        done = calculations(answer)
        if not done:
            return (0.0,) * len(self.features)
        final = final_number(answer)
        false = sum(not c.right for c in done)
        values = [c.value for c in done]
        return (
            1.0,
            math.log1p(len(done)),
            float(min(false, 5)),
            false / len(done),
            sum(not c.exact for c in done) / len(done),
            float(not done[-1].right),
            sum(abs(c.value - round(c.value)) > 0.0051 for c in done) / len(done),
            float(any(value < 0 for value in values)),
            float(any(_fraction(c) for c in done)),
            float(final is not None and numbers.same(final, done[-1].claimed)),
            float(final is not None and numbers.among(final, values)),
            1 - len({round(value, 4) for value in values}) / len(done),
            min(math.log10(1 + max(abs(value) for value in values)), 9.0),
        )


class Working:
    """Where the numbers come from: which given ones were used, which used ones were never given, what was left over."""

    name = "working"
    side: Side = "answer"
    features = (
        "given", "log_given", "used_share", "unused", "unexplained", "unexplained_share", "left_over", "left_share",
        "steps_per_given", "all_used", "word_numbers", "answer_given",
    )  # fmt: skip

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        prompt, answer = exchange.prompt[:MAX_CHARS], exchange.answer[:MAX_CHARS]
        digits, words = numbers.in_digits(prompt), numbers.in_words(prompt)
        done = calculations(answer)
        given = list(dict.fromkeys([*digits, *words]))
        written = [*numbers.in_digits(answer), *numbers.in_words(answer)]
        used = sum(numbers.among(value, written) for value in dict.fromkeys(digits))
        unexplained = _unexplained(done, given)
        left = _left_over(done, final_number(answer))
        distinct, operands = len(set(digits)), sum(len(c.operands) for c in done)
        final = final_number(answer)
        return (
            float(bool(given)),
            math.log1p(len(given)),
            used / distinct if distinct else 1.0,
            float(min(distinct - used, 10)),
            float(min(unexplained, 10)),
            unexplained / operands if operands else 0.0,
            float(min(left, 10)),
            left / len(done) if done else 0.0,
            min(len(done) / max(len(given), 1), 5.0),
            float(bool(distinct) and used == distinct),
            float(min(len(words), 10)),
            float(final is not None and numbers.among(final, given)),
        )


def _unexplained(done: list[Calculation], given: list[float]) -> int:
    """Numbers calculated with that neither stand in the prompt nor came out before, common factors aside."""
    known, count = [*given, *numbers.COMMON], 0
    for calculation in done:
        count += sum(not numbers.among(operand, known) for operand in calculation.operands)
        known += [calculation.claimed, calculation.value]
    return count


def _left_over(done: list[Calculation], final: float | None) -> int:
    """Results that no later calculation and not the final answer makes use of."""
    count = 0
    for at, calculation in enumerate(done):
        later = [operand for following in done[at + 1 :] for operand in following.operands]
        used = numbers.among(calculation.claimed, later) or numbers.among(calculation.value, later)
        count += not used and not (final is not None and numbers.same(calculation.claimed, final))
    return count


def _fraction(calculation: Calculation) -> bool:
    return abs(calculation.value - round(calculation.value)) > 0.0051
