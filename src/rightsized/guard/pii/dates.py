"""Dates of birth and ages: a date counts where a word beside it says that somebody was born on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, Example, Hit
from rightsized.guard.pii.view import View, words

_MONTHS = (
    r"jan\w{0,6}|feb\w{0,6}|mar\w{0,4}|m[äa]r\w{0,2}|apr\w{0,4}|ma[iyj]\w{0,2}|jun\w{0,2}|jul\w{0,4}|"
    r"aug\w{0,3}|ago\w{0,3}|"
    r"sep\w{0,8}|set\w{0,6}|o[ck]t\w{0,5}|out\w{0,4}|nov\w{0,6}|de[czs]\w{0,7}|ene\w{0,2}|abr\w{0,2}|"
    r"gen\w{0,4}|lug\w{0,3}|"
    r"giu\w{0,3}|mag\w{0,3}|dic\w{0,6}|ott\w{0,4}|janv\w{0,3}|f[ée]v\w{0,4}|avr\w{0,2}|juin|juil\w{0,4}|"
    r"ao[ûu]t|d[ée]c\w{0,6}"
)
_DATE = re.compile(
    r"(?<![\w/.-])(?:"
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
    r"|\d{1,2}([-/. ])\d{1,2}\1(?:\d{4}|\d{2})"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|er|º)?[ -](?:of |de )?(?:{_MONTHS})\.?,?[ -](?:de |del )?\d{{2,4}}"
    rf"|(?:{_MONTHS})\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
    r")(?![\w/-])(?!\.\d)"
)
_YEAR = re.compile(r"(?<![\w/.-])(?:19\d{2}|20[0-4]\d)(?![\w/-])(?!\.\d)")
_BORN = words(
    r"born(?: (?:on|in))?",
    r"birth(?: ?(?:date|day))?",
    r"date of birth",
    r"d\.?o\.?b",
    r"b\.? ?date",
    r"geb(?:oren)?(?: am)?",
    r"geburts(?:datum|tag|jahr)",
    r"n[ée]e?s?(?: le)?",
    r"naissance",
    r"nacid[oa]s?",
    r"nacimiento",
    r"nat[oa]",
    r"nascita",
    r"nascid[oa]",
    r"nascimento",
    r"geboorte\w*",
    r"geb\.? ?dat\w*",
    r"fødselsdato",
    r"født",
    r"född",
    r"födelsedatum",
    r"syntynyt",
    r"urodzon[ya]",
    r"data urodzenia",
    r"narozen[ýaá]?",
    r"született",
    r"birthdate",
)
_AGE = re.compile(
    r"(?<![\w.-])(\d{1,3})(?=[ -](?:years?|yrs?|y)[ -](?:old|of age)(?![\w]))|"
    r"(?<![\w.-])(\d{1,3})(?= ?(?:y/?o|yo|yr old|jahre alt|ans|años de edad|anni|jaar oud)(?!\w))|"
    r"(?<!\w)(?:aged?|age is|age of|alter|turned|turning|âge)[:=]? (\d{1,3})(?!\w)(?![.,/-]\d)(?! ?(?:%|"
    r"percent|days|min|years? ago))"
)
_OLDEST = 120


class Dates:
    """Finds dates of birth and ages."""

    name = "dates"
    classes: ClassVar[Mapping[str, DataClass]] = {"date_of_birth": "personal", "age": "personal"}
    examples = (
        Example("DOB: 04/07/1961", "04/07/1961", "date_of_birth"),
        Example("She was born on 3 March 1987 in Graz.", "3 March 1987", "date_of_birth"),
        Example("geboren am 12.11.1959", "12.11.1959", "date_of_birth"),
        Example("a 54-year-old man", "54", "age"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        if not view.has_digit:
            return
        for match in _DATE.finditer(view.lower):
            if _BORN.search(view.before(match.start(), 40)) or _BORN.search(view.after(match.end(), 18)):
                yield Hit(*match.span(), "date_of_birth", CLEAR)
        for match in _YEAR.finditer(view.lower):
            if _BORN.search(view.before(match.start(), 24)):
                yield Hit(*match.span(), "date_of_birth", LIKELY)
        for match in _AGE.finditer(view.lower):
            group = match.lastindex or 1
            if 0 < int(match.group(group)) <= _OLDEST:
                yield Hit(*match.span(group), "age", LIKELY)
