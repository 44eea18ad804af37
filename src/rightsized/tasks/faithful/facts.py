"""What of a sentence must be the same when it is said again: numbers with their units, and names.

Rules over words; words for numbers and units are English. What the rules do not know they do not find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from rightsized.parsers.stopwords import STOPWORDS

_COUNTED = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
_SMALL = _COUNTED.split()
_WORDS = {word: str(value) for value, word in enumerate(_SMALL)}
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_WORDS |= {
    "first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7",
    "eighth": "8", "ninth": "9", "tenth": "10",
}  # fmt: skip
_WORDS |= {word: str(value) for word, value in _TENS.items()}
_WORDS |= {"hundred": "100", "thousand": "1000", "half": "0.5", "dozen": "12", "once": "1", "twice": "2", "double": "2"}
COUNTED = frozenset(_WORDS)  # words for numbers
_UNSAID = frozenset({"one", "first", "second", "half"})  # as often a word as a number: looked for, never asked for
_TOKEN = re.compile(
    r"\d+(?:[.,:'’\u00a0\u202f]\d+)*(?:st|nd|rd|th)?(?![^\W\d_])"  # 1,140  2.1  23:00  12.3.4  3rd
    r"|%|€|\$|£"
    r"|[^\W_](?:[^\W_]|[.&@/_'’-](?=[^\W_]))*"
)
_PER_CENT = re.compile(r"\bper cent\b", re.IGNORECASE)
_GROUPED = re.compile(r"\d{1,3}(?:[,.'’\u00a0\u202f]\d{3})+")
_UNITS = {
    "day": "day days daily", "week": "week weeks weekly", "month": "month months monthly", "hour": "hour hours hourly",
    "year": "year years yearly annual annually annum", "minute": "minute minutes", "%": "% percent percentage",
    "eur": "€ eur euro euros", "usd": "$ usd dollar dollars us$", "gbp": "£ gbp pound pounds sterling",
    "km": "km kilometre kilometres kilometer kilometers", "kg": "kg kilogram kilograms", "second": "seconds",
    "metre": "metre metres meter meters", "bar": "bar", "page": "page pages", "time": "times",
    "person": "people persons employees staff",
}  # fmt: skip
_MONTHS = "january february march april may june july august september october november december"
MONTHS = frozenset(_MONTHS.split())  # what a number of a date belongs to, as to a unit; and names
UNITS = {word: unit for unit, words in _UNITS.items() for word in words.split()} | {word: word for word in MONTHS}
_BEFORE = frozenset({"eur", "usd", "gbp", *MONTHS})  # units that stand before their number
_DIGITS = re.compile(r"\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?")
_QUALIFIED = {"business": "business ", "working": "business ", "calendar": "calendar "}
NEAR = 3  # words between a number and its unit


class Number(NamedTuple):
    """A number as it is compared, and what is counted; `unit` is empty where none stands near."""

    value: str
    unit: str


def tokens(text: str) -> list[str]:
    """Words, numbers and signs as they stand, punctuation apart."""
    return _TOKEN.findall(_PER_CENT.sub("percent", text))


def numbers(text: str) -> list[Number]:
    """Every number, written in digits or in words, with its unit."""
    found, words = [], [word.lower() for word in tokens(text)]
    at = 0
    while at < len(words):
        value, width = _value(words, at)
        if value:
            found.append(Number(value, _unit(words, at, at + width)))
        at += width
    return found


def asked_for(some: Iterable[Number]) -> list[Number]:
    """Those that another sentence has to hold too: "one" and "first" are as often words."""
    return [one for one in some if one.unit or one.value not in {_WORDS[word] for word in _UNSAID}]


def _value(words: list[str], at: int) -> tuple[str, int]:
    """The number that begins at a word and how many words it has; empty, 1 where none does."""
    word = words[at]
    if word[0].isdigit():
        return plain(word), 1
    tens, _, rest = word.partition("-")
    if tens in _TENS and _WORDS.get(rest, "").isdecimal():
        return str(_TENS[tens] + int(_WORDS[rest])), 1
    if word in _TENS and at + 1 < len(words) and words[at + 1] in _SMALL[1:10]:
        return str(_TENS[word] + int(_WORDS[words[at + 1]])), 2
    return _WORDS.get(word, ""), 1


def plain(digits: str) -> str:
    """A number without grouping, ordinal ending and zeros that say nothing.

    >>> plain("1,140"), plain("2.50"), plain("3rd"), plain("23:00"), plain("12.3.4")
    ('1140', '2.5', '3', '23:00', '12.3.4')
    """
    digits = re.sub(r"(?:st|nd|rd|th)$", "", digits)
    if _GROUPED.fullmatch(digits):
        return re.sub(r"\D", "", digits)
    head, dot, tail = digits.rpartition(".")
    if dot and _GROUPED.fullmatch(head):
        head = re.sub(r"\D", "", head)
    if "." not in head and ":" not in digits and dot:
        digits = f"{head}.{tail}".rstrip("0").rstrip(".")
    return digits.lstrip("0") or "0" if digits.isdecimal() else digits


def _unit(words: list[str], start: int, end: int) -> str:
    follows = UNITS.get(words[end], "") if end < len(words) else ""
    if start and not follows and UNITS.get(words[start - 1], "") in _BEFORE:
        return UNITS[words[start - 1]]
    qualified = ""
    for word in words[end : end + NEAR]:
        qualified = _QUALIFIED.get(word, qualified)
        if word in UNITS:
            return qualified + UNITS[word] if UNITS[word] == "day" else UNITS[word]
        if word[0].isdigit() or word in ("and", "of", "in", "for", "to", "per", "within", "at", "by", "or"):
            break
    return ""


def names(text: str) -> list[str]:
    """Words that name something, in lower case: capitals, acronyms, codes, addresses; not the sentence's first word."""
    found = []
    for at, word in enumerate(tokens(text)):
        coded = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
        address = "@" in word or ("." in word.strip(".") and word[0].isalpha())
        capital = word[0].isupper() and (at > 0 or word[1:2].isupper())
        if (coded or address or capital) and named(word):
            found.append(_base(word))
    return list(dict.fromkeys(found))


def named(word: str) -> bool:
    """Whether a word with a capital letter or a digit in it can be a name."""
    lower = _base(word)
    return lower in MONTHS or not (lower in STOPWORDS or lower in UNITS or _DIGITS.fullmatch(lower))


def first_name(text: str) -> str:
    """The first word where it has a capital letter and may be a name as well as not; empty else."""
    word = next(iter(tokens(text)), "")
    return _base(word) if word[:1].isupper() and named(word) and _base(word) not in _WORDS else ""


def _base(word: str) -> str:
    return re.sub(r"['’]s?$", "", word.lower())
