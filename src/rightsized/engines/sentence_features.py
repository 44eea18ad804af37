"""What is looked at of a sentence besides its words: its place in the conversation, and signs of what is done by it.

Signs of speech acts (Searle 1976; Cohen, Carvalho and Mitchell 2004 for mail): a modal with "you", a verb that begins a
sentence, a question, a promise in the first person, a time until when, in English, German, French and Spanish. Plain
regular expressions, each linear in the text; fitting and serving both call this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.parsers.stopwords import STOPWORDS

Floats = NDArray[np.float64]
_WORD = re.compile(r"[^\W_]+")


class Placed(NamedTuple):
    """A sentence in its conversation.

    `at` of `total` in its message; the message is number `message` of `messages`, from 0. `ours`: written by our side.
    """

    text: str
    at: int
    total: int
    message: int
    messages: int
    ours: bool
    subject: str


def _any(words: str, *, start: bool = False) -> re.Pattern[str]:
    """One of these words or phrases, as whole words; `_` stands for the rest of a word."""
    parts = "|".join(re.escape(one).replace("_", r"\w*").replace(r"\ ", r"\s") for one in words.split("|"))
    before = r"^\W*" if start else r"(?<!\w)"
    return re.compile(rf"{before}(?:{parts})(?!\w)", re.IGNORECASE)


_DAY = (
    r"(?:today|tonight|tomorrow|noon|(?:mon|tues|wednes|thurs|fri|satur|sun)day|heute|morgen|montag|dienstag|mittwoch"
    r"|donnerstag|freitag|samstag|sonntag|aujourd|demain|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|hoy|mañana"
    r"|lunes|martes|miércoles|jueves|viernes|sábado|domingo|(?:the\s|den\s|dem\s|le\s|el\s)?\d)"
)
SIGNS: dict[str, re.Pattern[str]] = {
    "number": re.compile(r"\d"),
    "question": re.compile(r"\?"),
    "exclamation": re.compile(r"!"),
    "quotation": re.compile('["„“”«»]'),
    "money": re.compile(r"[€$£]|\b(?:eur|usd|gbp|euros?|pounds?)\b", re.IGNORECASE),
    "day": re.compile(rf"(?<!\w){_DAY}", re.IGNORECASE),
    "until": re.compile(
        rf"(?<!\w)(?:by|until|till|before|within|latest|bis|vor|spätestens|avant|jusqu\w*|antes|hasta)\s(?:\w+\s)?{_DAY}",
        re.IGNORECASE,
    ),
    "we": _any("we|our|us|we'_|wir|uns|unser_|nous|notre|nos|nosotros|nuestr_"),
    "i": _any("i|i'_|my|me|ich|mir|mich|mein_|je|j'_|mon|ma|mes|yo|mi|me"),
    "you": _any("you|your|yours|sie|ihr|ihre_|ihnen|du|dir|euch|eure_|vous|votre|vos|usted_|tú|su|sus"),
    "asks": _any(
        "could you|can you|would you|will you|could someone|can someone|could somebody|can i|could i|may i|can we"
        "|could we|may we|können sie|könnten sie|würden sie|kannst du|könnt ihr|kann ich|könnte ich|pourriez-vous"
        "|pouvez-vous|pourriez vous|puis-je|est-ce que|podrían|podría_|pueden|puede|puedo"
    ),
    "please": _any("please|pls|kindly|bitte|bitten|s'il vous|merci de|por favor|i want|i need|i would like|i'd like"),
    "begins": _any(
        "please|bitte|send|tell|let|give|check|confirm|cancel|change|refund|return|call|write|reply|keep|make|put|take"
        "|stop|delete|remove|transfer|book|ship|deliver|look|explain|correct|credit|block|open|do not|don't|schicken"
        "|senden|sagen|geben|prüfen|bestätigen|rufen|teilen|nennen|envoyez|dites|confirmez|merci de|envíen|díganme",
        start=True,
    ),
    "wonders": _any(
        "what|when|where|which|who|why|how|is|are|do|does|did|can|could|would|will|have|has|was|were|am|wie|was|wann|wo"
        "|welche_|wer|warum|ist|sind|kann|können|gibt|haben|hat|muss|quel_|quand|où|comment|pourquoi|combien|qué|cuándo"
        "|dónde|cómo|cuál_|hay|and what|and how|und",
        start=True,
    ),
    "promises": _any(
        "i'll|we'll|i will|we will|i am going to|i'm going to|we are going to|we shall|i shall|ich werde|wir werden"
        "|ich schicke|wir schicken|ich melde|wir melden|ich bringe|je vais|nous allons|je vous|nous vous|voy a|vamos a"
        "|le envi_|will be|leaves our|leaves the|goes out|goes to|is on its way|geht heute|geht morgen|you will get"
        "|you will have|you'll have|you'll get|erhalten sie|bekommen sie"
    ),
    "done": _any("have|has|i've|we've|had|haben|habe|hat|wurde_|avons|ai|a été|he|hemos|ha|han"),
    "not": re.compile(
        r"n['’]t(?!\w)|(?<!\w)(?:not|never|no|nobody|nothing|neither|nicht|kein\w*|nie|niemand|nichts|pas|rien|jamais"
        r"|personne|nunca|nada|nadie)(?!\w)",
        re.IGNORECASE,
    ),
    "trouble": _any(
        "broke_|break_|missing|lost|wrong_|late|delay_|error_|fail_|leak_|torn|tore|stuck|damag_|crush_|burst|expired"
        "|crash_|burn_|twice|again|still|instead|only|cannot|can't|doesn't|stolen|defekt|kaputt|fehl_|falsch_|gebroch_"
        "|verbog_|löst|undicht_|leider|immer noch"
        "|cassé_|manqu_|erreur_|fuit|dégonfle|impossible|roto|rota|falta_|parad_"
    ),
    "if": _any("if|unless|otherwise|wenn|falls|sonst|si|sinon|si no"),
    "thanks": _any("thank_|thanks|cheers|danke|dank|merci|gracias|perfect|great|lovely|glad"),
    "solved": _any("works|worked|arrived|here|got it|solved|fine|gone|received|angekommen|da|klappt|geht|reçu|llegad_"),
    "greets": _any(
        "hi|hello|hey|hiya|dear|good morning|good afternoon|good evening|guten tag|guten morgen|hallo|sehr geehrte_"
        "|moin|liebe_|bonjour|madame|hola|buenos|buenas|estimad_|kind regards|best regards|regards|mit freundlichen"
        "|viele grüße|cordialement|saludos",
        start=True,
    ),
}
_NAMES = tuple(SIGNS)
PLACES = 9  # columns of place before the signs
OURS, LAST = 7, 4  # columns: written by our side; in the last message


def place_features(conversation: Sequence[Placed]) -> Floats:
    """What place and outer form say of each sentence, float64 (n, PLACES + signs + 1)."""
    return np.array([_form(one) for one in conversation], np.float64)


def _form(one: Placed) -> list[float]:
    last = one.messages - 1 - one.message
    return [
        one.at == 0,
        one.at == one.total - 1,
        one.at / max(1, one.total - 1),
        one.message == 0,
        last == 0,
        last == 1,
        min(last, 5) / 5,
        one.ours,
        one.ours and last == 0,
        *(sign.search(one.text) is not None for sign in SIGNS.values()),
        np.log1p(len(_WORD.findall(one.text))) / 3,
    ]


def kind_features(margins: Floats, placed: Floats) -> Floats:
    """What tells the kind: margins of the words, place and signs, and the signs beside; float64 (n, columns)."""
    ours = placed[:, OURS : OURS + 1]
    acts = placed[:, [PLACES + _NAMES.index(name) for name in ("promises", "asks", "please", "begins")]]
    return np.hstack([margins, placed, acts * ours, beside(placed[:, PLACES:-1], placed[:, 0] == 1)])


def role_features(kinds: Floats, placed: Floats, conversation: Sequence[Placed]) -> Floats:
    """What tells the roles: kinds, place and signs, both together, what stands beside and after, and shared words."""
    request, commitment, ours = kinds[:, :1], kinds[:, 1:2], placed[:, OURS : OURS + 1]
    last = placed[:, LAST : LAST + 1]
    both = np.hstack([request * last, request * ours, commitment * last, commitment * ours, request * (1 - ours)])
    parts = (kinds, placed, both, _after(kinds, placed, conversation), _shared(conversation))
    return np.hstack([*parts, _firsts(kinds, conversation), beside(kinds, placed[:, 0] == 1)])


def beside(rows: Floats, first: NDArray[np.bool_]) -> Floats:
    """The rows before and after each within its message, zero where there is none; float64 (n, 2 columns)."""
    before = np.vstack([np.zeros((1, rows.shape[1])), rows[:-1]])
    after = np.vstack([rows[1:], np.zeros((1, rows.shape[1]))])
    before[first] = 0.0
    after[np.append(first[1:], True)] = 0.0
    return np.hstack([before, after])


def _after(kinds: Floats, placed: Floats, conversation: Sequence[Placed]) -> Floats:
    """What comes after: whether the other side wrote again, and promised or asked back; whether the same side wrote
    again, thanked, or said that it is solved; each also times the chance of a request; float64 (n, 12)."""
    thanks, solved = (placed[:, PLACES + _NAMES.index(name)] for name in ("thanks", "solved"))
    message = np.array([one.message for one in conversation])
    ours = np.array([one.ours for one in conversation])
    found = np.zeros((len(conversation), 6))
    for row in range(len(conversation)):
        later = message > message[row]
        other, same = later & (ours != ours[row]), later & (ours == ours[row])
        found[row] = [
            other.any(),
            kinds[other, 1].max(initial=0.0),
            kinds[other, 0].max(initial=0.0),
            same.any(),
            thanks[same].max(initial=0.0),
            solved[same].max(initial=0.0),
        ]
    return np.hstack([found, found * kinds[:, :1]])


def _shared(conversation: Sequence[Placed]) -> Floats:
    """The share of a sentence's words that the subject has, and that other sentences have, float64 (n, 2)."""
    bags = [_content(one.text) for one in conversation]
    subjects = [_content(one.subject) for one in conversation]
    found = []
    for at, bag in enumerate(bags):
        others = set().union(*(bags[:at] + bags[at + 1 :])) if len(bags) > 1 else set()
        size = max(1, len(bag))
        found.append([len(bag & subjects[at]) / size, len(bag & others) / size])
    return np.array(found, np.float64)


def _firsts(kinds: Floats, conversation: Sequence[Placed]) -> Floats:
    """Whether it is the first request of the conversation, its likeliest, the first fact and the likeliest of its
    message, float64 (n, 4)."""
    best = kinds.argmax(axis=1)
    found = np.zeros((len(conversation), 4))
    for column, kind in ((0, 0), (2, 2)):
        rows = np.flatnonzero(best == kind)
        if len(rows):
            found[rows[0], column] = 1.0
    found[int(kinds[:, 0].argmax()), 1] = 1.0
    messages = np.array([one.message for one in conversation])
    for message in np.unique(messages):
        rows = np.flatnonzero(messages == message)
        found[rows[int((1 - kinds[rows, 3]).argmax())], 3] = 1.0
    return found


def _content(text: str) -> set[str]:
    return {word for word in (found[0].lower() for found in _WORD.finditer(text)) if word not in STOPWORDS}
