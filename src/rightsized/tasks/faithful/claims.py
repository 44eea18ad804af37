"""What a model wrote, as sentences with the numbers of the passages that each cites. Nothing is believed here."""

from __future__ import annotations

import re
from typing import NamedTuple

from rightsized.parsers.sentences import sentences

NOT_FOUND = "NOT FOUND"  # what the model is asked to write where the passages do not answer
_INSIDE = r"(?:passages?|sources?)?\s*#?\d{1,3}(?:\s*(?:,|;|and|&|-|–)\s*#?\d{1,3})*\s*"
_GROUP = rf"(?:[\[【]\s*{_INSIDE}[\]】]|\(\s*(?:see )?(?:passages?|sources?)\s*{_INSIDE}\))"  # "(30)" is of the text
_CITED = re.compile(_GROUP, re.IGNORECASE)
_LEADING = re.compile(rf"^(?:\s*(?:{_GROUP}))+\s*[.,;:]?\s*", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,3})\s*[-–]\s*#?(\d{1,3})")
_NOT_FOUND = re.compile(r"\W*not[ _-]?found\W*", re.IGNORECASE)
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
MOST_RANGE = 10  # passages that one "[2-5]" may stand for
MOST_CLAIMS = 12  # sentences of an answer that are looked at; what follows is not shown


class Claim(NamedTuple):
    """A sentence without its citations, and the numbers cited, as written: they may be of no passage at all."""

    text: str
    cited: tuple[int, ...]


def claims(written: str) -> list[Claim]:
    """The sentences of an answer; none where it says that nothing was found.

    A citation in front of a sentence belongs to the one before it where that has none ("It is 25 days. [1] ...").

    >>> claims("Leave is 25 days [1]. Five go on to April. [2, 3]")
    [Claim(text='Leave is 25 days.', cited=(1,)), Claim(text='Five go on to April.', cited=(2, 3))]
    >>> claims("NOT FOUND.")
    []
    """
    text = _THOUGHT.sub(" ", written).strip()
    if not text or _NOT_FOUND.fullmatch(_marks_removed(text)):
        return []
    found: list[Claim] = []
    for start, end in sentences(text):
        _take(text[start:end], found)
    return [one for one in found if one.text][:MOST_CLAIMS]


def _take(sentence: str, found: list[Claim]) -> None:
    leading = _LEADING.match(sentence)
    if leading and found and not found[-1].cited:
        found[-1] = found[-1]._replace(cited=_numbers(leading[0]))
        sentence = sentence[leading.end() :]
    text = _LIST_MARK.sub("", _marks_removed(sentence)).strip()
    if any(character.isalnum() for character in text):
        found.append(Claim(text, _numbers(sentence)))


def _marks_removed(text: str) -> str:
    return " ".join(re.sub(r"\s+([.,;:!?])", r"\1", _CITED.sub("", text)).replace("**", "").split())


def _numbers(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for mark in _CITED.findall(text):
        for low, high in _RANGE.findall(mark):
            found += range(int(low), min(int(high), int(low) + MOST_RANGE) + 1)
        found += [int(number) for number in re.findall(r"\d{1,3}", mark)]
    return tuple(dict.fromkeys(found))
