"""Telephone numbers, by libphonenumber's metadata, and by words beside them where the digits alone say little."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

import phonenumbers

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, POSSIBLE, PROVEN, Example, Hit
from rightsized.guard.pii.view import View, words

_MOST, _LEAST = 15, 6  # digits of a number (ITU-T E.164), and the fewest that are looked at
_RUN = re.compile(
    r"(?<![\w@#$€£=])(?<!\w[./])(?<!\d[,:-])(?:\+ ?|\(\+?)?\d(?:[\d(). /-]{0,24}\d)?(?:(?:,? ?(?:x|ext\.?|"
    r"extension|#) ?)\d{1,6})?"
    r"(?![\w@%€£$])(?![.,:]\d)",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r",? ?(?:x|ext\.?|extension|#) ?\d{1,6}$", re.IGNORECASE)
_WORDS = words(
    r"(?:tele)?phones?(?: ?(?:no|nr|number|#))?",
    r"tel",
    r"telefon\w*",
    r"t[ée]l[ée]phone",
    r"tel[ée]fono",
    r"telefone",
    r"puhelin\w*",
    r"puh",
    r"mobiel",
    r"mobil\w*",
    r"mob",
    r"cell(?:ular|phone)?",
    r"handy\w*",
    r"portable",
    r"celular",
    r"m[óo]vil",
    r"cellulare",
    r"call(?:ed|ing|s)?(?: (?:me|us|him|her|them|back))?",
    r"dial(?:ed|ing)?",
    r"ring",
    r"text(?:ed)?",
    r"sms",
    r"whats ?app",
    r"signal",
    r"viber",
    r"fax",
    r"contact(?:s|ed)?",
    r"reach(?:able|ed)?",
    r"hot ?line",
    r"help ?line",
    r"land ?line",
    r"voice ?mail",
    r"switchboard",
    r"rufnummer",
    r"anrufen",
    r"erreichen",
    r"appele[rz]",
    r"joindre",
    r"llam\w+",
    r"chiam\w+",
    r"bellen",
    r"answer(?:ing|s|ed)?",
    r"messages?",
    r"number",
    r"numbers",
    r"номер",
    r"тел\w*",
    r"電話",
    r"电话",
)
_LABEL = words(
    "office", "home", "work", "cell", "mobile", "fax", "landline", "direct", "ext", "tel", "phone", "whatsapp"
)
_STRONG = re.compile(r"(?:phone|tel|mobile|cell|fax|t[ée]l|telefon\w*|fon|mob|gsm|handy|whatsapp|ph)[.: #\n]*$")
_OTHER = words(
    r"orders?",
    r"invoices?",
    r"tickets?",
    r"case",
    r"ref\w*",
    r"policy",
    r"account",
    r"acct",
    r"sku",
    r"part",
    r"serial",
    r"tracking",
    r"isbn",
    r"issn",
    r"model",
    r"room",
    r"page",
    r"zip\w*",
    r"post\w* ?code",
    r"plz",
    r"batch",
    r"lot",
    r"po",
    r"transaction",
    r"card",
    r"iban",
    r"vat",
    r"id",
    r"patent",
    r"doi",
    r"kg",
    r"amount",
    r"total",
    r"price",
    r"version",
    r"passport",
    r"licen[cs]e",
    r"ssn",
    r"usd",
    r"eur",
    r"gbp",
    r"year",
    r"years",
    r"pin",
    r"otp",
    r"code",
)
_DATE = re.compile(
    r"(?:(?:19|20)\d{2}[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12]\d|3[01])|"
    r"(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|[12]\d|3[01])[-./](?:(?:19|20)\d{2}|\d{2}))(?:[ T]\d.*)?$"
)
_RANGE = re.compile(r"\d{3}-\d{2}-\d{4}$|\d{1,4} ?- ?\d{1,4}$|(?:19|20)\d{2}[-/ ](?:19|20)\d{2}$")
_MOST_ASKED = 2000  # numbers of one text that the metadata are asked about; after that the shape decides


class Phones:
    """Finds telephone and fax numbers."""

    name = "phones"
    classes: ClassVar[Mapping[str, DataClass]] = {"phone": "personal"}
    examples = (
        Example("Call +44 20 7946 0958 now", "+44 20 7946 0958", "phone"),
        Example("My mobile: 0151 23456789.", "0151 23456789", "phone"),
        Example("(212) 555-0142 ext. 7", "(212) 555-0142 ext. 7", "phone"),
        Example("phone 467 3395", "467 3395", "phone"),
    )

    def __init__(self, config: PiiConfig) -> None:
        self._regions = config.regions

    def find(self, view: View) -> Iterator[Hit]:
        if not view.has_digit:
            return
        asked = 0
        for match in _RUN.finditer(view.text):
            start, end = _balanced(view.text, *match.span())
            run = view.text[start:end]
            digits = sum(map(str.isdigit, _EXTENSION.sub("", run)))
            if not _LEAST <= digits <= _MOST + 2 or _DATE.match(run) or (_RANGE.match(run) and "+" not in run):
                continue
            asked += 1
            score = self._score(view, start, end, digits, known=asked <= _MOST_ASKED)
            if score:
                yield Hit(start, end, "phone", score)

    def _score(self, view: View, start: int, end: int, digits: int, *, known: bool) -> float:
        run = view.text[start:end]
        before = view.before(start)
        strong = bool(_STRONG.search(before))
        named = strong or bool(_WORDS.search(before)) or bool(_LABEL.search(view.after(end, 12)))
        other = bool(_OTHER.search(before[-24:])) and not strong
        if run.lstrip("( ").startswith(("+", "00")):
            valid = not known or _valid(run, None) or _valid("+" + run.lstrip("(+0 "), None)
            return PROVEN if valid and "+" in run else CLEAR if valid else LIKELY if named else _loose(run, digits)
        if other:
            return 0.0
        if named and digits <= _MOST and (strong or _written(run) or digits >= _MOST - 6):
            return CLEAR if strong else LIKELY
        if run.startswith("(") and digits > _LEAST and ")" in run:
            return POSSIBLE
        if digits < 9 or digits > 13 or not _grouped(run):
            return 0.0
        if not known or any(_valid(run, region) for region in self._regions):
            return POSSIBLE
        return 0.0


def _loose(run: str, digits: int) -> float:
    """A number that says it is international and is none that the metadata know."""
    return POSSIBLE if run.lstrip("(").startswith("+") and digits >= 8 else 0.0


def _written(run: str) -> bool:
    """Whether the digits are in groups as people write telephone numbers, or begin with the trunk prefix."""
    groups = re.findall(r"\d+", _EXTENSION.sub("", run))
    if len(groups) == 1:
        return run[0] == "0" or run[0] == "("
    return len(groups) <= 7 and max(map(len, groups)) <= 8 and min(map(len, groups[1:])) >= 2


def _grouped(run: str) -> bool:
    """Whether it is written as telephone numbers are, and as little else: trunk prefix, or three groups and more."""
    groups = re.findall(r"\d+", _EXTENSION.sub("", run))
    return _written(run) and (run[0] in "0(" or len(groups) > 2)


def _valid(run: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(run, region))
    except phonenumbers.NumberParseException:
        return False


def _balanced(text: str, start: int, end: int) -> tuple[int, int]:
    """The run without a bracket that has no partner in it, and without a list's second number."""
    run = text[start:end]
    if run.count("(") < run.count(")"):
        end = start + run.index(")")
    elif run.count("(") > run.count(")"):
        cut = run.rindex("(")
        start, end = (start + cut + 1, end) if cut == 0 else (start, start + cut)
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end
