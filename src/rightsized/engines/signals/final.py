"""The final answer of a text: what follows the usual marks, else its last number or last line."""

from __future__ import annotations

import math
import re

from rightsized.engines.signals import numbers
from rightsized.engines.signals.signal import MAX_CHARS, Exchange, Side

_MARK = re.compile(
    r"####|\\boxed\{|(?:final\s+)?answer\s*(?:is|:)|(?:^|\n)[ \t]*(?:so|therefore|thus|hence)\b", re.IGNORECASE
)
_CHOICE = re.compile(r"\(?\b([A-J])\b\)?")


def final_text(answer: str) -> tuple[str, bool]:
    """The part that states the result, and whether a mark announced it.

    >>> final_text("3 + 4 = 7\\n#### 7")
    ('7', True)
    """
    marks = [match.end() for match in _MARK.finditer(answer)]
    if marks and answer[marks[-1] :].strip():
        return answer[marks[-1] :].strip().strip("}").strip(), True
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    return (lines[-1].strip() if lines else ""), False


def final_number(answer: str) -> float | None:
    """The number that the answer ends with; None where it has none."""
    said = numbers.in_digits(final_text(answer)[0]) or numbers.in_digits(answer)
    return (said[0] if final_text(answer)[1] else said[-1]) if said else None


class FinalAnswer:
    """Whether a final answer was stated at all, and what kind of thing it is."""

    name = "final"
    side: Side = "answer"
    features = ("marked", "number", "whole", "cents", "log_size", "in_prompt", "choice", "words", "numbers", "zero")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        answer = exchange.answer[:MAX_CHARS]
        said, marked = final_text(answer)
        number = final_number(answer)
        value = number if number is not None else 0.0
        return (
            float(marked),
            float(number is not None),
            float(number is not None and value == round(value)),
            float(number is not None and value != round(value) and abs(100 * value - round(100 * value)) < 1e-9),
            min(_log10(value), 9.0),
            float(number is not None and numbers.among(value, numbers.in_digits(exchange.prompt[:MAX_CHARS]))),
            float(_CHOICE.fullmatch(said.rstrip(".")) is not None),
            min(len(said.split()), 50) / 10,
            min(len(numbers.in_digits(said)), 10),
            float(number is not None and value == 0),
        )


def _log10(value: float) -> float:
    return math.log10(1 + abs(value))
