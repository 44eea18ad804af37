"""Numbers written in text, as digits or as words, and whether two are the same to the precision they are written in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import islice

MOST = 300  # numbers read of one text; more say nothing more
NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?(?![\d])")
_WORDS = {
    **{
        word: float(i)
        for i, word in enumerate(
            [
                "zero",
                "one",
                "two",
                "three",
                "four",
                "five",
                "six",
                "seven",
                "eight",
                "nine",
                "ten",
                "eleven",
                "twelve",
                "thirteen",
                "fourteen",
                "fifteen",
                "sixteen",
                "seventeen",
                "eighteen",
                "nineteen",
                "twenty",
            ]
        )
    },
    **{
        word: 10.0 * (i + 3)
        for i, word in enumerate(["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
    },
    "half": 0.5,
    "twice": 2.0,
    "double": 2.0,
    "triple": 3.0,
    "thrice": 3.0,
    "third": 3.0,
    "quarter": 4.0,
    "fourth": 4.0,
    "fifth": 5.0,
    "dozen": 12.0,
    "hundred": 100.0,
    "thousand": 1000.0,
    "million": 1e6,
}
_WORD = re.compile(r"[a-z]+")
# Factors that no prompt needs to state: counting, percent, units of time and length.
COMMON = frozenset((0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 7.0, 10.0, 12.0, 24.0, 30.0, 52.0, 60.0, 100.0, 365.0, 1000.0))


def parse(written: str) -> float:
    """The value of digits as `NUMBER` finds them; NaN where they are none."""
    try:
        value = float(written.replace(",", "").replace("−", "-"))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def in_digits(text: str) -> list[float]:
    """The first MOST numbers written in digits, in order, signs left out.

    >>> in_digits("pay $3,650 over 5 months at 2.5%")
    [3650.0, 5.0, 2.5]
    """
    found = (abs(parse(match.group())) for match in islice(NUMBER.finditer(text), MOST))
    return [value for value in found if not math.isnan(value)]


def in_words(text: str) -> list[float]:
    """Numbers written as single words, in order; `twenty-one` counts as 20 and 1."""
    return list(islice((_WORDS[word] for word in _WORD.findall(text.lower()) if word in _WORDS), MOST))


def same(a: float, b: float) -> bool:
    """Equal to within rounding at two decimals or a relative 5e-4, as answers round intermediate results."""
    return abs(a - b) <= max(0.0051, 5e-4 * max(abs(a), abs(b)))


def among(value: float, others: Iterable[float]) -> bool:
    """Whether one of the others is the same number."""
    return any(same(value, other) for other in others)
