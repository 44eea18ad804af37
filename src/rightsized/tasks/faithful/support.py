"""Whether a passage bears out a sentence that cites it: by its words, numbers, names and direction; no model is asked.

A sentence is borne out by one sentence of the passage, or clause by clause by several, never by words gathered from
all over it: "Anna has 25 days. Bo has 30." does not bear out "Bo has 25 days." Rules cannot prove entailment. They are
made to refuse: what they let pass shares the words and contradicts none of the facts that they know of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from rightsized.parsers import analysis
from rightsized.parsers.sentences import sentences
from rightsized.parsers.stopwords import STOPWORDS
from rightsized.tasks.faithful import facts, polarity

COVERAGE = 0.6  # of the sentence's words that carry meaning, in the source or what stands above it
OWN = 0.3  # of them, in the source itself
LEAST_CLAUSE = 3  # words of meaning that a clause needs to be looked at by itself
LANGUAGE = "en"
_CLAUSES = re.compile(r"\s*[;,]\s*(?:and|but|while|whereas)\s+|\s*;\s*|\s+(?:and|but|while|whereas)\s+", re.IGNORECASE)
_POINTING = re.compile(r"\W*(?:it|they|this|these|that|those|he|she|such|there)\b", re.IGNORECASE)


class Source(NamedTuple):
    """A passage as evidence. `above` is what it stands under: title, headings, names of columns."""

    text: str
    above: str = ""


class Support(NamedTuple):
    """The characters of the passage that bear a sentence out, and the share of its words that stand there."""

    start: int
    end: int
    coverage: float


class Verdict(NamedTuple):
    """`support` is None where nothing bears the sentence out; `why` says then what is wrong with what comes nearest."""

    support: Support | None
    why: str = ""


class _Sentence(NamedTuple):
    """A sentence of the source, and what it is read with: what is above it, and the sentence that it points to."""

    start: int
    end: int
    text: str
    context: str


def judged(claim: str, source: Source, common: frozenset[str] = frozenset()) -> Verdict:
    """Whether a source bears a sentence out, each of its numbers as often as it is said.

    Of "six stoves and 60 cartridges by 20 November", "20 cartridges by 20 November" has its numbers in the source too.

    Args:
        claim: the sentence, without its citations.
        common: words in lower case that are known to be no names, such as those of the question and all passages.
    """
    verdict = _worded(claim, source, common)
    if verdict.support is None:
        return verdict
    held = Counter(one.value for one in facts.numbers(source.text[verdict.support.start : verdict.support.end]))
    held += Counter(one.value for one in facts.numbers(source.above))
    said = Counter(one.value for one in facts.asked_for(facts.numbers(claim)))
    said |= Counter(facts.plain(word) for word in facts.tokens(claim) if word[0].isdigit())  # "2" is never "second"
    over = next(iter(said - held), "")
    return Verdict(None, f"the source does not say {over} there") if over else verdict


def _worded(claim: str, source: Source, common: frozenset[str]) -> Verdict:
    """Whether its words bear a sentence out, whole or clause by clause."""
    read = list(_read(source))
    whole = _best(claim, read, common)
    if whole.support is not None:
        return whole
    parts = clauses(claim)
    found = [_best(part, read, common) for part in parts] if len(parts) > 1 else []
    supports = [one.support for one in found if one.support is not None]
    if not found or len(supports) < len(found):
        return whole
    coverage = min(one.coverage for one in supports)
    return Verdict(Support(min(one.start for one in supports), max(one.end for one in supports), coverage))


def clauses(text: str) -> list[str]:
    """The clauses of a sentence that can be looked at by themselves; the sentence where there are no such."""
    parts = [part for part in _CLAUSES.split(text) if part]
    return parts if all(len(content(part)) >= LEAST_CLAUSE for part in parts) else [text]


def common_words(*texts: str) -> frozenset[str]:
    """Words that stand somewhere in lower case: in front of a sentence, a capital letter makes no name of them."""
    return frozenset(word for text in texts for word in facts.tokens(text) if word.islower())


@lru_cache(maxsize=4096)
def content(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning."""
    return frozenset(_stem(word) for word in facts.tokens(text) if word.lower() not in STOPWORDS and word[0].isalpha())


@lru_cache(maxsize=4096)
def telling(text: str) -> frozenset[str]:
    """The same without what counts and is counted: numbers and units are looked at by themselves."""
    return content(text) - _counting()


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """Empty for no word."""
    return " ".join(analysis.words(word, analysis.stemmed_as(LANGUAGE))) or word.lower()


@cache
def _counting() -> frozenset[str]:
    """Stems of words for numbers and units, but for those that mean something else as often."""
    units = (word for word, unit in facts.UNITS.items() if unit != "person" and not word.startswith("annual"))
    return frozenset(_stem(word) for word in (*facts.COUNTED, *units))


def _read(source: Source) -> Iterator[_Sentence]:
    lead = before = ""
    for start, end in sentences(source.text):
        text = source.text[start:end]
        context = [source.above, lead, before if _POINTING.match(text) else ""]
        yield _Sentence(start, end, text, "\n".join(part for part in context if part))
        lead = text if text.endswith(":") else lead if _listed(text) else ""
        before = text


def _listed(text: str) -> bool:
    """Whether it looks like an item of a list that something introduces."""
    return bool(re.match(r"\W|\(?\w{1,3}[.)]\s", text)) or "\t" in text


