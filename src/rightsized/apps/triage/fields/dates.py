"""Dates in running text as ISO 8601: written out, in figures, and relative to the day the message was sent.

Without a year it is the date nearest to that day. A weekday alone is the next one after it, with "last" the one before;
"next Friday" is the next Friday, though some mean the one after. Without a day of the message only whole dates count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from rightsized.apps.triage.fields.calendar_words import (
    BY_LANGUAGE,
    COUNTS,
    EARLIER,
    LATER,
    MONTHS,
    RELATIVE,
    UNITS,
    WEEKDAYS,
)
from rightsized.apps.triage.fields.finding import Found

RANK = 30
WHOLE, NO_YEAR, RELATED, WEEKDAY = 0.98, 0.9, 0.85, 0.65  # confidence: how much of the date was said
FAR = 80  # years from the message's own that a date may lie


def _any(words: dict[str, int]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_WEEKDAY = rf"(?:{_any(WEEKDAYS)})"
_LEAD = rf"(?:(?P<lead>{_WEEKDAY})\.?,? (?:the |den |le |el |dem )?)?"
_END = r"(?![\w])(?![-/.]\d)"
_PATTERNS = tuple(
    re.compile(rf"(?<![\w./-]){pattern}{_END}", re.IGNORECASE)
    for pattern in (
        r"(?P<y>(?:19|20)\d\d)(?P<mark>[-/.])(?P<m>\d{1,2})(?P=mark)(?P<d>\d{1,2})",
        rf"{_LEAD}(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})(?P=mark)(?P<y>(?:19|20)\d\d|\d\d)",
        rf"{_LEAD}(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.|º)?[ -](?:of |de )?(?P<name>{_any(MONTHS)})"
        r"(?![^\W\d_])\.?(?:,? (?:de |del )?(?P<y>(?:19|20)\d\d)(?!\d))?",
        rf"{_LEAD}(?P<name>{_any(MONTHS)})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])"
        r"(?:,? (?P<y>(?:19|20)\d\d)(?!\d))?",
        r"(?P<lead>(?:on|by|since|until|till|from|before|after|the|am|bis|seit|vom|ab|zum|le|du|au|el|del|al|desde) )"
        r"(?P<a>\d{1,2})(?P<mark>[/.])(?P<b>\d{1,2})\.?(?!\d)",
        rf"(?P<lead>{_WEEKDAY})\.?,? (?:the|den|dem|le|el) (?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?(?!\d)",
        r"(?P<lead>(?:on|by|until|till|since|from|before|after|for) the )(?P<d>\d{1,2})(?:st|nd|rd|th)(?! floor)",
    )
)
_RELATIVE = re.compile(rf"(?<![\w])(?P<word>{_any(RELATIVE)})(?![\w])", re.IGNORECASE)
_COUNTED = re.compile(
    rf"(?<!\w)(?:(?:in|within|innerhalb von|dans|en)\s(?P<later>\d{{1,3}}|{_any(COUNTS)})\s(?P<unit>{_any(UNITS)})"
    rf"|(?P<before>\d{{1,3}}|{_any(COUNTS)})\s(?P<ago>{_any(UNITS)})\sago"
    rf"|(?:vor|il y a|hace)\s(?P<past>\d{{1,3}}|{_any(COUNTS)})\s(?P<unit2>{_any(UNITS)}))(?!\w)",
    re.IGNORECASE,
)
_NAMED_DAY = re.compile(
    rf"(?<!\w)(?:(?P<later>{LATER})\s|(?P<earlier>{EARLIER})\s)?(?P<day>{_WEEKDAY})"
    rf"(?:\s(?P<later2>prochain|próximo)|\s(?P<earlier2>dernier|pasado))?(?!\w)(?! (?:the|den|le|el) \d)",
    re.IGNORECASE,
)
_MORNINGS = {"morgen": ("guten ", "am ", "jeden ", "diesem ", "heute ", "gestern "), "mañana": ("la ", "esta ", "de ")}
_SHORT_DAYS = frozenset(["mon", "sun", "sat", "wed", "mar", "mars", "mer"])  # words and names as well


def dates(text: str, sent: float | None, *, day_first: bool = True, language: str = "") -> Iterator[Found]:
    """Every date. `sent`: when the message was, seconds since the epoch; its day is that in UTC."""
    day = datetime.fromtimestamp(sent, UTC).date() if sent else None
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            found = _absolute(match, day, day_first)
            if found is not None:
                when, confidence = found
                end = match.end() - (match[0].endswith(".") and match.groupdict().get("name") is not None)
                yield Found("date", match.start() + _cue(match), end, when.isoformat(), confidence, rank=RANK)
    if day is not None:
        yield from _related(text, day, language)


def _cue(match: re.Match[str]) -> int:
    """Characters of the word before "20/8" that make a date of it and are none of it."""
    lead = match.groupdict().get("lead") or ""
    return len(lead) if lead.endswith(" ") else 0


def _absolute(match: re.Match[str], day: date | None, day_first: bool) -> tuple[date, float] | None:
    said = match.groupdict()
    if said.get("name"):
        month, number = MONTHS[said["name"].lower()], int(said["d"])
    elif said.get("m"):
        month, number = int(said["m"]), int(said["d"])
    elif said.get("a"):
        first, second = int(said["a"]), int(said["b"])
        english = not day_first and said["mark"] == "/"
        month, number = (first, second) if (english or second > 12) and first <= 12 else (second, first)
    else:
        return _in_month(match, day)
    if said.get("y"):
        year = int(said["y"])
        when = _made(year if year > 99 else _century(year), month, number)
        return (when, WHOLE) if when is not None else None
    if day is None:
        return None
    near = [one for year in (-1, 0, 1) if (one := _made(day.year + year, month, number)) is not None]
    return (min(near, key=lambda one: abs(one - day)), NO_YEAR) if near else None


def _in_month(match: re.Match[str], day: date | None) -> tuple[date, float] | None:
    """ "Monday the 7th", "by the 7th": the nearest day of that number, and weekday where one is said."""
    if day is None:
        return None
    number, weekday = int(match["d"]), WEEKDAYS.get(match["lead"].lower())
    days = (day + timedelta(days=offset) for offset in range(-62, 63))
    fitting = [one for one in days if one.day == number and weekday in (None, one.weekday())]
    return (
        (min(fitting, key=lambda one: abs(one - day)), NO_YEAR if weekday is not None else WEEKDAY) if fitting else None
    )


def _related(text: str, day: date, language: str) -> Iterator[Found]:
    for match in _RELATIVE.finditer(text):
        word = match["word"].lower()
        wanted = BY_LANGUAGE.get(word)
        if wanted is not None and language not in ("", wanted):
            continue
        if text[max(0, match.start() - 8) : match.start()].lower().endswith(_MORNINGS.get(word, ("\0",))):
            continue
        when = day + timedelta(days=RELATIVE[word])
        yield Found("date", *match.span(), when.isoformat(), RELATED, rank=RANK)
    for match in _COUNTED.finditer(text):
        said = match.groupdict()
        count = _count(said["later"] or said["before"] or said["past"])
        unit = UNITS[(said["unit"] or said["ago"] or said["unit2"]).lower()]
        when = day + timedelta(days=count * unit * (1 if said["later"] else -1))
        yield Found("date", *match.span(), when.isoformat(), RELATED, rank=RANK)
    for match in _NAMED_DAY.finditer(text):
        word = match["day"].lower()
        earlier = match["earlier"] or match["earlier2"]
        if word in _SHORT_DAYS and not (match["later"] or earlier):
            continue
        ahead = (WEEKDAYS[word] - day.weekday() - 1) % 7 + 1
        when = day + timedelta(days=ahead if not earlier else (ahead - 7 if ahead < 7 else -7))
        yield Found("date", *match.span(), when.isoformat(), WEEKDAY, rank=RANK - 1)


def _count(said: str) -> int:
    return int(said) if said.isdigit() else COUNTS[said.lower()]


def _century(year: int) -> int:
    return 2000 + year if year < 70 else 1900 + year


def _made(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None
