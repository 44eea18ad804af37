"""What is asked of the lexical index, as a tree. Made by `syntax`, carried out by the index."""

from __future__ import annotations

from rightsized.core.frozen import Frozen


class Terms(Frozen, frozen=True, tag=True):
    """Any of the words, stemmed; BM25 ranks. `fuzzy`: words may be one or two letters off."""

    text: str
    fuzzy: bool = False


class Phrase(Frozen, frozen=True, tag=True):
    """The words in this order, with at most `slop` others between."""

    text: str
    slop: int = 0


class And(Frozen, frozen=True, tag=True):
    """All of them; each adds to the score."""

    parts: tuple[Clause, ...]


class Or(Frozen, frozen=True, tag=True):
    """At least one of them."""

    parts: tuple[Clause, ...]


class Not(Frozen, frozen=True, tag=True):
    """What must not match; only inside And."""

    part: Clause


Clause = Terms | Phrase | And | Or | Not
