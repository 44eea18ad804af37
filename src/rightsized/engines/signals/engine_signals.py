"""What the engine itself tells: how likely it found its own tokens, and whether it says the same when asked again."""

from __future__ import annotations

import math
import re

from rightsized.core.tiers import MOST_SAMPLES
from rightsized.engines.signals import numbers
from rightsized.engines.signals.final import final_number, final_text
from rightsized.engines.signals.signal import MAX_CHARS, Exchange, Side

FLOOR = -30.0  # log probability below which a token counts as this; engines report -inf or -9999 for impossible ones
_WORD = re.compile(r"\w+")


class Logprobs:
    """Token log probabilities: their mean, their worst, and how the answer ends."""

    name = "logprobs"
    side: Side = "answer"
    features = ("given", "mean", "lowest", "low_tenth", "unsure", "last_mean", "log_tokens")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        values = [max(min(v, 0.0), FLOOR) if math.isfinite(v) else FLOOR for v in exchange.logprobs]
        if not values:
            return (0.0,) * len(self.features)
        ordered = sorted(values)
        last = values[-min(len(values), 16) :]
        return (
            1.0,
            sum(values) / len(values),
            ordered[0],
            ordered[len(ordered) // 10],
            sum(value < math.log(0.5) for value in values) / len(values),
            sum(last) / len(last),
            math.log1p(len(values)),
        )


class Agreement:
    """Whether further answers to the same prompt come to the same result (Wang et al. 2023, self-consistency)."""

    name = "agreement"
    side: Side = "answer"
    features = ("given", "same_result", "same_words", "largest_group")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        others = [other[:MAX_CHARS] for other in exchange.samples[:MOST_SAMPLES]]
        if not others:
            return (0.0,) * len(self.features)
        answer = exchange.answer[:MAX_CHARS]
        own, results = result_of(answer), [result_of(other) for other in others]
        same = [_equal(own, result) for result in results]
        words = set(_WORD.findall(answer.lower()))
        shared = [_jaccard(words, set(_WORD.findall(other.lower()))) for other in others]
        groups = [sum(_equal(a, b) for b in results) for a in results]
        return (1.0, sum(same) / len(same), sum(shared) / len(shared), max(groups) / len(others))


class Likeness:
    """How alike further answers are where they state no result: the same words in order, and close in meaning."""

    name = "likeness"
    side: Side = "answer"
    features = ("exact", "compared", "mean", "lowest")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        others = [other[:MAX_CHARS] for other in exchange.samples[:MOST_SAMPLES]]
        own = _WORD.findall(exchange.answer[:MAX_CHARS].lower())
        exact = sum(_WORD.findall(other.lower()) == own for other in others) / len(others) if others else 0.0
        near = exchange.similarities[:MOST_SAMPLES]
        if not near:
            return (exact, 0.0, 0.0, 0.0)
        return (exact, 1.0, sum(near) / len(near), min(near))


def result_of(answer: str) -> float | list[str]:
    """What an answer comes to: its final number, or, without one, its final words."""
    number = final_number(answer)
    return number if number is not None else _WORD.findall(final_text(answer)[0].lower())


def _equal(one: float | list[str], other: float | list[str]) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return numbers.same(one, other)
    return one == other


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0
