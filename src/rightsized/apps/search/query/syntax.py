"""Reads what was typed: words, "phrases", AND, OR, NOT, -word, (groups), field:value, after:2024, 2023..2024.

It never fails. What cannot be read as syntax is taken as words, and a note says so. Operators are upper case; in upper
case surroundings they are words, as in the titles of contracts. So is what stands in parentheses without an
operator, quotes included: `Acme Ltd. ("Supplier")`. Plain words rank and need not all match; what is quoted, joined by
an operator or ruled out with `-` must hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from rightsized.apps.search.query import dates
from rightsized.apps.search.query.clauses import And, Clause, Not, Or, Phrase, Terms

MOST_CHARACTERS = 4_000  # of a question; the rest is left out
DEEPEST = 20  # parentheses in parentheses; where there are more, none means anything
SENTENCE = 12  # words outside quotes from which a question is prose: what it quotes ranks and need not be there
_QUOTES = str.maketrans("“”„‟«»", '""""""')
_TOKEN = re.compile(
    r'(?P<not>[-−](?=[\w"(])|(?<=\s)-(?=[\w"(]))?'
    r'(?:(?P<field>[A-Za-z][A-Za-z_-]{0,30}):(?:"(?P<quoted>[^"]*)"|(?P<value>[^\s()":]+))'
    r'|"(?P<phrase>[^"]*)"'
    r"|(?P<bracket>[()])"
    r'|(?P<word>[^\s()"]+)'
    r'|(?P<odd>"))'
)
_WORD = re.compile(r"[^\W_]")
_UNPAIRED = "A parenthesis without its partner was left out."
_OPERATORS = ("AND", "OR", "NOT")
_RANGE = re.compile(r"([\d./-]*\d)?\.\.(\d[\d./-]*)?")


class Field(NamedTuple):
    """`name:value` as typed; `excluded` with a minus before it."""

    name: str
    value: str
    excluded: bool


class Asked(NamedTuple):
    """A question as read.

    `clause` is what the lexical index is asked, None where there are no words; `words` all words that are wanted, for
    embedding and highlights; `strict` whether something must hold that meaning alone cannot tell; `fields` and `bounds`
    of dates are for filters.
    """

    clause: Clause | None
    words: str
    strict: bool
    fields: tuple[Field, ...] = ()
    bounds: dates.Bounds = dates.Bounds()
    notes: tuple[str, ...] = ()


class _Token(NamedTuple):
    kind: str  # word, phrase, AND, OR, NOT, (, )
    text: str = ""


def parse(question: str, fields: Sequence[str] = ()) -> Asked:
    """Read a question; `fields` are the names that mean a field (lower case)."""
    notes: list[str] = []
    if len(question) > MOST_CHARACTERS:
        notes.append(f"Only the first {MOST_CHARACTERS} characters of the question were read.")
    text = question[:MOST_CHARACTERS].translate(_QUOTES)
    if text.count('"') % 2:
        at = text.rindex('"')
        text = text[:at] + " " + text[at + 1 :]
        notes.append("A quotation mark without its partner was left out.")
    tokens, found, bounds = _tokens(text, frozenset(fields), notes)
    parser = _Parser(_paired(tokens, notes), notes)
    clause = parser.whole()
    words = " ".join(parser.words)
    return Asked(clause, words, parser.strict, tuple(found), bounds, tuple(dict.fromkeys(notes)))


def words_only(question: str) -> Asked:
    """The question as words and nothing else."""
    text = question[:MOST_CHARACTERS]
    return Asked(Terms(text) if _WORD.search(text) else None, text, False)


def asides(question: str, fields: Sequence[str]) -> list[tuple[int, int]]:
    """The (start, end) of what is no part of what is asked for: fields, dates, and what is ruled out."""
    found, ruled_out = [], False
    for match in _TOKEN.finditer(question[:MOST_CHARACTERS].translate(_QUOTES)):
        named = (match["field"] or "").lower() in (*fields, *dates.NAMES)
        if named or match["not"] or ruled_out:
            found.append(match.span())
        ruled_out = match[0] == "NOT"
    return found


def _tokens(text: str, fields: frozenset[str], notes: list[str]) -> tuple[list[_Token], list[Field], dates.Bounds]:
    shouted = not any(c.islower() for c in text) and len(text.split()) > 4
    tokens: list[_Token] = []
    found: list[Field] = []
    bounds = dates.Bounds()
    for match in _TOKEN.finditer(text):
        held = _dated(match, notes)
        name, value = (match["field"] or "").lower(), (match["quoted"] or match["value"] or "").strip()
        if held is not None:
            bounds = bounds.within(*held)
        elif value and name in fields:
            found.append(Field(name, value, bool(match["not"])))
        else:
            begins = match.start() == 0 or text[match.start() - 1].isspace() or text[match.start() - 1] in '("'
            tokens += [_Token("NOT")] if match["not"] and begins else []
            tokens += _read(match, shouted)
    if any(c.islower() for c in text):
        tokens = [_title(tokens, at) for at in range(len(tokens))]
    return tokens, found, bounds


def _dated(match: re.Match[str], notes: list[str]) -> dates.Bounds | None:
    """The bounds that a date field or a range of dates means; None where it is none."""
    name, value = (match["field"] or "").lower(), (match["quoted"] or match["value"] or "").strip()
    if name in dates.NAMES and not match["not"]:
        found = dates.bounds(name, value)
        if found is None:
            notes.append(f"{name}:{value} is no date, so it was taken as words; write 2024, 2024-05 or 2024-05-31.")
        return found
    pair = _RANGE.fullmatch(match["word"] or "")
    return dates.between(pair[1] or "", pair[2] or "") if pair else None


def _title(tokens: Sequence[_Token], at: int) -> _Token:
    """An operator between words in capitals is a word of a title."""
    token = tokens[at]
    if token.kind not in _OPERATORS or not 0 < at < len(tokens) - 1:
        return token
    beside = tokens[at - 1], tokens[at + 1]
    if all(one.kind == "word" and one.text.isupper() and len(one.text) > 1 for one in beside):
        return _Token("word", token.text)
    return token


def _paired(tokens: Sequence[_Token], notes: list[str]) -> list[_Token]:
    """Tokens without parentheses that have no partner, and without those that hold no operator and are not ruled out:
    what is quoted in these becomes words.
    """
    kept: list[_Token] = []
    opened: list[int] = []
    for token in tokens:
        if token.kind == "(":
            opened.append(len(kept))
        elif token.kind == ")" and not opened:
            notes.append(_UNPAIRED)
            continue
        elif token.kind == ")":
            at = opened.pop()
            inside = kept[at + 1 :]
            ruled_out = at > 0 and kept[at - 1].kind == "NOT"
            if not ruled_out and all(one.kind in ("word", "phrase") for one in inside):
                kept[at:] = [_Token("word", word) for one in inside for word in one.text.split()]
                continue
        kept.append(token)
    if opened:
        notes.append(_UNPAIRED)
    kept = [token for at, token in enumerate(kept) if at not in opened]
    if _depth(kept) > DEEPEST:
        notes.append(f"Parentheses are more than {DEEPEST} deep, so they were left out.")
        return [token for token in kept if token.kind not in "()"]
    return kept


def _depth(tokens: Sequence[_Token]) -> int:
    steps = [{"(": 1, ")": -1}.get(token.kind, 0) for token in tokens]
    return max(accumulate(steps), default=0)


def _read(match: re.Match[str], shouted: bool) -> list[_Token]:
    if match["bracket"]:
        return [_Token(match["bracket"])]
    if match["phrase"] is not None:
        return [_Token("phrase", match["phrase"])] if _WORD.search(match["phrase"]) else []
    word = match["word"] or (match[0] if match["field"] else "")
    if word in _OPERATORS and not shouted:
        return [_Token(word, word)]
    return [_Token("word", word)] if _WORD.search(word) else []


class _Parser:
    """Recursive descent that repairs what it cannot read."""

    def __init__(self, tokens: list[_Token], notes: list[str]) -> None:
        self._tokens, self._notes, self._at = tokens, notes, 0
        self.words: list[str] = []
        self.strict = False
        self._ruled_out = 0
        self._emphasised: list[Phrase] = []
        self._prose = sum(token.kind == "word" for token in tokens) >= SENTENCE

    def whole(self) -> Clause | None:
        """The question; phrases of prose add to the score of what holds them."""
        one = self._either(0)
        if one is None or not self._emphasised:
            return one
        self._notes.append("In a long question, quoted words rank higher and need not be there.")
        return Or((And((one, Or(tuple(self._emphasised)))), one))

    def _peek(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _either(self, depth: int) -> Clause | None:
        """Parts joined by OR."""
        parts = [self._every(depth)]
        while self._peek() == "OR":
            self._at += 1
            parts.append(self._every(depth))
        held = [part for part in parts if part is not None]
        if len(held) < len(parts):
            self._notes.append("An OR that joins nothing was left out.") if len(parts) > 1 else None
        if len(held) > 1:
            self.strict = True
            return Or(tuple(_alone(part) for part in held))
        return held[0] if held else None

    def _every(self, depth: int) -> Clause | None:
        """Parts side by side, or joined by AND, up to OR or a closing parenthesis."""
        plain: list[str] = []
        must: list[Clause] = []
        joined = False
        while self._peek() not in ("", "OR", ")"):
            if self._peek() == "AND":
                self._at += 1
                joined = True
                continue
            must += self._part(depth, plain)
        if joined and len(plain) + len(must) > 1:
            self.strict = True
            return _all([*(Terms(word) for word in plain), *must])
        return _ranked(plain, must)

    def _part(self, depth: int, plain: list[str]) -> list[Clause]:
        """One operand; a plain word goes to `plain`."""
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "word":
            if not self._ruled_out:
                self.words.append(token.text)
            plain.append(token.text)
            return []
        if token.kind == "phrase":
            if not self._ruled_out:
                self.words.append(token.text)
            if self._prose and not self._ruled_out:
                self._emphasised.append(Phrase(token.text))
                plain.append(token.text)
                return []
            self.strict = True
            return [Phrase(token.text)]
        if token.kind == "NOT":
            return self._ruled(depth)
        return self._group(depth)

    def _ruled(self, depth: int) -> list[Clause]:
        if self._peek() in ("", "AND", "OR", ")"):
            self._notes.append("A NOT that rules nothing out was left out.")
            return []
        self._ruled_out += 1
        plain: list[str] = []
        held = self._part(depth, plain)
        self._ruled_out -= 1
        one = _all([*(Terms(word) for word in plain), *held])
        if one is None:
            return []
        self.strict = True
        if len(held) == 1 and not plain and isinstance(held[0], Not):
            return [held[0].part]  # not not
        return [Not(one)]

    def _group(self, depth: int) -> list[Clause]:
        one = self._either(depth + 1)
        self._at += 1  # the closing one: all have a partner
        return [] if one is None else [one]


def _ranked(plain: Sequence[str], must: Sequence[Clause]) -> Clause | None:
    """Plain words rank; what must hold, must hold whether they match or not."""
    words = Terms(" ".join(plain)) if plain else None
    if words is None:
        return _all(must)
    wanted = [part for part in must if not isinstance(part, Not)]
    ruled = [part for part in must if isinstance(part, Not)]
    if not wanted:
        return _all([words, *ruled])
    return _all([Or((And((*wanted, words)), *([_all(wanted) or words]))), *ruled])


def _all(parts: Sequence[Clause]) -> Clause | None:
    if not parts:
        return None
    if len(parts) == 1 and not isinstance(parts[0], Not):
        return parts[0]
    return And(tuple(parts))


def _alone(part: Clause) -> Clause:
    """Not stands only inside And."""
    return And((part,)) if isinstance(part, Not) else part