def _best(claim: str, read: list[_Sentence], common: frozenset[str]) -> Verdict:
    """The sentence that bears the claim out with most of its words; else the reason against the nearest."""
    nearest, why = -1.0, "the passage says nothing of the kind"
    best: Support | None = None
    for one in read:
        own, whole = _coverage(claim, one)
        wrong = fault(claim, one.text, one.context, common)
        if not wrong and (whole < COVERAGE or own < OWN):
            wrong = f"only {whole:.0%} of its words stand there"
        if not wrong and (best is None or whole > best.coverage):
            best = Support(one.start, one.end, whole)
        if wrong and whole > nearest:
            nearest, why = whole, wrong
    return Verdict(best, "" if best else why)


def _coverage(claim: str, one: _Sentence) -> tuple[float, float]:
    """The share of the claim's words in the sentence itself, and in it with its context."""
    wanted, own = telling(claim) or content(claim), content(one.text)
    if not wanted:
        return 0.0, 0.0
    return len(wanted & own) / len(wanted), len(wanted & (own | content(one.context))) / len(wanted)


def fault(claim: str, said: str, context: str = "", common: frozenset[str] = frozenset()) -> str:
    """What of a claim the source does not say, in words; empty where the rules find nothing.

    Args:
        said: a sentence of the source; `context`: what it is read with.
    """
    checks: tuple[Callable[[], str], ...] = (
        lambda: "the source tells its reader what to say" if polarity.addressed(said) else "",
        lambda: _numbers(claim, said, context),
        lambda: _names(claim, said, context, common),
        lambda: _negation(claim, said),
        lambda: (
            "one states a limit, duty or direction that the other turns round" if polarity.turned(claim, said) else ""
        ),
        lambda: _restriction(claim, said),
        lambda: "two things have changed places" if _swapped(claim, said) else "",
    )
    return next((why for check in checks if (why := check())), "")


def _numbers(claim: str, said: str, context: str) -> str:
    held, above = facts.numbers(said), facts.numbers(context)
    words = {word.lower() for word in facts.tokens(f"{said}\n{context}")}
    units = {facts.UNITS[word] for word in words if word in facts.UNITS}
    for one in facts.asked_for(facts.numbers(claim)):
        same = [other for other in held if other.value == one.value]
        counted = [other for other in same if other.unit] or same
        there = any(
            not one.unit or other.unit == one.unit or (not other.unit and one.unit in units) for other in counted
        )
        if not there and (one.unit or all(other.value != one.value for other in above)):
            return f"the source does not say {' '.join(filter(None, one))}"
    return ""


def _names(claim: str, said: str, context: str, common: frozenset[str]) -> str:
    held = {part for word in facts.tokens(f"{said}\n{context}") for part in _parts(word)}
    wanted, first = facts.names(claim), facts.first_name(claim)
    if first and first not in common:
        wanted = [first, *wanted]
    for name in wanted:
        if not _parts(name) <= held and _stem(name) not in content(f"{said}\n{context}"):
            return f"the source does not name {name!r}"
    return ""


@lru_cache(maxsize=65_536)
def _parts(word: str) -> frozenset[str]:
    plain = re.sub(r"['’]s?$", "", word.lower())
    return frozenset(part for part in re.split(r"[-/&’']", plain) if part)


def _negation(claim: str, said: str) -> str:
    """Every negation of the claim needs one of the source about the same, and the other way round, one for one."""
    ours, theirs = polarity.negations(claim), polarity.negations(said)
    both = {_stem(one.verb) for one in ours if one.verb} & {_stem(one.verb) for one in theirs if one.verb}
    ours, theirs = ([one for one in some if _stem(one.verb) not in both] for some in (ours, theirs))
    left = list(theirs)
    for one in ours:
        found = max(
            (other for other in left if _alike(one, other)), key=lambda other: _shared(one, other), default=None
        )
        if found is None:
            return "the source does not deny it"
        left.remove(found)
    words = content(claim)
    for one in left:
        scope = _stems(one)
        if scope and 2 * len(scope & words) >= len(scope):
            return "the source denies it"
    return ""


def _shared(one: polarity.Negation, other: polarity.Negation) -> int:
    return len(_stems(one) & _stems(other))


def _alike(one: polarity.Negation, other: polarity.Negation) -> bool:
    """Whether two negations are about the same. One that a verb says may be about anything, but for its own denial."""
    if one.double != other.double:
        return False
    first, second = _stems(one), _stems(other)
    return not first or not second or bool(first & second)


def _stems(one: polarity.Negation) -> set[str]:
    return {_stem(word) for word in one.scope}


def _restriction(claim: str, said: str) -> str:
    ours, theirs = polarity.restricted(claim), polarity.restricted(said)
    *exceptions, only = zip(ours, theirs, strict=True)
    if any(a != b for a, b in exceptions) or (only[0] and not only[1]):
        return "an exception or a condition was added or left out"
    return ""


def _swapped(claim: str, said: str) -> bool:
    """Whether two words around a third have changed places, as "the buyer pays the seller" and the other way round."""
    ours, theirs = _order(claim), _order(said)
    shared = [word for word in ours if word in theirs]
    passive = _passive(claim) != _passive(said)
    if passive or len(shared) < LEAST_CLAUSE:
        return False
    for at in range(1, len(shared) - 1):
        before, middle, after = shared[at - 1 : at + 2]
        if theirs[after] < theirs[middle] < theirs[before]:
            return True
    return False


def _order(text: str) -> dict[str, int]:
    """Where each word of meaning stands first."""
    found: dict[str, int] = {}
    for at, word in enumerate(facts.tokens(text)):
        if word.lower() not in STOPWORDS and word[0].isalpha():
            found.setdefault(_stem(word), at)
    return found


def _passive(text: str) -> bool:
    return bool(re.search(r"\b(?:by|from|of)\b", text, re.IGNORECASE))
