"""Names of a list (products, sites, machines) in running text, with a slip of the pen where that is wanted.

Each word of the text is taken for a word of the list where it is one or is one edit away from it (two from nine letters
on; none below five); names are then looked up word by word. One pass, whatever the length of the list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from rightsized.apps.triage.fields.finding import Found

RANK = 20
SHORTEST = 5  # letters of a word that may be written wrongly
MOST_LETTERS = 40  # of a longer one every letter must be right: its variants would fill the memory
LONG = 9  # letters from which two edits are allowed
_WORD = re.compile(r"[^\W_]+")


class NameList:
    """The names of one field. `names`: name -> other ways to write it; or plain names."""

    def __init__(self, field: str, names: Mapping[str, Sequence[str]] | Iterable[str], *, fuzzy: bool = True) -> None:
        self._field = field
        self._names: dict[tuple[str, ...], str] = {}
        for name, others in names.items() if isinstance(names, Mapping) else ((one, ()) for one in names):
            for written in (name, *others):
                words = tuple(_plain(one) for one in _WORD.findall(written))
                if words:
                    self._names[words] = name
        self._longest = max(map(len, self._names), default=0)
        self._words = {word for words in self._names for word in words}
        self._most_letters = min(MOST_LETTERS, max(map(len, self._words), default=0) + 2)
        self._near: dict[str, set[str]] = {}
        if fuzzy:
            for word in filter(lambda one: len(one) <= MOST_LETTERS, self._words):
                for variant in _without_letters(word):
                    self._near.setdefault(variant, set()).add(word)

    def find(self, text: str) -> Iterator[Found]:
        """Every name, the longest first where one begins another."""
        tokens = [(match.start(), match.end(), self._meant(_plain(match[0]))) for match in _WORD.finditer(text)]
        at = 0
        while at < len(tokens):
            for count in range(min(self._longest, len(tokens) - at), 0, -1):
                name = self._names.get(tuple(word for _, _, (word, _) in tokens[at : at + count]))
                if name is not None and _close_together(text, tokens[at : at + count]):
                    edits = sum(wrong for _, _, (_, wrong) in tokens[at : at + count])
                    span = tokens[at][0], tokens[at + count - 1][1]
                    yield Found(self._field, *span, name, max(0.5, 1.0 - 0.15 * edits), "list", RANK)
                    at += count - 1
                    break
            at += 1

    def _meant(self, word: str) -> tuple[str, int]:
        """The word of the list that is meant, and how many edits away it is; the word itself where none is."""
        if word in self._words or not SHORTEST - 1 <= len(word) <= self._most_letters or not self._near:
            return word, 0
        near = {one for variant in _without_letters(word, always=True) for one in self._near.get(variant, ())}
        found = [(edits, one) for one in near if one[0] == word[0] and (edits := _edits(word, one)) <= _allowed(one)]
        edits, best = min(found, default=(0, word))
        return best, edits


def _plain(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def _allowed(word: str) -> int:
    return 0 if len(word) < SHORTEST else 1 if len(word) < LONG else 2


def _without_letters(word: str, *, always: bool = False) -> set[str]:
    """The word, and what is left of it when as many letters are taken out as it may be wrong by."""
    most = max(1, _allowed(word)) if always else _allowed(word)
    found = {word}
    for _ in range(most):
        found |= {one[:at] + one[at + 1 :] for one in found for at in range(len(one))}
    return found


def _edits(a: str, b: str) -> int:
    """Letters put in, left out, changed, or swapped with their neighbour (Damerau 1964, optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        following = [i]
        for j, other in enumerate(b, 1):
            cost = min(row[j] + 1, following[j - 1] + 1, row[j - 1] + (one != other))
            if i > 1 and j > 1 and one == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            following.append(cost)
        before, row = row, following
    return row[-1]


def _close_together(text: str, tokens: list[tuple[int, int, tuple[str, int]]]) -> bool:
    """Whether nothing but blanks and hyphens stands between the words."""
    return all(text[a[1] : b[0]].strip(" -\u00a0/'’") == "" for a, b in pairwise(tokens))
