"""Finds the calculations written out in a text, each with the value it claims, and recomputes them."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

from rightsized.engines.signals import expressions, numbers
from rightsized.engines.signals.expressions import NotArithmeticError

MOST = 200  # calculations read of one answer
_MARKED = re.compile(r"<<([^<>=]{1,200})=([^<>]{1,200})>>")
_CLAIM = re.compile(r"\s*(?:about|approximately)?\s*([-+]?\d[\d,]*(?:\.\d+)?)")
_PER = re.compile(r"/\s*[A-Za-z]+")
_WORDS = re.compile(r"[A-Za-z_'’]+")
_TAIL = re.compile(r"[-+*/^%().,\d\s]+$")
_CLAUSE = re.compile(r"[;:!?]|[.,](?=\s|$)")
_OPERATOR = re.compile(r"[\d)%]\s*[-+*/^]\s*[-+(.\d]")


@dataclass(frozen=True)
class Calculation:
    """One calculation: the numbers it starts from, what the text says it gives, and what it does give."""

    operands: tuple[float, ...]
    claimed: float
    value: float

    @property
    def right(self) -> bool:
        """The claim is the value, to the precision such claims are rounded to."""
        rounded = abs(self.claimed - self.value) <= max(0.0051, 0.005 * abs(self.value))
        return rounded or (self.claimed == round(self.claimed) and abs(self.claimed - self.value) < 1.0 < self.value)

    @property
    def exact(self) -> bool:
        """The claim is the value, but for rounding at two decimals."""
        return numbers.same(self.claimed, self.value)


def calculations(text: str) -> list[Calculation]:
    """Calculations in the order in which they stand, marked ones (`<<3*4=12>>`) and plain ones (`3 x 4 = 12`).

    A calculation that is written in both ways counts once. Text that is no arithmetic is passed over.
    """
    found: list[Calculation] = []
    for line in text.splitlines():
        if "=" in line:
            _marked(line, found)
            _plain(line, found)
        if len(found) >= MOST:
            break
    return found[:MOST]


def _marked(line: str, found: list[Calculation]) -> None:
    for match in _MARKED.finditer(line):
        _add(match.group(1), match.group(2), found)


def _plain(line: str, found: list[Calculation]) -> None:
    marked = [calculation.value for calculation in found]
    parts = expressions.plain(_MARKED.sub("", line)).split("=")
    for left, right in itertools.pairwise(parts[: MOST + 1]):
        fresh: list[Calculation] = []
        _add(_PER.sub("", _CLAUSE.split(left[-expressions.MAX_CHARS :])[-1]), right[:100], fresh)
        found += [calculation for calculation in fresh if not numbers.among(calculation.value, marked)]


def _add(left: str, right: str, found: list[Calculation]) -> None:
    claim = _CLAIM.match(right.replace("$", ""))
    value, written = _value(left)
    if claim is not None and not math.isnan(value):
        found.append(Calculation(tuple(numbers.in_digits(written)), numbers.parse(claim.group(1)), value))


def _value(left: str) -> tuple[float, str]:
    """The value of the arithmetic that a clause ends with, and its text; NaN where it ends with none."""
    near = expressions.plain(left)[-expressions.MAX_CHARS :]
    without_units, tail = _WORDS.sub(" ", near), _TAIL.search(near)
    for written in (without_units, tail.group() if tail else ""):
        if _OPERATOR.search(written):
            try:
                return expressions.evaluate(written), written
            except NotArithmeticError:
                continue
    return math.nan, ""
