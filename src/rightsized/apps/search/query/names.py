"""Names as people write them: words compared without case, accents, punctuation and legal forms; the parties of a
contract, read off its beginning.

It knows no collection. What is common and what is rare among names is for `naming` to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from rightsized.apps.search.query.vocabulary import LEGAL_FORMS, ROLES
from rightsized.parsers.types import Parsed

BEGINNING_CHARACTERS = 1_500  # within which a contract says that it is one
HEAD_CHARACTERS = 4_000  # parties stand at the beginning
MOST_PARTIES = 12
LONGEST_NAME = 12  # words
PARTED = "; "  # between the names in a document's metadata field `parties`

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SPACED_FORMS = re.compile(r"\b((?:[a-z]\.){2,}(?:[a-z]\b)?|[a-z]/[a-z]\b)", re.IGNORECASE)  # L.L.C., s.r.o., A/S
_FORM = (
    r"(?:(?i:Inc(?:orporated)?|Ltd|Limited|Corp(?:oration)?|PLC|GmbH|LLC|LLP|L\.L\.C|L\.L\.P|S\.r\.l|S\.p\.A|SpA|SRL|B\.V|BV|N\.V|NV"
    r"|S\.A\.S|S\.A|ApS|s\.r\.o|Pte|Pty|L\.P)|AG|KG|SE|SA|AB|A/S|AS|Oy|LP|N\.A|Co|(?i:Company|Bank|University|Association|Partnership))\b\.?"
)
_PIECE = r"(?:[A-Z0-9][\w.&'’/+-]*|&|of|the|and|de|der|van|von|for)"
_ORGANISATION = re.compile(
    rf"(?<![\w.])([A-Z0-9][\w.&'’/+-]*(?:[ ]+{_PIECE}|,[ ]+(?={_FORM})){{0,9}}?,?[ ]+{_FORM}(?:,?[ ]+{_FORM})*)"
)
_SENTENCE = re.compile(
    r"(?<=[\w)][a-z0-9]{2}\.) +|(?<=[A-Z]{4}\.) +|\. +(?=The\b|THE\b)|\d and +|(?:\bDated?|\bDATED?)\b"
)
_NUMBERED = re.compile(r"^(?:exhibit\b|[\d.()-]+\s+|ex-[\d.]+)+[\d.\s]*", re.IGNORECASE)
_ARTICLE = re.compile(r"\b[Aa]n? $")
_QUOTED = re.compile(r"[\"“”„]\s*((?:[^\"“”„\n]){2,60}?)\s*[\"“”„]")
_CONTRACT = re.compile(
    r"\b(?:agreement|contract|lease|deed|amendment|addendum|undertaking|memorandum of understanding|indenture"
    r"|\w*vertrag|\w*vereinbarung|contrat|contratto|contrato|overeenkomst|umowa|smlouva)\b",
    re.IGNORECASE,
)
_BRACKET = re.compile(r"\([^()]{2,200}\)")
_BETWEEN = re.compile(r"\b(?:by\s+and\s+)?(?:between|among|amongst)\b[:\s]+(.{4,700})", re.IGNORECASE | re.DOTALL)
_RUN = re.compile(r"(?:[A-Z0-9][\w.&'’/+-]*)(?:[ ]+(?:[A-Z0-9][\w.&'’/+-]*|&|of|de|der|van|von))*")
_LEAD = re.compile(
    r"^(?:(?:the|this|by|and|between|among|of|is|made|as|agreement|contract|whereas|to|with|for)\b[\s:,]*)+",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(text: str) -> list[str]:
    """The words of a text as names are compared.

    >>> words("i-Escrow, Société L.L.C.")
    ['i', 'escrow', 'societe', 'llc']
    """
    return [word for word, _, _ in spans(text)]


def spans(text: str) -> list[tuple[str, int, int]]:
    """Those words with the (start, end) of each in the text."""
    found = []
    joined = {m.start(): m for m in _SPACED_FORMS.finditer(text)}
    at = 0
    while match := _WORD.search(text, at):
        whole = joined.get(match.start(), match)
        word = _plain(whole[0])
        if word:
            found.append((word, whole.start(), whole.end()))
        at = max(whole.end(), match.end())
    return found


def core(found: Iterable[str]) -> tuple[str, ...]:
    """A name's words without legal forms at its end and an article at its beginning.

    >>> core(["the", "acme", "widgets", "gmbh", "co", "kg"])
    ('acme', 'widgets')
    """
    kept = list(found)
    while len(kept) > 1 and kept[-1] in LEGAL_FORMS:
        kept.pop()
    while len(kept) > 1 and kept[0] in ("the", "a", "an"):
        kept.pop(0)
    return tuple(kept)


def parties(text: str) -> tuple[str, ...]:
    """Those who a contract is between, as its beginning names them, and what it calls them for short.

    >>> parties('Agreement made by and between I-ESCROW, INC., of California ("i-Escrow"), and Max Moritz ("Agent").')
    ('I-ESCROW, INC', 'Max Moritz', 'i-Escrow')
    """
    if not _CONTRACT.search(text, 0, BEGINNING_CHARACTERS):
        return ()
    head = re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", text[:HEAD_CHARACTERS])
    found: dict[tuple[str, ...], str] = {}
    full = [*_organisations(head), *_between(head)]
    for one in [*full, *_aliases(head, full)]:
        one = _LEAD.sub("", _NUMBERED.sub("", one)).strip(" ,.;:")
        key = core(words(one))
        if usable(key):
            found.setdefault(key, one)
    return tuple(list(found.values())[:MOST_PARTIES])


def with_parties(parsed: Parsed) -> Parsed:
    """The document with its parties in the metadata field `parties`, where it is a contract that does not say them."""
    found = () if parsed.metadata.get("parties") else parties(parsed.text)
    if not found:
        return parsed
    return replace(parsed, metadata={**parsed.metadata, "parties": PARTED.join(found)})


def usable(key: tuple[str, ...]) -> bool:
    """Whether words can name something: not only roles, numbers and single letters."""
    if not key or len(key) > LONGEST_NAME:
        return False
    telling = [word for word in key if word not in ROLES and word not in LEGAL_FORMS and not word.isdigit()]
    return any(len(word) > 1 for word in telling) or (len(key) > 1 and bool(telling) and len("".join(key)) > 2)


def of_file(name: str) -> Iterator[tuple[str, ...]]:
    """The names in a file's name: its parts, with words that are run together taken apart.

    >>> list(of_file("ArraySystemsInc_20190403_Supply Agreement.pdf"))
    [('array', 'systems'), ('supply', 'agreement')]
    """
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name.rpartition("/")[2])
    for part in re.split(r"_+| - |--|[()\[\]]", stem):
        key = core(words(_CAMEL.sub(" ", part)))
        if usable(key) and not any(word.isdigit() and len(word) > 4 for word in key):
            yield key


def _plain(word: str) -> str:
    if word.isascii() and word.isalnum():
        return word.lower()
    folded = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in folded if c.isalnum())


def _organisations(head: str) -> Iterator[str]:
    for match in _ORGANISATION.finditer(head):
        if not _ARTICLE.search(head[max(0, match.start(1) - 4) : match.start(1)]):  # "a Delaware corporation" is a kind
            yield [one for one in _SENTENCE.split(match[1]) if one][-1]


def _between(head: str) -> Iterator[str]:
    """The names that stand after "between" and after each "and" or semicolon of that sentence."""
    match = _BETWEEN.search(head)
    if not match:
        return
    for piece in re.split(r"\band\b|;|\(\d\)|\([a-z]\)", match[1])[:6]:
        run = _RUN.match(_LEAD.sub("", re.sub(r"\([^)]*\)?", " ", piece).strip()))
        if run and len(words(run[0])) > 1:
            yield _SENTENCE.split(run[0])[0]


def _aliases(head: str, full: Iterable[str]) -> Iterator[str]:
    """What is quoted in parentheses and abbreviates a full name."""
    letters = ["".join(words(one)) for one in full]
    for bracket in _BRACKET.finditer(head):
        for match in _QUOTED.finditer(bracket[0]):
            key = words(match[1])
            if key and len(key) <= 4 and any(_abbreviates("".join(core(key)), one) for one in letters):
                yield match[1]


def _abbreviates(short: str, name: str) -> bool:
    """Whether the letters stand in the name in this order, the first at its beginning or in one piece.

    >>> _abbreviates("fce", "fuelcellenergyinc"), _abbreviates("duval", "davidduval"), _abbreviates("period", "acme")
    (True, True, False)
    """
    if short in name:
        return len(short) > 1
    rest = iter(name)
    return len(short) > 1 and name[:1] == short[0] and all(letter in rest for letter in short)
