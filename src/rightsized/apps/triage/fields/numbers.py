"""Order, invoice, ticket and customer numbers, by the word that stands before them.

What a number is, the nearest such word before it says; numbers with the same letters in front are of one kind
throughout a message. A code without any such word is a `reference`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rightsized.apps.triage.fields.finding import Found

RANK = 50
_NEAR, _BESIDE = 60, 22  # characters before a number in which a word says what it is; before one of digits alone
_CODE = re.compile(
    r"(?<![\w@./-])(?P<code>(?P<letters>[A-Z]{1,5})[-/ ]?\d{3,12}(?:[-/][A-Z0-9]{1,10}){0,3})(?![\w@-])"
    r"|(?<![\w@.,/-])(?P<plain>#?\d{4}[-/]\d{3,8}|#?\d{4,14})(?![\w@%-])(?![.,]\d)",
)
_KINDS = (
    ("invoice", "invoices?|bill|receipt|rechnung\\w*|re-?nr|facture|factura|fattura|factuur"),
    ("ticket", "tickets?|case|incident|vorgang\\w*|anfrage|dossier|caso|incidencia|zaak"),
    ("customer", "customer|client|account|member(?:ship)?|kunden?\\w*|konto|compte|cliente|cuenta|klant\\w*"),
    (
        "order",
        "orders?|ordered|purchase|po|bestell\\w*|auftrag\\w*|commande\\w*|pedido|ordine|bestellt|booking",
    ),
)
_WORD = re.compile(
    r"(?<!\w)(?:" + "|".join(f"(?P<{kind}>{words})" for kind, words in _KINDS) + r")(?!\w)", re.IGNORECASE
)
_BETWEEN = re.compile(
    r"[\s:.#=-]{0,5}(?:(?:no|nr|number|nummer|num(?:é|e)ro|n[°ºo]|id|ref(?:erence)?|code|is|was|ist|lautet|est|es|"
    r"mit der|with|number is)[\s:.#°º=-]{0,5}){0,3}\(?",
    re.IGNORECASE,
)
_AND = re.compile(r"\s?(?:,|/|;|and|und|et|y|&|\+|,? ?(?:and|und|et|y))\s", re.IGNORECASE)
_UNITS = "CET CEST GMT UTC EUR USD GBP CHF KG MM CM AM PM VAT ISO DIN EN HS PS NO NR TEL EXT"
_NOT_LETTERS = frozenset(_UNITS.split())


def numbers(text: str) -> Iterator[Found]:
    """Every number of these kinds."""
    found: list[tuple[str, str, tuple[int, int]]] = []
    for match in _CODE.finditer(text):
        one = _number(text, match)
        if one is None and found and _AND.fullmatch(text, found[-1][2][1], match.start()):
            one = (found[-1][0], "", match.span())  # "invoices 2026-0417 and 2026-0418"
        if one is not None:
            found.append(one)
    known = {letters: kind for kind, letters, _ in found if letters and kind != "reference"}
    for kind, letters, (start, end) in found:
        sure = kind != "reference"
        kind = known.get(letters, kind) if letters and not sure else kind
        value = text[start:end].lstrip("#")
        yield Found(kind, end - len(value), end, value.replace(" ", ""), 0.9 if sure else 0.7, rank=RANK)


def _number(text: str, match: re.Match[str]) -> tuple[str, str, tuple[int, int]] | None:
    """Its kind, the letters in front and its span; None where it is no such number."""
    letters = match["letters"] or ""
    if letters in _NOT_LETTERS or (letters and match[0][len(letters)] == " "):
        return None
    start, end = match.span()
    before = text[max(0, start - _NEAR) : start]
    before = before[max(before.rfind("\n\n"), before.rfind("? "), before.rfind("! ")) + 1 :]
    words = list(_WORD.finditer(before))
    nearest = words[-1] if words else None
    kind = nearest.lastgroup if nearest is not None else None
    if letters:
        return kind or "reference", letters, (start, end)
    if nearest is None or kind is None or len(before) - nearest.end() > _BESIDE:
        return None
    if _BETWEEN.fullmatch(before[nearest.end() :]) is None:
        return None
    return kind, "", (start, end)
