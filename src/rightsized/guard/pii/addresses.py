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
    r"(?:Streets?|Str?|Avenues?|Ave?|Boulevard|Blvd|Roads?|Rd|Lanes?|Ln|Drives?|Dr|Courts?|Ct|Circle|Cir|"
    r"Crescent|Cres|Places?|Pl|Square|Sq|Terrace|Ter|Trail|Trl|Parkway|Pkwy|Highway|Hwy|Way|Wy|Close|Grove|"
    r"Gardens?|Gdns|Row|Mews|Hill|Walk|Alley|Aly|Loop|Run|Pike|Plaza|Point|Pt|Ridge|Rdg|Turnpike|Expressway|Quay|"
    r"Wharf|Green|Park|Path|Rise|Bypass)"
)
_UNIT = (
    r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Bldg|Building|Block|Lot|Top|Whg|Wohnung|App|Bât|"
    r"Piso|Door)\b\.? ?#?[A-Za-z]?[\dA-Z][\w/-]{0,6})"
)
_HOUSE = r"\d{1,5}(?: ?[a-zA-Z](?![\w]))?(?:[-/]\d{1,4}[a-zA-Z]?)?"
_FIRST = r"(?:\d{1,5},? )?"  # a house or postal number before the street's name
_ENGLISH = rf"{_HOUSE},? (?:[NSEW]{{1,2}}\.? )?{_NAME}{_KINDS}\b\.?(?: (?:[NSEW]{{1,2}}|North|South|East|West)\b\.?)?"
_JOINED = (
    r"[A-Z\u00c0-\u024f](?:[\w.-]{1,30}?(?:stra(?:ß|ss)e|str\.|weg|gasse|platz|allee|damm|ufer|laan|straat|plein|"
    r"gracht|kade|dijk|singel|gade|vej|allé|vænget|gatan|vägen|gränd|veien|vegen|stien|gata|katu|kuja|polku|utca|"
    r"tänav|maantee|gatvė)|[\w.-]{4,30}?tie)"
)
_SPACED_BEFORE = (
    r"(?:Via|Viale|V\.le|Piazza|P\.za|Piazzale|Corso|Largo|Vicolo|Strada|Contrada|Calle|C/|Avenida|Avda\.?|Av\.|"
    r"Paseo|Pso\.?|Plaza|Pza\.?|Camino|Carretera|Ronda|Travesía|Rua|Praça|Travessa|Alameda|Estrada|Rodovia|"
    r"[Uu]l\.|[Uu]lica|[Aa]l\.|[Aa]leja|[Ss]tr\.|Bulevardul|Calea|Rue|Chemin|Allée|Impasse|Quai)"
)
_SPACED_AFTER = (
    r"(?:u\.|utca|út|útja|tér|krt\.|köz|sor|sokak|sk\.|caddesi|cad\.|sokağı|iela|gate|straat|laan|weg|Straße|Strasse|"
    r"Str\.|Allee|Platz|Weg|Gasse|Ring|str)"
)
_FRENCH = (
    r"(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin|[Aa]llée|[Ii]mpasse|[Qq]uai|[Rr]oute|[Cc]ours) "
    r"(?:(?:de|du|des|la|le|les|l'|d') ?){0,3}[A-Z\u00c0-\u024f][\w'’.-]{1,30}"
    r"(?:(?: (?:de|du|des|la|le|les|et)){0,2} [A-Z\u00c0-\u024f][\w'’.-]{1,30}){0,3}"
)
_SAID = (
    r"(?:(?i:lives? (?:at|in)|living at|resid(?:es|ing|ent) (?:at|of)|addr?ess(?: is| was)?|located at|is at|moved to|"
    r"ship(?:ped)? to|deliver(?:ed|y)? to|sent? to|return to|wohnt in|wohnhaft(?: in)?|adresse(?: ist| est)?|"
    r"direcci[óo]n(?: es)?|indirizzo):?[ \n\t>]{1,6})"
)
_PATTERNS = (
    (_ENGLISH, CLEAR),
    (rf"{_FIRST}{_JOINED} {_HOUSE}", CLEAR),
    (rf"{_FIRST}(?:{_NAME}){_SPACED_AFTER} {_HOUSE}\.?", CLEAR),
    (rf"{_FIRST}{_SPACED_BEFORE} {_NAME}(?:n[º°.]? ?|nr\.? ?)?{_HOUSE}", CLEAR),
    (rf"{_HOUSE},? (?:bis,? |ter,? )?{_FRENCH}", LIKELY),
    (r"P\.? ?O\.? ?Box:? ?\d{1,7}", CLEAR),
    (
        r"(?:Postfach|Apartado(?: de Correos)?|Casella Postale|Boîte Postale|BP|Postbus|Postboks|Locked Bag|"
        r"Private Bag) \d{1,6}",
        LIKELY,
    ),
    (r"(?i:PSC \d{1,5},? Box \d{1,6}|Unit \d{1,6},? Box \d{1,6})", CLEAR),
    (r"(?:USS|USNS|USNV|USCGC|HMS) [A-Z][\w'’-]{1,30},?\s{1,3}(?=[AFD]PO )", CLEAR),
    (r"(?:Apt|Apartment|Suite|Flat)\b\.? ?#?[A-Za-z]?[\dA-Z][\w/-]{0,6}(?![.:]\w)", POSSIBLE),
)
_STREET = re.compile("|".join(rf"(?P<s{i}>(?<![\w.#/-]){one})(?![\w])" for i, (one, _) in enumerate(_PATTERNS)))
_SAID_STREET = re.compile(
    rf"(?<![\w]){_SAID}(?P<street>{_FIRST}(?:{_HOUSE},? {_NAME}(?:{_HOUSE})?|{_NAME}{_HOUSE}))(?![\w])"
)
_STATES = (
    r"A[KLRZAEP]|C[AOT]|D[CE]|FL|GA|GU|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|"
    r"V[AIT]|W[AIVY]"
)
_TOWN = r"[A-Z\u00c0-\u024f][\w'’.-]{1,30}(?:[ -][A-Z\u00c0-\u024f][\w'’.-]{1,30}){0,3}"
_UK = (
    r"(?:GIR 0AA|[A-PR-UWYZ](?:\d{1,2}|\d[A-HJKPSTUW]|[A-HK-Y]\d{1,2}|[A-HK-Y]\d[ABEHMNPRVWXY]) \d[ABD-HJLNP-UW-Z]{2})"
)
_CODES = (
    (r"(?i:[AFD]PO),? (?i:A[AEP]),? \d{5}(?:-\d{4})?", LIKELY),
    (rf"(?:{_STATES}),? \d{{5}}(?:-\d{{4}})?", LIKELY),
    (_UK, LIKELY),
    (r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d", LIKELY),
    (r"[1-9]\d{3} ?(?!SA|SD|SS)[A-Z]{2}(?= [A-Z][a-z])", LIKELY),
    (r"(?:(?:D|F|I|E|FI|FIN|HR)-\d{5}|(?:A|CH|B|L|DK|NL|SI|H)-\d{4}|(?:S|SE|CZ|SK|GR)-\d{3} ?\d{2})", LIKELY),
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
        for match in _SAID_STREET.finditer(view.text):
            end = match.end("street")
            while end > match.start("street") and not view.text[end - 1].isalnum():
                end -= 1
            yield Hit(match.start("street"), _whole(view.text, end), "address", LIKELY)
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
