"""The outward shape of an answer: its length, how it ends, whether it repeats itself, whether it declines."""

from __future__ import annotations

import math
import re

from rightsized.engines.signals.signal import MAX_CHARS, Exchange, Side

_WORD = re.compile(r"\w+")
_ENDS = (".", "!", "?", ":", ")", "]", "}", '"', "'", "”", "’", "`", "。", "！", "？", "»", "*", "|", ">")
# What a model writes that declines or is not sure. A number among others: its weight is learned, and may be nought.
_DECLINES = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able|afraid)|i (?:cannot|can't|do not|don't) (?:help|assist|provide|have)|"
    r"as an ai|it is (?:not|im)possible to|cannot be (?:determined|answered)|not enough information|unfortunately)\b",
    re.IGNORECASE,
)
_HEDGES = re.compile(
    r"\b(?:probably|perhaps|maybe|might|possibly|not sure|unclear|assum(?:e|ing)|approximately|about|however|but wait|"
    r"actually|mistake|correction|correct(?:ed)? answer)\b",
    re.IGNORECASE,
)


class Length:
    """How long the answer is, alone and beside the prompt."""

    name = "length"
    side: Side = "answer"
    features = ("empty", "log_chars", "log_words", "log_ratio", "log_lines", "sentences", "last_line", "long")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        answer = exchange.answer[:MAX_CHARS]
        lines = [line for line in answer.splitlines() if line.strip()]
        return (
            float(not answer.strip()),
            math.log1p(len(answer)),
            math.log1p(len(answer.split())),
            math.log((1 + len(answer)) / (1 + len(exchange.prompt[:MAX_CHARS]))),
            math.log1p(len(lines)),
            math.log1p(sum(answer.count(mark) for mark in ".!?")),
            math.log1p(len(lines[-1]) if lines else 0),
            float(len(exchange.answer) > MAX_CHARS),
        )


class Ending:
    """Whether the answer was cut off: by the engine's word, or by how it ends."""

    name = "ending"
    side: Side = "answer"
    features = ("cut_by_limit", "mid_sentence", "ends_in_number", "ends_in_letter", "open_brackets", "newlines_after")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        answer = exchange.answer[-MAX_CHARS:]
        said = answer.rstrip()
        last = said[-1:]
        opened = sum(said.count(a) - said.count(b) for a, b in ("()", "[]", "{}"))
        return (
            float(exchange.finish == "length"),
            float(bool(said) and not said.endswith(_ENDS) and not last.isdigit()),
            float(last.isdigit()),
            float(last.isalpha()),
            float(min(max(opened, 0), 5)),
            float(min(len(answer) - len(said), 5)),
        )


class Repetition:
    """Whether the answer goes round in circles."""

    name = "repetition"
    side: Side = "answer"
    features = ("repeated_lines", "repeated_fours", "distinct_words")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        answer = exchange.answer[:MAX_CHARS].lower()
        lines = [line.strip() for line in answer.splitlines() if line.strip()]
        words = _WORD.findall(answer)
        fours = list(zip(words, words[1:], words[2:], words[3:], strict=False))
        return (
            1 - len(set(lines)) / len(lines) if lines else 0.0,
            1 - len(set(fours)) / len(fours) if fours else 0.0,
            len(set(words)) / len(words) if words else 0.0,
        )


class Manner:
    """Whether the answer declines or hedges, and what it is made of."""

    name = "manner"
    side: Side = "answer"
    features = ("declines", "log_hedges", "code", "list", "table", "digits", "question", "echo")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        answer = exchange.answer[:MAX_CHARS]
        asked, said = set(_WORD.findall(exchange.prompt[:MAX_CHARS].lower())), set(_WORD.findall(answer.lower()))
        return (
            float(_DECLINES.search(answer) is not None),
            math.log1p(len(_HEDGES.findall(answer))),
            float("```" in answer),
            float(re.search(r"(?m)^[ \t]*(?:[-*•]|\d+[.)])\s", answer) is not None),
            float(re.search(r"(?m)^[ \t]*\|.*\|[ \t]*$", answer) is not None),
            sum(map(str.isdigit, answer)) / max(len(answer), 1),
            float("?" in answer),
            len(asked & said) / len(asked) if asked else 0.0,
        )
