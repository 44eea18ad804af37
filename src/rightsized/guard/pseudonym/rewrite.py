"""From a request to one that may leave: texts gathered, searched, and written again with placeholders.

All texts are searched before any is changed, so that what is found in one is hidden in all. What is sent is looked
through once more: a value that is still there stops the request.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple

from rightsized.core.errors import BusyError, EgressDeniedError, UnsupportedError
from rightsized.core.generation import Generation
from rightsized.core.pii import Detector, Findings
from rightsized.core.pseudonyms import PseudonymConfig
from rightsized.guard.instructions import instructed
from rightsized.guard.pseudonym.fields import Visit, rewritten
from rightsized.guard.pseudonym.occurrences import Known, Span, merged
from rightsized.guard.pseudonym.placeholders import ALPHABET, CODE_CHARS, LABEL_CHARS
from rightsized.guard.pseudonym.vault import Vault

_PLACEHOLDER = re.compile(rf"[A-Z]{{1,{LABEL_CHARS}}}_[{ALPHABET}]{{{CODE_CHARS}}}")
USER = "user"  # type of what names a person by its place: `user`, `name`
NOTE = (
    "Some values in this conversation were replaced by placeholders such as {example}. Treat each as the value it "
    "stands for, and copy it exactly, character by character, wherever you would write that value."
)


class Sent(NamedTuple):
    """What may leave, and what is needed to read the answer.

    `texts` are those of the original request.
    """

    body: dict[str, Any]
    vault: Vault
    texts: tuple[str, ...]


async def hide(generation: Generation, detector: Detector, config: PseudonymConfig, naming: bytes | None) -> Sent:
    """The request with placeholders. Raises EgressDeniedError and UnsupportedError: then nothing may leave."""
    texts: dict[str, None] = {}
    people: dict[str, None] = {}
    gather = Visit(_gathering(texts), _gathering(people))
    rewritten(generation, gather)
    found = await asyncio.to_thread(_search, detector, tuple(texts))
    spans = {text: _kept(text, one, config) for text, one in found.items()}
    return _Writer(spans, tuple(people), Vault(naming)).write(generation, config)


def _gathering(into: dict[str, None]) -> Any:
    def keep(text: str) -> str:
        into[text] = None
        return text

    return keep


def _search(detector: Detector, texts: tuple[str, ...]) -> dict[str, Findings]:
    """What is personal in each text. Raises EgressDeniedError where that cannot be told for certain."""
    try:
        found = {text: detector.detect(text) for text in texts}
    except BusyError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, what was not searched must not leave
        why = type(error).__name__
    else:
        failures = [name for one in found.values() for name in one.failures]
        if not failures:
            return found
        why = failures[0]
    raise EgressDeniedError(
        f"Personal data could not be looked for ({why[:80]}), so nothing was sent.",
        fix="Run: rightsized doctor. Tiers on this machine need no pseudonymising.",
    )


def _kept(text: str, found: Findings, config: PseudonymConfig) -> list[Span]:
    """The places to hide. Raises EgressDeniedError for a place that is not in the text."""
    spans = [Span(one.start, one.end, one.type) for one in found.found if one.type not in config.keep]
    if not all(0 <= span.start < span.end <= len(text) for span in spans):
        raise EgressDeniedError("The detector named a place outside the text, so nothing was sent.")
    return merged(spans)


class _Writer:
    """Writes one request again."""

    def __init__(self, spans: dict[str, list[Span]], people: tuple[str, ...], vault: Vault) -> None:
        self._spans, self._vault, self._people = spans, vault, people
        self._made: dict[str, str] = {}  # value -> placeholder, while the request is written
        values = [(text[s.start : s.end], s.kind) for text, found in spans.items() for s in found]
        self._known = Known({**dict.fromkeys(people, USER), **dict(values)}.items())
        self._upper = "\n".join((*spans, *people)).upper()

    def write(self, generation: Generation, config: PseudonymConfig) -> Sent:
        body = rewritten(generation, Visit(self._text, self._person))
        texts = (*self._spans, *self._people)
        if not len(self._vault):
            return Sent(generation.body, self._vault, texts)
        self._check(generation, body)
        if generation.operation == "embeddings":
            return Sent(_without_codes(body, self._vault), self._vault, texts)
        if generation.operation == "chat" and config.note:
            body["messages"] = instructed(body["messages"], NOTE.format(example=next(iter(self._vault))))
        return Sent(body, self._vault, texts)

    def _text(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for start, end, kind in merged([*self._spans[text], *self._known.find(text)]):
            parts += (text[at:start], self._hidden(text[start:end], kind))
            at = end
        return "".join((*parts, text[at:])) if parts else text

    def _person(self, name: str) -> str:
        return self._hidden(name, USER) if name else name

    def _hidden(self, value: str, kind: str) -> str:
        placeholder = self._made.get(value)
        if placeholder is None:
            placeholder = self._made[value] = self._vault.hide(value, kind, self._taken)
        return placeholder

    def _taken(self, code: str) -> bool:
        """Whether a code stands in the request already: what the client wrote itself is never replaced."""
        return code in self._upper

    def _check(self, generation: Generation, body: dict[str, Any]) -> None:
        """A last look at what would leave. Raises EgressDeniedError, UnsupportedError."""
        left: dict[str, None] = {}
        look = Visit(_gathering(left), _gathering(left))
        rewritten(Generation(generation.operation, body), look)
        if any(self._known.find(text) for text in left):
            raise EgressDeniedError("A value was still there after pseudonymising, so nothing was sent.")
        stop = body.get("stop")
        stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
        if any(one and one in name and one != name for one in stops for name in self._vault):
            raise UnsupportedError(
                "A stop sequence of this request would cut placeholders in two.",
                fix="Use a longer stop sequence, or a tier without pseudonymise.",
            )


def _without_codes(body: dict[str, Any], vault: Vault) -> dict[str, Any]:
    """Labels alone, for vectors: nothing has to come back, and the same text must give the same vector each time."""
    names = {name: name.rpartition("_")[0] for name in vault}

    def bare(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: names.get(found[0], found[0]), text)

    return rewritten(Generation("embeddings", body), Visit(bare, bare))
