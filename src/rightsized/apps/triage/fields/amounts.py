"""Amounts of money with their currency, as `1234.50 EUR`, whichever mark parts thousands and decimals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from rightsized.apps.triage.fields.finding import Found

RANK = 40
_SIGNS = {
    "€": "EUR",
    "$": "USD",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "zł": "PLN",
    "kč": "CZK",
    "us$": "USD",
    "fr.": "CHF",
}
_WORDS = {
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "pound": "GBP", "pounds": "GBP", "quid": "GBP",
    "franken": "CHF", "sfr": "CHF",
}  # fmt: skip
_CODES = [
    "EUR",
    "USD",
    "GBP",
    "CHF",
    "JPY",
    "INR",
    "PLN",
    "CZK",
    "SEK",
    "NOK",
    "DKK",
    "HUF",
    "CAD",
    "AUD",
    "NZD",
    "CNY",
    "BRL",
    "MXN",
    "ZAR",
    "TRY",
]
_NAMES = {**_SIGNS, **_WORDS, **{code.lower(): code for code in _CODES}}
_NUMBER = r"(?:\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3}){1,4}|\d{1,12})(?:[.,]\d{1,2}(?!\d))?(?:,[-–])?"
_MARK = r"US\$|[€$£¥₹]"
_NAME = rf"{_MARK}|zł|Kč|(?:{'|'.join(_CODES)}|euros?|dollars?|pounds?|quid|Franken|SFr)(?![^\W_])"
_AMOUNT = re.compile(
    rf"(?<![\w.,/-])(?P<before>{_MARK}|(?:{'|'.join(_CODES)}|Fr\.))[ \u00a0]?(?P<first>-?{_NUMBER})(?![\w/-])(?![.,]\d)"
    rf"|(?<![\w.,/-])(?P<second>-?{_NUMBER})[ \u00a0\u202f]?(?P<after>{_NAME})",
    re.IGNORECASE,
)


def amounts(text: str) -> Iterator[Found]:
    """Every amount that names its currency."""
    for match in _AMOUNT.finditer(text):
        currency = _NAMES[(match["before"] or match["after"]).lower()]
        number = value_of(match["first"] or match["second"])
        if number is not None:
            yield Found("amount", *match.span(), f"{number:.2f} {currency}", 0.95, rank=RANK)


def value_of(written: str) -> Decimal | None:
    """The number as it is meant: the last mark parts decimals unless three digits follow it and nothing else does."""
    plain = re.sub(r"[\s'’\u00a0\u202f]|,[-–]$", "", written)
    last = max(plain.rfind("."), plain.rfind(","))
    if last >= 0:
        tail = plain[last + 1 :]
        whole = re.sub(r"[.,]", "", plain[:last])
        alone = plain.count(".") + plain.count(",") == 1
        plain = whole + tail if len(tail) == 3 and (alone or plain[last] in plain[:last]) else f"{whole}.{tail}"
    try:
        return Decimal(plain)
    except InvalidOperation:
        return None
