"""Which way a sentence points: what it negates, which limits and duties it states, what it excepts.

Two sentences of the same words may say opposite things; these rules tell some of those apart. Mostly English.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rightsized.parsers.stopwords import STOPWORDS

_NEGATIVE = """
not no never none nobody nothing neither nor without cannot nicht kein keine keinen keiner nie ohne niet geen pas jamais
sans nunca
"""
_NEGATORS = frozenset(_NEGATIVE.split())
_CUTS = frozenset([*".,;:()!?–—", "but", "however", "unless", "except"])
_NO_NEGATION = re.compile(
    r"\b(?:no|not) (?:more|less|fewer|later|earlier) than\b|\b(?:not|never) exceed\w*|\bnot only\b"
    r"|\bbut not limited to\b|\bwithout prejudice\b",
    re.IGNORECASE,
)
_DENIALS = re.compile(
    r"\b(?:prohibit\w*|forbid\w*|forbad\w*|refus\w*|den(?:y|ies|ied)|exclud\w*|lapses?|forfeit\w*|lose[sd]?|void)\b",
    re.IGNORECASE,
)
_SCOPE = 6  # words after a negation that it is about
_OPPOSITES = (
    (r"no more than|not more than|at most|up to|not exceed\w*|maxim\w*|or less|or fewer|less than|fewer than|below",
     r"no less than|not less than|at least|minim\w*|or more|more than|exceed\w*|above"),
    (r"before|prior to|no later than|not later than", r"after|following|no earlier than|not earlier than"),
    (r"must|required|requires?|mandatory|obliged|have to|has to|compulsory",
     r"may|can|could|optional|voluntary|voluntarily|permitted|allowed|free to"),
    (r"increas\w*|ris(?:e|es|ing)|rais\w*|higher|more expensive", r"decreas\w*|fall\w*|reduc\w*|lower\w*|cheaper"),
    (r"includ\w*", r"exclud\w*"),
    (r"every|all|always|each", r"some|sometimes"),
    (r"paid|with pay", r"unpaid|without pay"),
    (r"approv\w*|accept\w*|allow\w*|grant\w*|permit\w*", r"reject\w*|refus\w*|den(?:y|ies|ied)|forbid\w*|prohibit\w*"),
)  # fmt: skip
_POLES = tuple((re.compile(rf"\b(?:{a})\b", re.I), re.compile(rf"\b(?:{b})\b", re.I)) for a, b in _OPPOSITES)
_RESTRICTIONS = tuple(
    re.compile(rf"\b(?:{one})\b", re.IGNORECASE)
    for one in ("except|excluding|excepted|apart from|other than", "unless|provided that", "only|solely")
)
_ADDRESSED = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|previous|above|prior|rule)"
    r"|\b(?:say|answer|reply|respond|output|write|print|repeat|tell (?:the )?(?:user|asker|reader|them))\b.{0,30}[:\"“]"
    r"|\byou (?:are|must|should|will) (?:now )?(?:an? )?(?:assistant|model|ai|answer|say|reply|respond|cite)"
    r"|\b(?:send|forward|upload|reveal|print) (?:all|every|the|your) (?:passages?|instructions?|prompts?|context)\b"
    r"|\b(?:system prompt|as an ai|language model|assistant should|when asked)\b",
    re.IGNORECASE,
)


class Negation(NamedTuple):
    """Words (lower case) that a negation is about; none where it is said by a verb, such as "prohibited": `verb`.

    `double`: it denies such a verb, as "not prohibited".
    """

    scope: tuple[str, ...]
    double: bool = False
    verb: str = ""


def negations(text: str) -> list[Negation]:
    """Every negation with what it is about, up to the next punctuation."""
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*|[.,;:()!?–—]", _NO_NEGATION.sub(" ", text).lower())
    found = [Negation((), verb=match[0].lower()) for match in _DENIALS.finditer(text)]
    for at, word in enumerate(words):
        if word in _NEGATORS or word.endswith(("n't", "n’t")):
            scope: list[str] = []
            for after in words[at + 1 :]:
                if after in _CUTS or after in _NEGATORS or len(scope) == _SCOPE:
                    break
                if after not in STOPWORDS:
                    scope.append(after)
            found.append(Negation(tuple(scope), bool(_DENIALS.search(" ".join(scope[:2])))))
    return found


def turned(said: str, held: str) -> bool:
    """Whether one says "at most", "before", "must", "paid" or the like where the other says the opposite.

    Of the whole sentence where each holds one side alone, else of the same word that both sides are said of.
    """
    denied = any(one.scope for text in (said, held) for one in negations(text))
    for poles in _POLES[:-1] if denied else _POLES:  # "not allowed" and "prohibited" are no opposites
        ours, theirs = _sides(poles, said), _sides(poles, held)
        if ours and theirs and not ours & theirs:
            return True
        of_ours, of_theirs = _bound(poles, said), _bound(poles, held)
        if any(of_theirs.get(word, side) != side for word, side in of_ours.items()):
            return True
    return False


def _bound(poles: tuple[re.Pattern[str], re.Pattern[str]], text: str) -> dict[str, int]:
    """Which side is said of which word: the next that means something. Words of which both are said are left out."""
    found: dict[str, set[int]] = {}
    first, second = poles
    for side, matches in ((0, first.finditer(text)), (1, second.finditer(first.sub(_blank, text)))):
        for match in matches:
            words = (word for word in re.findall(r"[^\W_]+", text[match.end() :].lower()) if word not in STOPWORDS)
            found.setdefault(next(words, ""), set()).add(side)
    return {word: sides.pop() for word, sides in found.items() if word and len(sides) == 1}


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _sides(poles: tuple[re.Pattern[str], re.Pattern[str]], text: str) -> set[int]:
    first, second = poles
    found = {0} if first.search(text) else set()
    return found | ({1} if second.search(first.sub(_blank, text)) else set())


def restricted(text: str) -> list[bool]:
    """Whether it says "except", "unless", "only" or the like, one a kind."""
    return [bool(kind.search(text)) for kind in _RESTRICTIONS]


def addressed(text: str) -> bool:
    """Whether it tells a reader or a model what to say. One sign among others: such texts cannot be told for sure."""
    return bool(_ADDRESSED.search(text))
