"""What the header fields of a request say beside its body: data class, region, conversation, patience, and who asks."""

from __future__ import annotations

import math
import time
from typing import NamedTuple, cast

import msgspec

from rightsized.core.generation import DATA_CLASSES, Caller, DataClass
from rightsized.core.tiers import GatewayConfig
from rightsized.core.types import Begun, Reply
from rightsized.server.openai.errors import InvalidError
from rightsized.server.openai.exchange import Headers
from rightsized.server.reading import Scope

DATA_CLASS, REGION = b"x-rightsized-data-class", b"x-rightsized-region"
CONVERSATION, TIMEOUT = b"x-rightsized-conversation", b"x-rightsized-timeout"
PROVENANCE = b"x-rightsized-provenance"
SUBJECT = b"x-rightsized-subject"
PREFIX = b"x-rightsized-"
OURS = (DATA_CLASS, REGION, CONVERSATION, TIMEOUT, PROVENANCE, SUBJECT)
MAX_FIELD = 200  # bytes of one of our header fields
CALLER = "rightsized.caller"  # where the check of API keys leaves who asks


class Asked(NamedTuple):
    """What binds the answer. `deadline` is on `time.monotonic()`'s clock; nobody vouches for `untrusted` content."""

    caller: Caller
    data_class: DataClass
    region: str
    conversation: str
    deadline: float
    untrusted: bool = False


def read(scope: Scope, config: GatewayConfig) -> Asked:
    """The request's own wishes, within what the settings allow. Raises InvalidError, which names the header field."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name.startswith(PREFIX):
            found[name] = _text(name, value, found)
    caller = scope.get(CALLER) or Caller()
    return Asked(
        caller=about(caller, found.get(SUBJECT, "")),
        data_class=_data_class(found.get(DATA_CLASS), caller.data_class or config.data_class),
        region=_region(found.get(REGION, "")),
        conversation=found.get(CONVERSATION, ""),
        deadline=time.monotonic() + _seconds(found.get(TIMEOUT), config.timeout_s),
        untrusted=_untrusted(found.get(PROVENANCE, "trusted")),
    )


def about(caller: Caller, subject: str) -> Caller:
    """The caller with the person whom the request is about."""
    return msgspec.structs.replace(caller, subject=subject) if subject else caller


def _text(name: bytes, value: bytes, found: dict[bytes, str]) -> str:
    shown = _shown(name)
    if name not in OURS:  # a slip in the name of a rule must not undo the rule
        known = ", ".join(map(_shown, OURS))
        raise InvalidError(f"There is no header {shown}. There are {known}.", shown)
    if name in found:
        raise InvalidError(f"The header {shown} is there twice.", shown)
    try:
        text = value.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InvalidError(f"The header {shown} is not UTF-8.", shown) from None
    if not text or len(value) > MAX_FIELD or not text.isprintable():
        raise InvalidError(f"The header {shown} must be 1 to {MAX_FIELD} printable bytes.", shown)
    return text


def _data_class(text: str | None, undeclared: DataClass) -> DataClass:
    if text is None:
        return undeclared
    if text.lower() not in DATA_CLASSES:
        known = ", ".join(DATA_CLASSES)
        raise InvalidError(f"{text!r} is no data class. Data classes: {known}.", _shown(DATA_CLASS))
    return cast("DataClass", text.lower())


def _untrusted(text: str) -> bool:
    if text.lower() not in ("trusted", "untrusted"):
        raise InvalidError(f"{text!r} is no provenance: trusted or untrusted.", _shown(PROVENANCE))
    return text.lower() == "untrusted"


def _region(text: str) -> str:
    if not all(c.isalnum() or c in "-_." for c in text):
        raise InvalidError(f"{text!r} is no name of a region: letters, digits, - _ and dots.", _shown(REGION))
    return text


def _seconds(text: str | None, longest: float) -> float:
    if text is None:
        return longest
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidError(f"{text!r} is no number of seconds above 0.", _shown(TIMEOUT))
    return min(seconds, longest)


def _shown(name: bytes) -> str:
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))


def answered_by(answer: Reply | Begun) -> Headers:
    """The header fields that say who answered, under which decision, and whether a certificate covers it.

    `x-rightsized-steps` says that a chat too long for every tier was read in parts, and in how many steps.
    OpenAI's clients show `x-request-id` with every answer and every failure; it is the decision's id as well.
    """
    decision = answer.id.encode("latin-1", "replace")
    steps = [(b"x-rightsized-steps", b"%d" % answer.steps)] if answer.steps > 1 else []
    return [
        *steps,
        (b"x-request-id", decision),
        (b"x-rightsized-decision", decision),
        (b"x-rightsized-tier", b"%d" % answer.tier),
        (b"x-rightsized-rung", answer.rung.encode("latin-1", "replace")),
        (b"x-rightsized-state", b"certified" if answer.certified else b"uncertified"),
    ]
