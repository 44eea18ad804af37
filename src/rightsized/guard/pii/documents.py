"""Numbers of documents that only a word beside them tells apart: passports, licences, vehicles, staff, customers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, Example, Hit
from rightsized.guard.pii.view import View

_BETWEEN = (
    r"(?:[ -]?(?:no|nr|num(?:ber)?|n[º°]|#|id|code)\b)?[.:#]{0,2}(?: (?:is|was|ist|est|es|è))?[ :=#,]{0,3}(?:\()?"
)
_VALUE = r"[a-z0-9](?:[ -]?[a-z0-9]){4,17}"
_KINDS = (
    ("passport", r"passports?|reisepass|passeport|pasaporte|passaporto|paspoort|passaporte"),
    (
        "driving_licence",
        r"driv(?:er|ing)(?:'?s)?[ -]?licen[cs]es?|licen[cs]e|führerschein|permis de conduire|"
        r"permiso de conducir|patente(?: di guida)?|rijbewijs|dl",
    ),
    (
        "person_number",
        r"(?:employee|personnel|staff|student|member|customer|client|subscriber|insurance|policy) ?(?:id|no|nr|"
        r"number|#)",
    ),
)
_FOUND = re.compile(
    "|".join(
        rf"(?P<{kind}>(?<![^\W_])(?:{names}){_BETWEEN}(?<![^\W_])(?P<value_{kind}>{_VALUE}))(?![\w])"
        for kind, names in _KINDS
    )
)
_VIN = re.compile(r"(?<![\w])[A-HJ-NPR-Z0-9]{17}(?![\w])")
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_LETTERS = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_LEAST_DIGITS = 3


class Documents:
    """Finds document numbers."""

    name = "documents"
    classes: ClassVar[Mapping[str, DataClass]] = {
        "passport": "personal",
        "driving_licence": "personal",
        "person_number": "personal",
        "vehicle": "personal",
    }
    examples = (
        Example("Passport No. C01X00T47, issued 2019", "C01X00T47", "passport"),
        Example("driver's license number is F2551234", "F2551234", "driving_licence"),
        Example("Employee ID: 0048213", "0048213", "person_number"),
        Example("VIN 1M8GDM9AXKP042788", "1M8GDM9AXKP042788", "vehicle"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        if not view.has_digit:
            return
        for match in _FOUND.finditer(view.lower):
            kind = next(kind for kind, _ in _KINDS if match[kind])
            start, end = match.span(f"value_{kind}")
            end = _trimmed(view.lower, start, end)
            if end > start:
                yield Hit(start, end, kind, LIKELY)
        for match in _VIN.finditer(view.text):
            if _vin(match.group()):
                yield Hit(*match.span(), "vehicle", CLEAR)


def _trimmed(text: str, start: int, end: int) -> int:
    """Where the number ends: words behind it that hold no digit do not belong to it."""
    value = text[start:end]
    while value and sum(map(str.isdigit, value)) >= _LEAST_DIGITS:
        last = max(value.rfind(" "), value.rfind("-"))
        if last < 0 or any(map(str.isdigit, value[last:])):
            return start + len(value)
        value = value[:last]
    return start


def _vin(text: str) -> bool:
    """The check digit of ISO 3779 as North America uses it."""
    values = [int(c) if c.isdigit() else _LETTERS[c] for c in text]
    rest = sum(v * w for v, w in zip(values, _WEIGHTS, strict=True)) % 11
    return text[8] == ("X" if rest == 10 else str(rest)) and not text.isdigit()
