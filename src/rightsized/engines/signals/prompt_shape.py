"""What can be seen of a prompt without understanding it. Each number is cheap; none decides anything by itself."""

from __future__ import annotations

import math
import re
import unicodedata

from rightsized.engines.signals import numbers
from rightsized.engines.signals.signal import MAX_CHARS, Exchange, Side

_SENTENCE = re.compile(r"[.!?。！？]+(?:\s|$)")
_QUESTION = re.compile(
    r"\b(what|which|who|when|where|why|how many|how much|how long|how|is|are|can|does|do)\b", re.IGNORECASE
)
_CODE = re.compile(r"```|\bdef \w+\(|\bclass \w+|#include|\bfunction\b.{0,80}\(|=>|[{};]\s*$|\breturn\b", re.MULTILINE)
_TEX = re.compile(r"\$[^$]{1,200}\$|\\(?:frac|sqrt|sum|int|boxed)|\^\{?\d")
_OPTION = re.compile(r"(?m)(?:^|\s)\(?[A-J1-9][.):]\s+\S")
_ASKS = (
    "how many", "how much", "percent", "%", "each", "more than", "less than", "times", "half", "total", "left",
    "average", "if ", "$", "per ", "ratio", "twice", "than", "remaining", "every", "week", "hour", "minute",
)  # fmt: skip
SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "HANGUL", "DEVANAGARI", "THAI")


class PromptLength:
    """Characters, words, sentences and lines."""

    name = "prompt_length"
    side: Side = "prompt"
    features = ("log_chars", "log_words", "log_sentences", "log_lines", "word_length", "last_sentence", "long")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        prompt = exchange.prompt[:MAX_CHARS]
        words = prompt.split()
        ends = [match.end() for match in _SENTENCE.finditer(prompt.rstrip())]
        last = prompt[ends[-2] :] if len(ends) > 1 else prompt
        return (
            math.log1p(len(prompt)),
            math.log1p(len(words)),
            math.log1p(len(ends)),
            math.log1p(prompt.count("\n")),
            min(sum(map(len, words)) / max(len(words), 1), 20.0),
            math.log1p(len(last)),
            float(len(exchange.prompt) > MAX_CHARS),
        )


class PromptKind:
    """Question words, code, formulas, options to choose from."""

    name = "prompt_kind"
    side: Side = "prompt"
    features = (
        "question_marks", "what", "which", "who", "when", "where", "why", "how many", "how much", "how long", "how",
        "is", "are", "can", "does", "do", "code", "tex", "options", "asks_json", "quotes",
    )  # fmt: skip

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        prompt = exchange.prompt[:MAX_CHARS]
        last = prompt[-400:]
        asked = {match.group(1).lower() for match in _QUESTION.finditer(last)}
        return (
            float(min(prompt.count("?"), 5)),
            *(float(word in asked) for word in self.features[1:16]),
            float(_CODE.search(prompt) is not None),
            float(_TEX.search(prompt) is not None),
            float(min(len(_OPTION.findall(prompt)), 10)),
            float("json" in prompt.lower()),
            float(min(prompt.count('"'), 10)),
        )


class PromptNumbers:
    """How many numbers, how large, and which words of arithmetic stand beside them."""

    name = "prompt_numbers"
    side: Side = "prompt"
    features = ("digits", "log_numbers", "log_words", "log_largest", "decimals", "distinct", *_ASKS)

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        prompt = exchange.prompt[:MAX_CHARS]
        lower, found = prompt.lower(), numbers.in_digits(prompt)
        return (
            sum(map(str.isdigit, prompt)) / max(len(prompt), 1),
            math.log1p(len(found)),
            math.log1p(len(numbers.in_words(prompt))),
            min(math.log10(1 + max(found, default=0.0)), 12.0),
            sum(value != round(value) for value in found) / max(len(found), 1),
            len(set(found)) / max(len(found), 1),
            *(float(min(lower.count(word), 5)) for word in _ASKS),
        )


class PromptScript:
    """Share of the letters in each of the common scripts: models differ most by language."""

    name = "prompt_script"
    side: Side = "prompt"
    features = (*(script.lower() for script in SCRIPTS), "accented")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        letters = [c for c in exchange.prompt[:4000] if c.isalpha()]
        if not letters:
            return (0.0,) * len(self.features)
        foreign = [c for c in letters if ord(c) > 127]
        names = [unicodedata.name(c, "") for c in foreign]
        counts = [sum(name.startswith(script) for name in names) for script in SCRIPTS]
        counts[0] += len(letters) - len(foreign)
        return (*(count / len(letters) for count in counts), sum(n.startswith("LATIN") for n in names) / len(letters))
