"""How many tokens a text has for the model that will read it: exact where its tokenizer is here, else never too few.

Nothing is estimated here: what is counted too high wastes room, what is counted too low is cut off by the model unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rightsized.core.protocols import Encoder

Count = Callable[[str], int]
MARKS = 2  # tokens that an encoder puts around every text
LONGEST = 50_000  # characters given to a tokenizer at once: an encoder takes 200,000 and no more unless it is told to


class Counter(NamedTuple):
    """`of` gives the tokens of a text; `exact` says whether it is the model's own tokenizer that counts."""

    of: Count
    exact: bool


def most_tokens(text: str) -> int:
    """The most tokens that a text can have: one a UTF-8 byte, and one that some tokenizers put in front.

    Holds for byte-level BPE (Radford 2019), for SentencePiece with byte fallback (Kudo and Richardson 2018) and for
    WordPiece, none of which gives a token less than a byte.

    >>> most_tokens("café"), most_tokens("")
    (6, 0)
    """
    return len(text.encode("utf-8", "surrogatepass")) + 1 if text else 0


BOUND = Counter(most_tokens, False)


def counter_of(encoder: Encoder | None) -> Counter:
    """By the encoder's own tokenizer, where it has one, else the bound."""
    prepare: Callable[[str], Any] | None = getattr(encoder, "prepare", None)
    if prepare is None:
        return BOUND
    counted: Callable[[str], Any] = prepare

    def count(text: str) -> int:
        return sum(int(counted(part).total) - MARKS for part in stretches(text))

    return Counter(count, True)


def stretches(text: str) -> Iterator[str]:
    """The text in parts of at most LONGEST characters, cut at blanks where there are any: no word is counted twice."""
    start = 0
    while len(text) - start > LONGEST:
        blank = text.rfind(" ", start + 1, start + LONGEST)
        end = blank if blank > start else start + LONGEST
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
