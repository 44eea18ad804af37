"""Postal addresses: streets with house numbers in the forms of several languages, units, boxes, and postcodes.

What follows a street on the same address (unit, postcode and town) joins it, over line breaks as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, POSSIBLE, Example, Hit
from rightsized.guard.pii.view import View, words

_NAME = (
    r"(?:(?:[A-Z\u00c0-\u024f\u0370-\u04ff][\w'’.-]{0,30}|\d{1,3}(?:st|nd|rd|th)|de|del|della|di|da|do|dos|das|du|"
    r"des|la|las|los|le|van|den|der|von|of|the) ){1,5}"
)
_KINDS = (
    r"(?:Streets?|Str?|Avenues?|Ave?|Boulevard|Blvd|Roads?|Rd|Lanes?|La?n|Drives?|Dr|Courts?|Ct|Circle|Cir|"
    r"Crescent|Cres|"
    r"Places?|Pl|Square|Sq|Terrace|Ter|Trail|Trl|Parkway|Pkwy|Highway|Hwy|Way|Wy|Close|Grove|Gardens?|Gdns|Row|"
    r"Mews|Hill|"
    r"Walk|Alley|Aly|Loop|Run|Pike|Plaza|Point|Pt|Ridge|Rdg|Turnpike|Expressway|Quay|Wharf|Green|Park|Path|Rise|Bypass)"
)
_UNIT = (
    r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Bldg|Building|Block|Lot|Top|Whg|Wohnung|App|Bât|"
    r"Piso|Door)\b\.? ?#?[A-Za-z]?[\dA-Z][\w/-]{0,6}|#\d{1,5}[A-Z]?)"
)
_HOUSE = r"\d{1,5}(?: ?[a-zA-Z](?![\w]))?(?:[-/]\d{1,4}[a-zA-Z]?)?"
_ENGLISH = rf"{_HOUSE},? (?:[NSEW]{{1,2}}\.? )?{_NAME}{_KINDS}\b\.?(?: (?:[NSEW]{{1,2}}|North|South|East|West)\b\.?)?"
_JOINED = (
    r"[A-Z\u00c0-\u024f][\w.-]{1,30}?(?:stra(?:ß|ss)e|str\.|weg|gasse|platz|allee|ring|damm|ufer|steig|laan|"
    r"straat|plein|gracht|kade|"
    r"dijk|singel|hof|gade|vej|allé|vænget|gatan?|vägen|gränd|veien|vegen|gata|katu|tie|kuja|polku|utca|út|tér|"
    r"tänav|maantee|iela|gatvė)"
)
_SPACED_BEFORE = (
    r"(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin|[Aa]llée|[Ii]mpasse|[Qq]uai|[Rr]oute|[Cc]ours|"
    r"Via|Viale|V\.le|Piazza|P\.za|Piazzale|Corso|Largo|"
    r"Vicolo|Strada|Contrada|Calle|C/|C\.|Avenida|Avda\.?|Av\.|Paseo|Pso\.?|Plaza|Pza\.?|Camino|Carretera|"
    r"Ronda|Travesía|Rua|R\.|Praça|Travessa|"
    r"Alameda|Estrada|Rodovia|[Uu]l\.|[Uu]lica|[Aa]l\.|[Aa]leja|[Pp]l\.|[Ss]tr\.|Strada|Bulevardul|Calea)"
)
_SPACED_AFTER = (
    r"(?:u\.|utca|út|tér|krt\.|köz|sor|sokak|sk\.|caddesi|cad\.|sokağı|iela|g\.|pr\.|ul\.|straat|laan|weg|Straße|"
    r"Strasse|Str\.|Allee|Platz|Weg|Gasse|Ring)"
)
_NUMBER_FIRST = rf"{_HOUSE},? (?:bis |ter )?{_SPACED_BEFORE} (?:[\w'’.-]{{1,30}} ?){{1,5}}?"
_PATTERNS = (
    (_ENGLISH, CLEAR),
    (rf"{_JOINED} {_HOUSE}", CLEAR),
    (rf"(?:{_NAME}){_SPACED_AFTER} {_HOUSE}\.?", CLEAR),
    (rf"{_SPACED_BEFORE} (?:[\w'’.-]{{1,30}},? ){{1,6}}(?:n[º°.]? ?|nr\.? ?)?{_HOUSE}", CLEAR),
    (
        rf"{_HOUSE},? (?:bis,? |ter,? )?{_SPACED_BEFORE} (?:(?:de|du|des|la|le|les|l'|d'|"
        rf"of) ?){{0,3}}[A-Z\u00c0-\u024f][\w'’.-]{{1,30}}(?: [A-Z\u00c0-\u024f][\w'’.-]{{1,30}}){{0,3}}",
        LIKELY,
    ),
    (r"P\.? ?O\.? ?Box:? ?\d{1,7}", CLEAR),
    (
        r"(?:Postfach|Apartado(?: de Correos)?|Casella Postale|Boîte Postale|BP|Postbus|Postboks|Locked Bag|"
        r"Private Bag) \d{1,6}",
        LIKELY,
    ),
    (r"PSC \d{1,5},? Box \d{1,6}|(?:Unit|USS) [\w ]{1,20},? Box \d{1,6}", CLEAR),
    (_UNIT, POSSIBLE),
)
_STREET = re.compile("|".join(rf"(?P<s{i}>(?<![\w.#/-]){one})(?![\w])" for i, (one, _) in enumerate(_PATTERNS)))
_STATES = (
    r"A[KLRZAEP]|C[AOT]|D[CE]|FL|GA|GU|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|"
    r"V[AIT]|W[AIVY]"
)
_TOWN = r"[A-Z\u00c0-\u024f][\w'’.-]{1,30}(?:[ -][A-Z\u00c0-\u024f][\w'’.-]{1,30}){0,3}"
_UK = (
    r"(?:GIR 0AA|[A-PR-UWYZ](?:\d{1,2}|\d[A-HJKPSTUW]|[A-HK-Y]\d{1,2}|[A-HK-Y]\d[ABEHMNPRVWXY]) \d[ABD-HJLNP-UW-Z]{2})"
)
_CODES = (
    (rf"(?:{_STATES}),? \d{{5}}(?:-\d{{4}})?", LIKELY),
    (_UK, LIKELY),
    (r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d", LIKELY),
    (r"[1-9]\d{3} ?(?!SA|SD|SS)[A-Z]{2}(?= [A-Z][a-z])", LIKELY),
    (r"(?:D|A|CH|F|I|NL|B|L|DK|PL|CZ|SE|FI|FIN|S|E)-\d{2,5}(?:[ -]?\d{2,3})?", LIKELY),
    (r"\d{5}-\d{4}|\d{5}-\d{3}|\d{2}-\d{3}(?= [A-Z][a-z])|\d{4}-\d{3}(?= [A-Z][a-z])", POSSIBLE),
)
_CODE = re.compile("|".join(rf"(?P<c{i}>(?<![\w/.-]){one})(?![\w])(?!-\d)" for i, (one, _) in enumerate(_CODES)))
_NAMED_CODE = re.compile(
    r"(?<![^\W_])(?:zip(?: ?code)?|post(?:al)?[ -]?code|plz|postleitzahl|code postal|c[óo]digo postal|cap|cep|"
    r"postnummer|postinumero|irányítószám|"
    r"kod pocztowy|psč|pin ?code)(?: is| ist| est|:|=|"
    r"#)? ?:?((?<=\W)[a-z]{0,2}-?\d{2}[\da-z]{0,4}(?:[ -]?[\da-z]{2,4})?)(?![\w])"
)
_NEXT = re.compile(
    rf"[, \t]{{0,3}}\r?\n?[ \t]{{0,4}}(?:{_UNIT}|(?:{_TOWN},? )?(?:{'|'.join(one for one, _ in _CODES)}|"
    rf"\d{{4,5}}(?! ?[a-z]))(?: {_TOWN})?)(?![\w])"
)
_MOST_PARTS = 4
_WORDS = words(
    "address",
    "live",
    "lives",
    "living",
    "adresse",
    "anschrift",
    "direcci[óo]n",
    "indirizzo",
    "adres",
    "street",
    "ship",
    "deliver\\w*",
)


class Addresses:
    """Finds postal addresses and postcodes."""

    name = "addresses"
    classes: ClassVar[Mapping[str, DataClass]] = {"address": "personal", "postcode": "personal"}
    examples = (
        Example("I live at 221B Baker Street, London.", "221B Baker Street", "address"),
        Example(
            "Ship to 1600 N. Elm Ave., Apt. 4, Springfield, IL 62704",
            "1600 N. Elm Ave., Apt. 4, Springfield, IL 62704",
            "address",
        ),
        Example("Lindenstraße 12a, 10969 Berlin", "Lindenstraße 12a, 10969 Berlin", "address"),
        Example("12 rue de la Paix", "12 rue de la Paix", "address"),
        Example("Via Garibaldi 7", "Via Garibaldi 7", "address"),
        Example("postcode SW1A 1AA", "SW1A 1AA", "postcode"),
        Example("my zip code is 90210", "90210", "postcode"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        if not view.has_digit:
            return
        done = 0
        for match in _STREET.finditer(view.text):
            if match.start() < done:
                continue
            done = _whole(view.text, match.end())
            score = _PATTERNS[int((match.lastgroup or "s0")[1:])][1]
            yield Hit(match.start(), done, "address", score)
        for match in _CODE.finditer(view.text):
            yield Hit(*match.span(), "postcode", _CODES[int((match.lastgroup or "c0")[1:])][1])
        for match in _NAMED_CODE.finditer(view.lower):
            yield Hit(*match.span(1), "postcode", LIKELY)


def _whole(text: str, end: int) -> int:
    """The end of an address that has come so far: units, postcode and town behind it belong to it."""
    for _ in range(_MOST_PARTS):
        following = _NEXT.match(text, end)
        if following is None:
            break
        end = following.end()
    return end
