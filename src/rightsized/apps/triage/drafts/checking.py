"""What of a draft a person has to check: numbers, names and promises that its sources do not bear out.

A doubtful stretch is marked in the text itself, so that a draft that is copied as it stands shows what was not checked.
Rules over English words (`tasks/faithful`): what they do not know, they do not find.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from rightsized.core.frozen import Frozen
from rightsized.parsers.sentences import sentences
from rightsized.tasks.faithful import facts
from rightsized.tasks.faithful.support import Source, common_words, judged

CheckKind = Literal["number", "name", "promise"]
OPEN, CLOSE = "[check: ", "]"
_WORD = re.compile(r"[^\W_](?:[^\W_]|[.,:&@/_'’-](?=[^\W_]))*(?:\s?[%€$£])?|[€$£]\s?\d[\d.,]*")
_PROMISE = re.compile(
    r"\b(?:(?:we|i|they)\s+(?:will|shall|have|can|are\s+going\s+to|am\s+going\s+to|guarantee|promise)"
    r"|(?:we|i|they|you|it)['’](?:ll|ve)|you\s+(?:will|shall|can|are\s+entitled)|(?:it|this|that|which)\s+will"
    r"|will\s+be|has\s+been|have\s+been|guaranteed?|refund\w*|replace\w*|compensat\w+|reimburs\w+|discount\w*|waive\w*"
    r"|voucher\w*|free\s+of\s+charge|at\s+no\s+cost|today|tomorrow|tonight)\b",
    re.IGNORECASE,
)
_COMMITS = re.compile(
    r"\b(?:we|i|they|you)(?:\s+(?:will|shall|guarantee|promise|(?:are|am)\s+going\s+to)|['’]ll)\b", re.IGNORECASE
)  # to somebody: a policy states a rule and its conditions, and promises nobody in particular anything
_FORMULAE = "dear hello hi thanks thank kind best warm many sincerely yours regards sorry please"
_OPENERS = frozenset(_FORMULAE.split())


class Check(Frozen, frozen=True):
    """A stretch of a draft that a person has to check: `text[start:end]` of the draft, its mark included."""

    kind: CheckKind
    text: str
    start: int
    end: int
    why: str


class _Doubt(NamedTuple):
    start: int
    end: int
    kind: CheckKind
    why: str


def checked(text: str, evidence: Sequence[Source], examples: Sequence[str] = ()) -> tuple[str, tuple[Check, ...]]:
    """The text with its doubtful stretches marked, and what they are.

    Args:
        evidence: what bears a draft out: the messages of the thread, passages of policies.
        examples: earlier answers to other people. They bear nothing out; that something stands in one is said.
    """
    common = common_words(text, *(one.text for one in evidence), *examples)
    doubts = list[_Doubt]()
    for start, end in sentences(text):
        doubts += _of_sentence(text[start:end], start, evidence, examples, common)
    return _marked(text, _merged(doubts))


def _of_sentence(
    said: str, offset: int, evidence: Sequence[Source], examples: Sequence[str], common: frozenset[str]
) -> list[_Doubt]:
    """The doubts of one sentence; what promises something is one as a whole."""
    if _COMMITS.search(said):
        return [_Doubt(offset, offset + len(said), "promise", "it promises something")]
    if _PROMISE.search(said) and not any(judged(said, one, common).support for one in evidence):
        return [_Doubt(offset, offset + len(said), "promise", "no message and no policy bears it out")]
    found = [_Doubt(offset + start, offset + end, "number", _why(word, examples))
             for start, end, word in _numbers(said, evidence)]  # fmt: skip
    held = {word.lower() for one in evidence for word in _words(f"{one.text}\n{one.above}")}
    for match in _WORD.finditer(said):
        word = match[0]
        if _is_name(word, said, match.start(), common) and not _words_of(word) <= held:
            found.append(_Doubt(offset + match.start(), offset + match.end(), "name", _why(word, examples)))
    return found


def _numbers(said: str, evidence: Sequence[Source]) -> list[tuple[int, int, str]]:
    """Numbers that no source has with the same unit, as places in the sentence; the whole of it where none is found."""
    held = [number for one in evidence for number in facts.numbers(f"{one.text}\n{one.above}")]
    wrong = [
        one for one in facts.asked_for(facts.numbers(said))
        if not any(one.value == other.value and (not one.unit or one.unit == other.unit) for other in held)
    ]  # fmt: skip
    found = list[tuple[int, int, str]]()
    for one in wrong:
        places = [
            (match.start(), match.end(), match[0])
            for match in _WORD.finditer(said)
            if any(other.value == one.value for other in facts.numbers(match[0]))
        ]
        found += places or [(0, len(said), said)]
    return found


def _is_name(word: str, said: str, at: int, common: frozenset[str]) -> bool:
    """Whether a word names something: as `facts.names`, and the first word where it is known as nothing else."""
    lower = word.lower()
    if not said[:at].strip():
        first = facts.first_name(word)
        return bool(facts.names(word)) or (bool(first) and lower not in common and lower not in _OPENERS)
    return word.lower() not in _OPENERS and bool(facts.names(f"x {word}"))


def _why(word: str, examples: Sequence[str]) -> str:
    """A reason in words; what an earlier answer said to somebody else is a likely mix-up."""
    if any(word.lower() in one.lower() for one in examples):
        return "it stands only in an earlier answer to somebody else"
    return "no message and no policy says it"


def _words(text: str) -> list[str]:
    return [part for word in facts.tokens(text) for part in (word, *_words_of(word))]


def _words_of(word: str) -> set[str]:
    plain = re.sub(r"['’]s?$", "", word.lower())
    return {part for part in re.split(r"[’'&]", plain) if part}


def _merged(doubts: Sequence[_Doubt]) -> list[_Doubt]:
    """In order, the longer of two that overlap."""
    found = list[_Doubt]()
    for one in sorted(doubts, key=lambda doubt: (doubt.start, -doubt.end)):
        if not found or one.start >= found[-1].end:
            found.append(one)
    return found


def _marked(text: str, doubts: Sequence[_Doubt]) -> tuple[str, tuple[Check, ...]]:
    parts, checks, at, length = list[str](), list[Check](), 0, 0
    for one in doubts:
        before, inside = text[at : one.start], f"{OPEN}{text[one.start : one.end]}{CLOSE}"
        start = length + len(before)
        checks.append(Check(one.kind, text[one.start : one.end], start, start + len(inside), one.why))
        parts += [before, inside]
        at, length = one.end, start + len(inside)
    return "".join([*parts, text[at:]]), tuple(checks)
