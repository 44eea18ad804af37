"""People by what stands before their names: titles, and the labels of forms. Works without the tagger and beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, Example, Hit
from rightsized.guard.pii.view import View

_WORD = (
    r"(?!(?:Apt|Suite|Unit|Street|Road|Avenue|Box|Tel|Phone|Fax|Mobile|Email|Address|Date|Born)\b)"
    r"[A-Z\u00c0-\u00de\u0100-\u024f\u0391-\u03ab\u0410-\u042f](?:[^\W\d_]|['’-](?=[^\W\d_])){1,30}"
)
_PARTICLE = r"(?:van|von|de|del|della|di|da|dos|du|der|den|la|le|el|al|bin|ibn|ter|zu|af|av|y|e) "
_NAME = rf"(?:{_WORD}|[A-Z]\.)(?: (?:{_PARTICLE}){{0,2}}(?:{_WORD}|[A-Z]\.?(?![\w]))){{0,3}}"
_TITLES = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|Dame|Rev|Fr|Sgt|Capt|Lt|Col|Hon|Herrn?|Frau|Fräulein|Hr|"
    r"Monsieur|Madame|Mademoiselle|Mme|Mlle|"
    r"Señora?|Sra?|Srta|Don|Doña|Signora?|Sig|Sig\.ra|Dott|Dott\.ssa|Dhr|Mevr|Mevrouw|Meneer|Pan|Pani|Doktor|"
    r"Docteur|Doctor)"
)
_TITLED = re.compile(
    rf"(?<![\w.-]){_TITLES}\.? (?:(?:{_TITLES}|med|jur|phil|rer|nat)\.? ){{0,3}}(?:{_PARTICLE}){{0,2}}(?P<name>{_NAME})"
)
_LABELLED = re.compile(
    r"(?<![\w-])(?i:(?:full |first |last |middle |patient |customer |contact |employee |client |maiden )?name|"
    r"surname|nachname|vorname|nom|pr[ée]nom|"
    rf"nombre|apellidos?|cognome|naam|patient|attn|attention|signed|sincerely|regards|my name is|"
    rf"i am called)(?: ?[:=] ?|,? ?\n|(?<= is) )[ \t]{{0,4}}(?P<name>{_NAME})"
)
_NO_NAMES = frozenset(
    [
        "The",
        "This",
        "That",
        "Your",
        "Our",
        "My",
        "His",
        "Her",
        "No",
        "Not",
        "Yes",
        "Please",
        "Thank",
        "Thanks",
        "Unknown",
        "None",
        "Number",
        "Date",
        "Address",
        "Phone",
        "Email",
    ]
)


class Titles:
    """Finds people whose names stand after a title or a label."""

    name = "titles"
    classes: ClassVar[Mapping[str, DataClass]] = {"person": "personal"}
    examples = (
        Example("Please ask Dr. Anna van der Berg about it", "Anna van der Berg", "person"),
        Example("Sehr geehrte Frau Öztürk,", "Öztürk", "person"),
        Example("Name: Jürgen Weiß", "Jürgen Weiß", "person"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        for pattern, score in ((_TITLED, CLEAR), (_LABELLED, LIKELY)):
            for match in pattern.finditer(view.text):
                if match["name"].split(maxsplit=1)[0] not in _NO_NAMES:
                    yield Hit(*match.span("name"), "person", score)
