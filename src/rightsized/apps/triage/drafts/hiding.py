"""Takes out of an earlier answer what belongs to the person it went to, before a model reads it for its tone.

What the detector of personal data finds, who took part in that thread, words with a digit, and words that name
something. Rules and a small tagger: a fact told in plain words ("your operation") stays. Where the detector fails,
the answer is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from rightsized.apps.triage.drafts.records import Example
from rightsized.core.errors import RightsizedError
from rightsized.core.pii import Detector
from rightsized.parsers.sentences import sentences
from rightsized.parsers.stopwords import STOPWORDS
from rightsized.tasks.faithful import facts

FILL_IN = "[to be filled in]"  # what the model is told to write for a fact that it lacks
_WORD = re.compile(r"[^\W_](?:[^\W_]|[.,:&@/_'’+-](?=[^\W_]))*")
_RUN = re.compile(rf"{re.escape(FILL_IN)}(?:[\s,]*{re.escape(FILL_IN)})+")
Place = tuple[int, int]


def without_people(examples: Sequence[Example], detector: Detector) -> list[Example]:
    """The answers with everything hidden that may say whom they are about; those that cannot be read are left out."""
    found = list[Example]()
    for one in examples:
        try:
            findings = detector.detect(one.text)
        except RightsizedError:
            continue
        if findings.complete:
            places = [(hit.start, hit.end) for hit in findings.found]
            found.append(replace(one, text=_hidden(one, places)))
    return found


def _hidden(one: Example, places: list[Place]) -> str:
    people = {word.lower() for said in one.people for word in re.findall(r"[^\W_]{2,}", said)} - STOPWORDS
    places += [(m.start(), m.end()) for m in _WORD.finditer(one.text) if _tells(m[0], people)]
    places += _names(one.text)
    text, at = "", 0
    for start, end in sorted(places):
        if start >= at:
            text += one.text[at:start] + FILL_IN
        at = max(at, end)
    return _RUN.sub(FILL_IN, text + one.text[at:])


def _tells(word: str, people: set[str]) -> bool:
    """Whether a word has a digit, is an address, or is of somebody's name."""
    parts = re.findall(r"[^\W_]+", word.lower())
    return any(c.isdigit() for c in word) or "@" in word or any(part in people for part in parts)


def _names(text: str) -> Iterator[Place]:
    """Words that name something, as capitals show; the first word of a sentence shows nothing."""
    for start, end in sentences(text):
        for match in list(_WORD.finditer(text, start, end))[1:]:
            if facts.names(f"x {match[0]}"):
                yield match.start(), match.end()
