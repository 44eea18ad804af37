"""Turns the names in a question into a filter: a contract, policy or party that is named is the one that is meant.

It reads what the asker may see and nothing else, so that a hidden document can neither scope nor be told by a name.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query import names, syntax
from rightsized.apps.search.query.clauses import Phrase, Terms
from rightsized.apps.search.query.filtering import NAMED
from rightsized.apps.search.query.naming import Mention, NameIndex
from rightsized.apps.search.query.results import Scope
from rightsized.apps.search.query.vocabulary import LEGAL_FORMS
from rightsized.apps.search.types import Filters
from rightsized.core.errors import NotFoundError
from rightsized.parsers.stopwords import STOPWORDS

KEPT = 16  # name indexes of askers who see different things; about 1 kB a document each
LONGEST_PLAIN = 6  # words of a name that is written without a capital letter
COUNTED = 200  # passages of a word that are looked at: whose they are, not how many there are


_ASIDE = "\x00"  # stands for a word that is not asked for, and is no part of a name
_GONE = "\x00"  # stands for a name that was taken out
_CALLED = re.compile(rf"{_GONE}[\s.,;]*\([^()]*[\"“”„{_GONE}][^()]*\)")  # Acme Ltd. ("Supplier")
_EMPTY = re.compile(rf"[(\"“”„][\s.,;{_GONE}]*{_GONE}[\s.,;{_GONE}]*[)\"“”„]")
_TIED = re.compile(
    rf"(?:(?:\b(?:between|among|with|and|by|of|for|from|under|in|the|as)\b|[.,;:&(/-])\s*)*{_GONE}[\s.,;:&{_GONE}-]*"
    r"(?:\band\b\s*)?",
    re.IGNORECASE,
)


class Scoped(NamedTuple):
    """`question` is what was asked without the names, or all of it where nothing else is left."""

    scope: Scope
    question: str


class _Indexes:
    """The name indexes made last, by what the asker sees."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, NameIndex] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, view: View) -> NameIndex:
        state = view.state
        with self._lock:
            found = self._made.get(state) if state else None
        found = found or NameIndex(view.documents(Filters()))
        with self._lock:
            self._made[state] = found
            self._made.move_to_end(state)
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return found


_indexes = _Indexes()


def names_of(view: View) -> NameIndex:
    """The names of the documents that a view shows; made once for each state of what is visible."""
    return _indexes.of(view)


class _Used:
    """Implements `naming.Usage` by asking the lexical index."""

    def __init__(self, view: View) -> None:
        self._view = view

    def known(self, word: str) -> bool:
        return self._view.knows(word)

    def share(self, words: str, documents: Sequence[str]) -> float:
        clause = Phrase(words) if " " in words else Terms(words)
        whole = len(self._view.lexical(clause, Filters(), COUNTED).rows)
        own = len(self._view.lexical(clause, Filters(documents=tuple(documents)), COUNTED).rows)
        return own / whole if whole else 1.0


def scoped(view: View, question: str, filters: Filters) -> Scoped:
    """Find what the question names. Where filters name documents already, nothing is scoped.

    The names are read against all that is visible; only documents that pass the filters become a scope.
    """
    unscoped = Scoped(Scope(), question)
    if filters.documents:
        return unscoped
    index = names_of(view)
    spans = names.spans(question)
    aside = syntax.asides(question, NAMED)
    asked = [_ASIDE if any(first <= start < last for first, last in aside) else word for word, start, _ in spans]
    mentions = index.mentions(asked, _Used(view))
    mentions = [one for one in mentions if not _prose(question[spans[one.first][1] : spans[one.last - 1][2]])]
    meant = set(index.meant(mentions))
    used = [one for one in mentions if meant & one.documents]
    visible = _still_visible(view, [index.documents[at].id for at in sorted(meant)], filters)
    if not visible:
        return unscoped
    texts = tuple(dict.fromkeys(question[spans[one.first][1] : spans[one.last - 1][2]] for one in used))
    scope = Scope(tuple(one for one, _ in visible), tuple(title for _, title in visible), texts)
    return Scoped(scope, _without(question, spans, used))


def _prose(text: str) -> bool:
    """Whether a name reads like part of a sentence: titles of papers do. Such a title ranks first and is no filter."""
    return len(text.split()) > LONGEST_PLAIN and text == text.lower()


def _still_visible(view: View, documents: Sequence[str], filters: Filters) -> list[tuple[str, str]]:
    """Id and title of those that are there for this asker at this moment, and pass."""
    found = []
    passing = {one.id for one in view.documents(filters)} if filters != Filters() and documents else set(documents)
    for one in documents:
        try:
            found.append((one, view.document(one).title))
        except NotFoundError:
            continue
    return [pair for pair in found if pair[0] in passing]


def _without(question: str, spans: Sequence[tuple[str, int, int]], used: Sequence[Mention]) -> str:
    """The question without its names, what they are called for short, and the words that tie them in."""
    kept, at = [], 0
    for one in used:
        kept += [question[at : spans[one.first][1]], _GONE]
        at = spans[one.last - 1][2]
    rest = "".join([*kept, question[at:]])
    for pattern in (_CALLED, _CALLED, _EMPTY, _TIED):
        rest = pattern.sub(f" {_GONE} ", rest)
    rest = " ".join(rest.replace(_GONE, " ").split())
    left = [word for word in names.words(rest) if word not in LEGAL_FORMS | STOPWORDS]
    return rest if left else question
