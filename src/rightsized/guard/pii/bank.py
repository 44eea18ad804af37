"""Bank accounts: IBAN (ISO 13616, check digits of ISO 7064 MOD 97-10), BIC (ISO 9362), routing and account numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from stdnum import bic, iban
from stdnum.us import rtn

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import LIKELY, PROVEN, Example, Hit
from rightsized.guard.pii.view import View, words

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ .-]?[A-Za-z0-9]){11}")
# Characters of an IBAN by country, as in the registry of ISO 13616.
_LENGTHS = {
    code: length
    for length, codes in {
        15: "NO",
        16: "BE",
        18: "DK FO FI GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for code in codes.split()
}
_LATEST = 45  # characters that an IBAN may span with single separators, beyond its own
_BIC = re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?(?![A-Za-z0-9])")
_BIC_WORDS = words("bic", "swift(?:[ /-]?(?:code|bic))?")
_ROUTING = re.compile(r"(?<![\w-])\d{9}(?![\w-])")
_ROUTING_WORDS = words("routing(?: (?:no|number|transit|code))?", "aba", "rtn", "wire")
_SORT_CODE = re.compile(r"(?<![\w-])\d{2}-\d{2}-\d{2}(?![\w-])")
_SORT_WORDS = words("sort[ -]?code", "bank code")
_ACCOUNT = re.compile(r"(?<![\w-])\d(?:[ -]?\d){5,16}(?![\w-])")
_ACCOUNT_WORDS = re.compile(
    r"(?:\b(?:bank |savings |checking |current )?a(?:ccoun|cc)t\.?(?: (?:no|nr|num(?:ber)?|#))|\bkonto(?:nummer|-?nr)|"
    r"\bnum[ée]ro de compte|\bn[uú]mero de cuenta|\brekening(?:nummer)?|\bnumero di conto|\bkontonr)[.:#]*"
    r"(?: is| =| ist| est| es)?[ :#]{0,3}$"
)


class Bank:
    """Finds bank accounts."""

    name = "bank"
    classes: ClassVar[Mapping[str, DataClass]] = {"iban": "personal", "bic": "internal", "bank_account": "personal"}
    examples = (
        Example("Pay to DE89 3704 0044 0532 0130 00 today", "DE89 3704 0044 0532 0130 00", "iban"),
        Example("IBAN: gb82west12345698765432.", "gb82west12345698765432", "iban"),
        Example("SWIFT code DEUTDEFF500", "DEUTDEFF500", "bic"),
        Example("routing number 021000021", "021000021", "bank_account"),
        Example("My account number is 12345678.", "12345678", "bank_account"),
        Example("sort code 20-00-00", "20-00-00", "bank_account"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        yield from _ibans(view)
        for match in _BIC.finditer(view.text):
            if view.near(*match.span(), _BIC_WORDS) and bic.is_valid(match.group()):
                yield Hit(*match.span(), "bic", LIKELY)
        if not view.has_digit:
            return
        for match in _ROUTING.finditer(view.text):
            if view.near(*match.span(), _ROUTING_WORDS) and rtn.is_valid(match.group()):
                yield Hit(*match.span(), "bank_account", LIKELY)
        for match in _SORT_CODE.finditer(view.text):
            if view.near(*match.span(), _SORT_WORDS):
                yield Hit(*match.span(), "bank_account", LIKELY)
        for match in _ACCOUNT.finditer(view.text):
            if _ACCOUNT_WORDS.search(view.before(match.start())):
                yield Hit(*match.span(), "bank_account", LIKELY)


def _ibans(view: View) -> Iterator[Hit]:
    for match in _IBAN.finditer(view.text):
        length = _LENGTHS.get(match.group()[:2].upper())
        end = _end(view.text, match.start(), length or 0)
        if not end or not view.stands_alone(match.start(), end):
            continue
        compact = re.sub("[ .-]", "", view.text[match.start() : end]).upper()
        if iban.mod_97_10.is_valid(compact[4:] + compact[:4]):
            yield Hit(match.start(), end, "iban", PROVEN)


def _end(text: str, start: int, length: int) -> int:
    """Where `length` letters and digits with single separators between them end; 0 where they do not."""
    counted, place, gap = 0, start, False
    while counted < length and place < min(len(text), start + length + _LATEST):
        character = text[place]
        if character.isascii() and character.isalnum():
            counted, gap = counted + 1, False
        elif character in " .-" and not gap:
            gap = True
        else:
            return 0
        place += 1
    return place if counted == length and length else 0
