"""Clause and section numbers as they stand at the beginning of a paragraph: "12.3(a)", "Article 4", "§ 5", "(ii)"."""

from __future__ import annotations

import re

LONGEST = 40  # characters looked at
_WORD = (
    r"(?:Articles?|Art\.|Sections?|Sect?\.|Clauses?|Cl\.|Rules?|Regulations?|Reg\.|Paragraphs?|Para\.|Schedules?"
    r"|Annex(?:e|ure)?|Appendix|Exhibit|Chapter|Part|Title|Item|Artikel|Abschnitt|Absatz|Abs\.|Ziffer|Anlage|Anhang|Kapitel|Artículo"
    r"|Sección|Cláusula|Capítulo|Anexo|Chapitre|Clausola|Articolo|Artigo|ARTICLE|SECTION|CLAUSE|RULE|SCHEDULE|ANNEX"
    r"|APPENDIX|EXHIBIT|CHAPTER|PART|ARTIKEL)"
)
_ROMAN = r"[IVXLC]{1,7}"
_SUB = r"(?:\s?\((?:[a-z]{1,3}|[ivxl]{1,6}|[A-Z]|\d{1,3})\))*"
_DOTTED = r"(?:[A-Z]\.?)?\d{1,4}(?:[.\-]\d{1,4}[A-Za-z]?)*"
_NAMED = re.compile(rf"{_WORD}\s(?:{_DOTTED}[A-Za-z]?{_SUB}|{_ROMAN}|[A-Z])(?=[\s.:,;—–-]|$)")
_PARAGRAPH_SIGN = re.compile(rf"§{{1,2}}\s?{_DOTTED}[a-z]?{_SUB}(?=[\s.:,;—–-]|$)")
_CLAUSE = re.compile(rf"(?:[A-Z]\.)?(?!0)\d{{1,3}}[A-Z]?(?:\.(?!0\d)\d{{1,3}}[A-Z]?)+{_SUB}\.?(?=\s+(\S)|$)")
_SINGLE = re.compile(rf"(?!0)\d{{1,3}}[A-Z]?(?:{_SUB}[.)]|\((?:[a-z]|[ivxl]{{1,5}}|\d{{1,2}})\){_SUB})(?=\s+(\S)|$)")
_BRACKETED = re.compile(rf"\((?:[a-z]{{1,2}}|[ivxl]{{1,6}}|[A-Z]|[IVXL]{{1,5}}|\d{{1,2}})\){_SUB}(?=\s+\S|$)")
_LETTER = re.compile(rf"(?:[a-z]\)|{_ROMAN}[.)]|[A-Z]\))(?=\s+\S|$)")
_BARE = re.compile(r"((?!0)\d{1,2})\s+(?=[^\W\d_])(?![a-z])")
_NO_CLAUSE = re.compile(
    r"\s+(?:million|billion|thousand|percent|per\b|per cent|a\.?m\b|p\.?m\b|hours?|minutes?|seconds?|days?|weeks?"
    r"|months?|years?|kg|km|m|cm|mm|GB|MB|KB|EUR|USD|GBP|€|\$|%|uhr|times|points?|and|or|to|of|in)\b",
    re.IGNORECASE,
)


def number_of(text: str) -> str:
    """The number that a paragraph begins with, as written, without a closing full stop; empty where there is none.

    >>> [number_of(text) for text in ("12.3(a) The Buyer pays.", "Article 4: Scope", "3.5 million people", "1999 was")]
    ['12.3(a)', 'Article 4', '', '']
    """
    start = text[:LONGEST]
    if match := _NAMED.match(start) or _PARAGRAPH_SIGN.match(start):
        return match[0]
    if match := _CLAUSE.match(start):
        return "" if _NO_CLAUSE.match(start, match.end()) else match[0].rstrip(".")
    if match := _SINGLE.match(start):
        return "" if match[1] and match[1].islower() and "(" not in match[0] else match[0].rstrip(".")
    if match := _BRACKETED.match(start) or _LETTER.match(start):
        return match[0].rstrip(".")
    return ""


def heading_number(text: str) -> str:
    """The same for a heading, where a bare number counts too.

    >>> [heading_number(text) for text in ("1 Introduction", "2.1 Scope", "1984", "3 is a crowd")]
    ['1', '2.1', '', '']
    """
    bare = _BARE.match(text)
    return number_of(text) or (bare[1] if bare else "")
