"""Payment cards: the Luhn check digit (ISO/IEC 7812-1, annex B) and the issuers' ranges and lengths."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, POSSIBLE, PROVEN, Example, Hit
from rightsized.guard.pii.view import View, words

# First digits (low to high, same count) and lengths. Public ranges of the schemes; national schemes that use the
# ranges of a larger one are covered by it.
_ISSUERS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),
    (300, 305, (14, 16, 19)),  # Diners Club
    (3095, 3095, (14, 16, 19)),
    (36, 36, (14, 16, 19)),
    (38, 39, (14, 16, 19)),
    (35, 35, (16, 17, 18, 19)),  # JCB (3528 to 3589 are in use)
    (2131, 2131, (15,)),
    (1800, 1800, (15,)),
    (2200, 2204, (16, 17, 18, 19)),  # Mir
    (50, 50, (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro, Verve, Elo
    (56, 58, (12, 13, 14, 15, 16, 17, 18, 19)),
    (60, 60, (13, 16, 17, 18, 19)),  # Discover, RuPay, Hipercard
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (63, 63, (12, 13, 14, 15, 16, 17, 18, 19)),
    (64, 65, (16, 17, 18, 19)),  # Discover, Troy, RuPay
    (67, 67, (12, 13, 14, 15, 16, 17, 18, 19)),
    (81, 82, (16,)),
    (9792, 9792, (16,)),
)
_CHAIN = re.compile(r"(?<!\d)\d(?:[ .-]?\d){11,}")
_CONTEXT = words(
    r"(?:credit|debit|payment|bank|gift|visa|master|amex)?[ -]?cards?(?: (?:no|nr|num(?:ber)?|#))?\.?",
    r"visa|mastercard|amex|american express|maestro|diners|discover|jcb|unionpay|mir|pan|cc|ccn|cvv|cvc|expir\w*|exp",
    r"kredit\w*|karte\w*|kartennummer|carte|tarjeta|carta|cart[ãa]o|kaart\w*|karta|kort\w*|kortti\w*|kártya\w*|"
    r"κάρτα\w*",
)
_USUAL = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 5), (6, 10), (8, 8), (4, 4, 4), (4, 4, 4, 1)}
_ANY = tuple(range(19, 11, -1))  # lengths that count beside a word such as `card`, whoever issued it
_SHORT = 13  # up to this many digits, other numbers (EAN, phone numbers) pass the same checks now and then


class Cards:
    """Finds payment cards."""

    name = "cards"
    classes: ClassVar[Mapping[str, DataClass]] = {"payment_card": "personal"}
    examples = (
        Example("My card is 4111 1111 1111 1111, exp 11/29.", "4111 1111 1111 1111", "payment_card"),
        Example("Amex 378282246310005 was declined", "378282246310005", "payment_card"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        for chain in _CHAIN.finditer(view.text):
            yield from _cards_in(view, chain.start(), chain.end())


def _cards_in(view: View, start: int, end: int) -> Iterator[Hit]:
    """Cards in a chain of digits and single separators: each begins and ends where a group does."""
    places = [i for i in range(start, end) if view.text[i].isdigit()]
    digits = "".join(view.text[i] for i in places)
    begins = [k for k, i in enumerate(places) if k == 0 or i - places[k - 1] > 1]
    ends = {*begins[1:], len(places)}
    taken = 0
    for begin in begins:
        if begin < taken:
            continue
        known = _lengths(digits[begin : begin + 4])
        for length in (*known, *(n for n in _ANY if n not in known)):
            stop = begin + length
            if stop in ends and luhn(digits[begin:stop]):
                first, last = places[begin], places[stop - 1] + 1
                inner = begins[bisect_left(begins, begin) : bisect_left(begins, stop)]
                sizes = tuple(b - a for a, b in pairwise([*inner, stop]))
                score = _score(view, first, last, length if length in known else 0, sizes)
                if score:
                    yield Hit(first, last, "payment_card", score)
                    taken = stop
                    break


def _score(view: View, start: int, end: int, length: int, sizes: tuple[int, ...]) -> float:
    if not view.stands_alone(start, end):
        return 0.0
    if view.near(start, end, _CONTEXT, before=60):
        return PROVEN
    if not length:
        return 0.0
    regular = len(sizes) == 1 or sizes in _USUAL or set(sizes) == {1}
    same_mark = len({c for c in view.text[start:end] if not c.isdigit()}) <= 1
    if not (regular and same_mark):
        return 0.0
    return POSSIBLE if length <= _SHORT else CLEAR


def _lengths(first: str) -> list[int]:
    """Lengths a card with these first four digits may have, longest first."""
    found: set[int] = set()
    for low, high, lengths in _ISSUERS:
        if low <= int(first[: len(str(low))]) <= high:
            found.update(lengths)
    return sorted(found, reverse=True)


def luhn(digits: str) -> bool:
    """Whether the last digit is right, and not all are the same."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    total = sum(map(int, digits[-1::-2])) + sum(doubled[int(d)] for d in digits[-2::-2])
    return total % 10 == 0 and len(set(digits)) > 1
