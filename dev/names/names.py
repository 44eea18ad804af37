"""Names for fitting: those of the train rows, and made-up ones, so that the tagger learns where names stand.

A name is made of syllables with the letters of many European languages, or by a Markov chain over the letters of the
train rows' own names. There is no list of names from elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random

_ONSETS = "b c d f g h j k l m n p r s t v w z br ch cz dr fr gr gy kr ll ny ph pr sch sh sz st th tr zs š č ž ř ñ"
_VOWELS = "a e i o u y aa ai au ea ei ia ie io oo ou á é í ó ö ő ø å ä æ ü ű ê ë ï ã ą ę"
_CODAS = "- - - n r s l k t m nd rt rs ns sz ck tz ski sen son ová ić ez es os is ini elli man berg"  # - is none
_FORMS = (
    "{ORG}",
    "{LAST} {SUFFIX}",
    "{LAST} and {LAST}",
    "{LAST}, {LAST} and {LAST}",
    "{WORD} {SUFFIX}",
    "{ORG} {SUFFIX}",
)
_FORMS += ("University of {LOC}", "{LOC} General Hospital", "Bank of {LOC}", "{LAST} & Sons", "{LOC} City Council")
_SUFFIXES = "Ltd Ltd. Inc Inc. LLC GmbH AG plc PLC S.A. B.V. Corp Corporation Group Partners Bank Holdings Labs Systems"
_ORDER = 3


class Names:
    """Draws names of each kind."""

    def __init__(self, found: dict[str, list[str]], random: Random) -> None:
        self._found = {kind: [n for n in names if not n.startswith(("@", "#"))] for kind, names in found.items()}
        self._random = random
        self._chain: dict[str, list[str]] = defaultdict(list)
        for name in self._found["person"]:
            for word in name.split():
                if word.isalpha() and len(word) > 2:
                    padded = "^" * _ORDER + word.lower() + "$"
                    for i in range(_ORDER, len(padded)):
                        self._chain[padded[i - _ORDER : i]].append(padded[i])

    def word(self) -> str:
        """A made-up capitalised word."""
        if self._random.random() < 0.5:
            return self._markov()
        parts = []
        for _ in range(self._random.choice((1, 2, 2, 3))):
            parts.append(self._random.choice(_ONSETS.split()) + self._random.choice(_VOWELS.split()))
        return ("".join(parts) + self._random.choice(_CODAS.split()).strip("-")).capitalize()

    def person(self) -> str:
        """A whole name: from the train rows, or made up."""
        draw = self._random.random()
        if draw < 0.4:
            return self._random.choice(self._found["person"])
        if draw < 0.5:
            return self.word()
        middle = self._random.choice(("", "", "", f"{self.word()[0]}. ", f"{self.word()[0]} ", f"{self.word()} "))
        last = self.word() if self._random.random() < 0.9 else f"{self.word()}-{self.word()}"
        return f"{self.word()} {middle}{last}"

    def organisation(self) -> str:
        """A whole name of a company or body."""
        if self._random.random() < 0.5:
            return self._random.choice(self._found["organisation"])
        return self.filled(self._random.choice(_FORMS))[0]

    def place(self) -> str:
        """A place: from the train rows, or made up."""
        return self._random.choice(self._found["place"]) if self._random.random() < 0.75 else self.word()

    def filled(self, template: str) -> tuple[str, list[tuple[int, int, str]]]:
        """A template with its slots filled, and the spans (start, end, kind) of the names in it."""
        text, spans = "", []
        for part in template.replace("{", "\0{").replace("}", "}\0").split("\0"):
            if not part.startswith("{"):
                text += part
                continue
            name, kind = self._slot(part)
            if kind:
                spans.append((len(text), len(text) + len(name), kind))
            text += name
        text, spans = _with_handles(text, spans)
        return text, spans

    def _slot(self, slot: str) -> tuple[str, str]:
        made = {
            "{PER}": (self.person, "person"),
            "{FIRST}": (self.word, "person"),
            "{LAST}": (self.word, "person"),
            "{ORG}": (self.organisation, "organisation"),
            "{LOC}": (self.place, "place"),
            "{WORD}": (self.word, ""),
            "{SUFFIX}": (lambda: self._random.choice(_SUFFIXES.split()), ""),
            "{HANDLE}": (self._handle, "person"),
        }
        make, kind = made[slot]
        return make(), kind

    def _handle(self) -> str:
        joint = self._random.choice(("", "_", ""))
        return f"{self.word()}{joint}{self.word()}{self._random.choice(('', '', str(self._random.randrange(100))))}"

    def _markov(self) -> str:
        state, letters = "^" * _ORDER, ""
        while len(letters) < 12:
            drawn = self._random.choice(self._chain[state])
            if drawn == "$":
                break
            letters += drawn
            state = state[1:] + drawn
        return letters.capitalize() if len(letters) > 1 else self._markov()


def _with_handles(text: str, spans: list[tuple[int, int, str]]) -> tuple[str, list[tuple[int, int, str]]]:
    """Spans joined where a first and a last name stand side by side, and begun at the `@` of a handle."""
    joined: list[tuple[int, int, str]] = []
    for start, end, kind in spans:
        start -= int(start > 0 and text[start - 1] == "@")
        if joined and joined[-1][2] == kind == "person" and text[joined[-1][1] : start] in (" ", ", "):
            previous = joined.pop()
            beside = text[previous[1] : start] == " " or text[: previous[0]].endswith("Name: ")
            joined += [(previous[0], end, kind)] if beside else [previous, (start, end, kind)]
        else:
            joined.append((start, end, kind))
    return text, joined
