"""Corrects words that no visible passage has, by words that one has. What is hidden corrects nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.clauses import And, Clause, Not, Or, Phrase, Terms
from rightsized.apps.search.query.results import Correction
from rightsized.parsers.stopwords import STOPWORDS

SHORTEST = 4  # letters; shorter words have too many neighbours
LONG = 8  # letters from which two may be wrong
MOST_CHECKED = 12  # words of one question
MOST_TERMS = 5_000  # of one beginning
_WORD = re.compile(r"[^\W\d_]+")


def corrected(view: View, words: str) -> tuple[Correction, ...]:
    """The words of a question that no visible passage has, each with the likeliest one that some has."""
    found = []
    for word in list(dict.fromkeys(_WORD.findall(words)))[:MOST_CHECKED]:
        if len(word) < SHORTEST or word.lower() in STOPWORDS:
            continue
        if not view.knows(word):
            meant = _likeliest(view, word.lower())
            if meant:
                found.append(Correction(word, meant))
    return tuple(found)


def replaced(clause: Clause, corrections: Sequence[Correction]) -> Clause:
    """The clause with the corrected words in the place of those that match nothing."""
    meant = {one.word: one.meant for one in corrections}
    if isinstance(clause, Terms):
        return Terms(rewritten(clause.text, meant), clause.fuzzy)
    if isinstance(clause, Phrase):
        return Phrase(rewritten(clause.text, meant), clause.slop)
    if isinstance(clause, Not):
        return Not(replaced(clause.part, corrections))
    parts = tuple(replaced(part, corrections) for part in clause.parts)
    return And(parts) if isinstance(clause, And) else Or(parts)


def rewritten(text: str, meant: Mapping[str, str]) -> str:
    """The text with words replaced."""
    return _WORD.sub(lambda match: meant.get(match[0], match[0]), text)


def distance(a: str, b: str, most: int) -> int:
    """Letters to insert, delete, replace or exchange with their neighbour; `most + 1` where it is more.

    >>> distance("termnation", "termination", 2), distance("abc", "acb", 2), distance("abc", "xyz", 2)
    (1, 1, 3)
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before, row = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, other in enumerate(b, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _likeliest(view: View, word: str) -> str:
    """The nearest word, of those equally near the most frequent; empty where none is near."""
    most = 2 if len(word) >= LONG else 1
    beginnings = dict.fromkeys((word[:2], word[1:3], word[1] + word[0]))
    known = {term: count for start in beginnings for term, count in view.terms(start, MOST_TERMS)}
    near = [(distance(word, term, most), -count, term) for term, count in known.items() if not term.isdigit()]
    best = min(near, default=(most + 1, 0, ""))
    return best[2] if best[0] <= most else ""
