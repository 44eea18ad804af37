"""All fields of a message, with exact offsets in its subject and body.

Looked at is what was written for this message; telephone numbers and addresses also in its signature. Of findings that
overlap one stays: a number with check digits before a pattern, one's own pattern before ours, a pattern before a model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import phonenumbers

from rightsized.apps.triage.fields.amounts import amounts
from rightsized.apps.triage.fields.dates import dates
from rightsized.apps.triage.fields.finding import Found, disjoint
from rightsized.apps.triage.fields.names import NameList
from rightsized.apps.triage.fields.numbers import numbers
from rightsized.apps.triage.fields.settings import FieldSettings, compiled
from rightsized.apps.triage.records import Extracted, Mail, Place
from rightsized.core import registry
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import GROUP, Recogniser
from rightsized.guard.pii.view import View

MOST_CHARS = 20_000  # of one stretch of a message
MOST_FIELDS = 200  # of one message
RANK_OWN, RANK_CONTACT, RANK_MODEL = 60, 70, 10
_CONTACTS = {"email": "email", "phone": "phones", "iban": "bank"}  # field -> recogniser
_IN_SIGNATURES = frozenset({"email", "phone"})

TokenModel = Callable[[str], Sequence[Found]]  # what a fitted model of tokens finds in a text


class _Stretch(NamedTuple):
    place: Place
    start: int
    text: str
    signature: bool = False


class Extractor:
    """Finds the fields of messages as the settings say. May be used by several threads.

    Args:
        model: a fitted model of tokens, where there is one.
    Raises:
        ConfigError: a pattern cannot be used.
    """

    def __init__(self, settings: FieldSettings | None = None, model: TokenModel | None = None) -> None:
        self.settings = settings or FieldSettings()
        wanted = self.settings
        self._own = [
            (name, compiled(one, f"the pattern of {name!r}"))
            for name, given in wanted.patterns.items()
            for one in given
        ]
        self._lists = [NameList(name, names, fuzzy=wanted.fuzzy) for name, names in wanted.lists.items()]
        config = PiiConfig(regions=(wanted.region, *(one for one in PiiConfig().regions if one != wanted.region)))
        used = dict.fromkeys(one for field, one in _CONTACTS.items() if field not in wanted.off)
        self._recognisers: list[Recogniser] = [registry.resolve(GROUP, name)(config) for name in used]
        self._model = model if wanted.model else None

    def __call__(self, mail: Mail) -> tuple[Extracted, ...]:
        """The fields of a message: those of the subject, then those of the body in their order."""
        found: list[Extracted] = []
        for stretch in filter(lambda one: one.text, self._stretches(mail)):
            for one in disjoint(self._found(stretch, mail)):
                start, end = stretch.start + one.start, stretch.start + one.end
                text = stretch.text[one.start : one.end]
                found.append(Extracted(one.name, one.value, text, start, end, stretch.place, one.by, one.confidence))
        return tuple(found[:MOST_FIELDS])

    def _stretches(self, mail: Mail) -> Iterator[_Stretch]:
        yield _Stretch("subject", 0, mail.subject[:MOST_CHARS])
        spans = [(one, False) for one in mail.fresh] + [(one, True) for one in mail.signature]
        spans += [(one, False) for one in mail.quoted] if self.settings.quoted else []
        for span, signature in sorted(spans, key=lambda one: one[0].start):
            yield _Stretch(
                "body", span.start, mail.body[span.start : min(span.end, span.start + MOST_CHARS)], signature
            )

    def _found(self, stretch: _Stretch, mail: Mail) -> Iterator[Found]:
        off = self.settings.off
        for one in self._all(stretch, mail):
            if one.name not in off and (not stretch.signature or one.name in _IN_SIGNATURES):
                yield one

    def _all(self, stretch: _Stretch, mail: Mail) -> Iterator[Found]:
        text = stretch.text
        yield from self._contacts(text)
        if stretch.signature:
            return
        for name, pattern in self._own:
            for match in pattern.finditer(text):
                group = "value" if match.re.groupindex.get("value") and match["value"] is not None else 0
                if match.end(group) > match.start(group):
                    yield Found(name, *match.span(group), match[group], 1.0, rank=RANK_OWN)
        yield from numbers(text)
        yield from amounts(text)
        when = mail.date or mail.received or None
        yield from dates(text, when, day_first=self.settings.day_first, language=mail.language)
        for names in self._lists:
            yield from names.find(text)
        if self._model is not None:
            yield from (one._replace(by="model", rank=RANK_MODEL) for one in self._model(text))

    def _contacts(self, text: str) -> Iterator[Found]:
        view = View(text)
        for recogniser in self._recognisers:
            for hit in recogniser.find(view):
                if hit.type in _CONTACTS:
                    start, end = view.place(hit.start, hit.end)
                    value = self._normalised(hit.type, text[start:end])
                    yield Found(hit.type, start, end, value, hit.score, rank=RANK_CONTACT if hit.score > 0.8 else 5)

    def _normalised(self, kind: str, text: str) -> str:
        if kind == "iban":
            return re.sub(r"[^A-Z0-9]", "", text.upper())
        if kind == "email":
            return text.lower()
        try:
            number = phonenumbers.parse(text, self.settings.region)
        except phonenumbers.NumberParseException:
            return re.sub(r"[^\d+]", "", text)
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def extract(mail: Mail, settings: FieldSettings | None = None) -> tuple[Extracted, ...]:
    """The fields of one message; `Extractor` is quicker for many."""
    return Extractor(settings)(mail)
