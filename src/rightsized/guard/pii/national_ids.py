"""Identity, tax and health numbers of people, by the table in `numbering.py` and the checks of python-stdnum."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import ClassVar, NamedTuple

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.numbering import NUMBERINGS, Numbering
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, PROVEN, Example, Hit
from rightsized.guard.pii.view import View, words


class _Ready(NamedTuple):
    numbering: Numbering
    pattern: re.Pattern[str]
    words: re.Pattern[str]
    valid: Callable[[str], bool]


class NationalIds:
    """Finds numbers that states give to people."""

    name = "national_ids"
    classes: ClassVar[Mapping[str, DataClass]] = {
        "national_id": "personal",
        "tax_id": "personal",
        "health_id": "health",
    }
    examples = (
        Example("SSN 536-90-4399", "536-90-4399", "national_id"),
        Example("my social security number is 536904399", "536904399", "national_id"),
        Example("NI number AB 12 34 56 C", "AB 12 34 56 C", "national_id"),
        Example("NHS number 943 476 5870", "943 476 5870", "health_id"),
        Example("Steuer-ID: 36 574 261 809", "36 574 261 809", "tax_id"),
        Example("DNI 54362315K", "54362315K", "national_id"),
        Example("codice fiscale RCCMNL83S18D969H", "RCCMNL83S18D969H", "national_id"),
        Example("BSN 111222333", "111222333", "national_id"),
    )

    def __init__(self, config: PiiConfig) -> None:
        self._ready = [_ready(one) for one in NUMBERINGS]

    def find(self, view: View) -> Iterator[Hit]:
        if not view.has_digit:
            return
        for ready in self._ready:
            for match in ready.pattern.finditer(view.text):
                score = _score(view, ready, match)
                if score:
                    yield Hit(*match.span(), ready.numbering.type, score)


def _ready(numbering: Numbering) -> _Ready:
    # A dash or dot with more digits beside it means that this is a piece of a longer number.
    pattern = re.compile(rf"(?<![\w@#])(?<!\d[-./])(?:{numbering.pattern})(?![\w@])(?![-./]\d)")
    valid: Callable[[str], bool] = bool
    if numbering.check:
        valid = import_module(f"stdnum.{numbering.check}").is_valid
    return _Ready(numbering, pattern, words(numbering.words), valid)


def _score(view: View, ready: _Ready, match: re.Match[str]) -> float:
    if not ready.valid(match.group()):
        return 0.0
    if ready.words.search(view.before(match.start())) or ready.words.search(view.after(match.end(), 16)):
        return PROVEN if ready.numbering.check else CLEAR
    return LIKELY if ready.numbering.alone else 0.0
