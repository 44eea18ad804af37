"""A small calculator for arithmetic found in text: numbers, + - * / ^ %, parentheses. No names, no calls, no eval.

Recursive descent with bounded depth and length; powers are limited, so that no text can make it work for long.
"""

from __future__ import annotations

import math
import re

MAX_CHARS, MAX_DEPTH = 400, 24
MAX_EXPONENT, LARGEST = 64.0, 1e18
_TOKEN = re.compile(r"\s*(\d[\d,]*\.?\d*|\.\d+|[-+*/()^%])")
_SAME = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "⋅": "*", "[": "(", "]": ")"})
_TIMES = re.compile(r"(?<=[\d)%])\s*[xX]\s*(?=[\d(.])")
_LATEX = re.compile(r"\\(?:times|cdot)\b")
_POWER = re.compile(r"\*\*")
_NOISE = re.compile(r"[$€£¥\\]")


class NotArithmeticError(ValueError):
    """The text is not an arithmetic expression, or one beyond the limits. Never leaves this folder."""


def evaluate(text: str) -> float:
    """The value of an arithmetic expression.

    >>> evaluate("84 * (5/14)")
    30.0
    >>> evaluate("$1,200 x 10%")
    120.0

    Raises:
        NotArithmeticError: anything else than arithmetic, a division by zero, or a value beyond 1e18.
    """
    if len(text) > MAX_CHARS:
        raise NotArithmeticError(f"{len(text)} characters")
    tokens = _tokens(plain(text))
    parser = _Parser(tokens)
    value = parser.sum(0)
    if parser.at != len(tokens):
        raise NotArithmeticError(f"trailing {tokens[parser.at]!r}")
    return _bounded(value)


def plain(text: str) -> str:
    """Signs of multiplication, division and currency in one spelling; the length may change."""
    same = _NOISE.sub("", _LATEX.sub("*", text)).translate(_SAME)
    return _TIMES.sub(" * ", _POWER.sub("^", same))


def _tokens(text: str) -> list[str]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotArithmeticError(f"{text[at]!r}")
        found.append(match.group(1).replace(",", ""))
        at = match.end()
    if not found:
        raise NotArithmeticError("empty")
    return found


class _Parser:
    """sum := product (('+'|'-') product)*; product := power (('*'|'/') power)*; power := unary ('^' power)?"""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self, depth: int) -> float:
        if depth > MAX_DEPTH:
            raise NotArithmeticError("nested too deeply")
        value = self.product(depth)
        while self.peek() in ("+", "-"):
            value = value + self.product(depth) if self.take() == "+" else value - self.product(depth)
        return value

    def product(self, depth: int) -> float:
        value = self.power(depth)
        while self.peek() in ("*", "/"):
            if self.take() == "*":
                value = _bounded(value * self.power(depth))
            else:
                divisor = self.power(depth)
                if divisor == 0:
                    raise NotArithmeticError("division by zero")
                value = _bounded(value / divisor)
        return value

    def power(self, depth: int) -> float:
        base = self.unary(depth)
        if self.peek() != "^":
            return base
        self.take()
        exponent = self.power(depth + 1) if depth < MAX_DEPTH else math.inf
        if abs(exponent) > MAX_EXPONENT or (base < 0 and exponent != int(exponent)) or (base == 0 and exponent < 0):
            raise NotArithmeticError("a power beyond the limits")
        try:
            return _bounded(float(base**exponent))
        except OverflowError:
            raise NotArithmeticError("a value beyond the limits") from None

    def unary(self, depth: int) -> float:
        sign = 1.0
        while self.peek() in ("+", "-"):
            sign = -sign if self.take() == "-" else sign
        value = self.atom(depth)
        while self.peek() == "%":
            self.take()
            value /= 100
        return sign * value

    def atom(self, depth: int) -> float:
        written = self.peek()
        if written == "(":
            self.take()
            value = self.sum(depth + 1)
            if self.peek() != ")":
                raise NotArithmeticError("a parenthesis is open")
            self.take()
            return value
        if not written or not (written[0].isdigit() or written[0] == "."):
            raise NotArithmeticError(f"{written!r} where a number should stand")
        self.take()
        return float(written)


def _bounded(value: float) -> float:
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise NotArithmeticError("a value beyond the limits")
    return value
