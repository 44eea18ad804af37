"""What each failure of a server means: for the caller, for another try, and for the breaker.

An HTTP status or the trouble with a connection goes in; `AttemptError` comes out. What a server said is quoted,
cut short, without the key and without what it repeated of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from rightsized.core.errors import ContextLengthError, RightsizedError, UpstreamError, UpstreamTimeoutError
from rightsized.engines.remote.connection import Trouble

QUOTED = 300  # characters of a server's words that are shown
CONTEXT_WORDS = re.compile(
    r"context[_ ]length|exceed_context_size|available context size|maximum context|context window|"
    r"prompt is too long|maximum model length|context the overflows|longer than the maximum",
    re.IGNORECASE,
)
_ECHO = re.compile(r"""['"]?input['"]?\s*:.*""", re.DOTALL)  # validators repeat what they were given


class AttemptError(Exception):
    """An attempt that came to nothing.

    Args:
        error: what the caller gets where nothing else helps.
        again: whether the same server may be asked once more.
        counts: whether it speaks against the server (the breaker counts it).
        reached: whether the server may have begun to work on the request.
    """

    def __init__(self, error: RightsizedError, *, again: bool, counts: bool = True, reached: bool = True) -> None:
        super().__init__(error.message)
        self.error, self.again, self.counts, self.reached = error, again, counts, reached

    @property
    def retry_after(self) -> float | None:
        return self.error.retry_after if isinstance(self.error, UpstreamError) else None


class Speaker(NamedTuple):
    """Who failed, in words, and how to quote it without the key."""

    name: str  # of the tier; its address is nothing that clients need to know
    redact: Callable[[str], str]

    def __str__(self) -> str:
        return f"The server of the tier {self.name!r}"


class _Meaning(NamedTuple):
    says: str
    fix: str = ""
    again: bool = False
    counts: bool = False
    retryable: bool = True  # elsewhere
    reached: bool = True


_PASSING = _Meaning("failed", again=True, counts=True)
_CALLERS = _Meaning("refused the request", retryable=False)
_KEY = _Meaning("does not accept our key", fix="Check key_env or key_file of this tier.")
_STATUSES: dict[int, _Meaning] = {
    401: _KEY,
    402: _Meaning("asks for payment", fix="Check the account that the key of this tier belongs to."),
    403: _KEY,
    404: _Meaning("does not know the model, or the address", fix="Check url (does it end in /v1?) and model."),
    405: _Meaning("does not know the address", fix="Check url (does it end in /v1?)."),
    407: _Meaning("asks for the key of a proxy"),
    408: _Meaning("waited too long for the request", again=True),
    409: _Meaning("was in conflict", again=True),
    421: _Meaning("is another than the one asked for", fix="Check url."),
    425: _Meaning("was asked too early", again=True),
    429: _Meaning("asks to be left alone for a while", again=True, reached=False),
    501: _Meaning("cannot do that", fix="Name another tier."),
    503: _Meaning("is overloaded", again=True, counts=True, reached=False),
    529: _Meaning("is overloaded", again=True, counts=True, reached=False),
}
_SPENT = _Meaning("says that our account has used up what it may", fix="Check the account that the key belongs to.")


def from_status(speaker: Speaker, status: int, headers: Mapping[str, str], raw: bytes) -> AttemptError:
    """What an HTTP status other than success means."""
    if 300 <= status < 400:
        target = urlsplit(headers.get("Location", "")).hostname or "another address"
        error = UpstreamError(
            f"{speaker} sends us to {_plain(target)[:QUOTED]} (HTTP {status}); redirects are not followed.",
            fix="Set url to where it is.",
            upstream_status=status,
        )
        return AttemptError(error, again=False, counts=False)
    words, code = said(raw)
    return from_words(speaker, status, words, code, wait=retry_after(headers))


def from_words(speaker: Speaker, status: int, words: str, code: str = "", *, wait: float | None = None) -> AttemptError:
    """What a server means by a status and its words. Status 0: it said so inside an answer, without one."""
    quoted = quote(speaker, words)
    if status in (0, 400, 413, 422, 500) and CONTEXT_WORDS.search(f"{code} {words}"):
        too_long = ContextLengthError(
            f"The prompt is too long for the tier {speaker.name!r}.{quoted}", fix="Shorten it, or name another tier."
        )
        too_long.quoted = quoted
        return AttemptError(too_long, again=False, counts=False)
    meaning = _meaning(status, code)
    where = f"HTTP {status}" if status else "in its answer"
    error = UpstreamError(
        f"{speaker} {meaning.says} ({where}).{'' if meaning is _KEY else quoted}",
        fix=meaning.fix,
        upstream_status=status,
        retryable=meaning.retryable,
        retry_after=wait,
    )
    error.quoted = "" if meaning is _KEY else quoted
    return AttemptError(error, again=meaning.again, counts=meaning.counts, reached=meaning.reached)


def _meaning(status: int, code: str) -> _Meaning:
    if status == 429 and "insufficient_quota" in code:
        return _SPENT
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500 or (status == 0 and "invalid_request" in code):
        return _CALLERS
    return _PASSING


def said(raw: bytes) -> tuple[str, str]:
    """A server's words and its code for the error, out of any of the shapes that servers use."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = raw.decode("utf-8", "replace").strip()
        return ("a web page" if text[:1] == "<" else text), ""
    return words_in(body)


def words_in(body: Any) -> tuple[str, str]:
    """The same, of an object: OpenAI's {error: {message, type, code}}, {error: "..."}, vLLM's and FastAPI's."""
    if not isinstance(body, dict):
        return "", ""
    found = body.get("error") or body
    if not isinstance(found, dict):
        return str(found), ""
    words = found.get("message") or found.get("detail") or ""
    if isinstance(words, list):  # FastAPI: where it is wrong, and what; `input` repeats the prompt
        words = "; ".join(f"{_place(item.get('loc'))}: {item.get('msg')}" for item in words if isinstance(item, dict))
    return str(words), " ".join(str(found[k]) for k in ("code", "type") if found.get(k))


def status_in(body: Any) -> int:
    """The HTTP status that an error inside an answer names, or 0."""
    found = body.get("error") if isinstance(body, dict) else None
    code = found.get("code") if isinstance(found, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 0


def _place(location: Any) -> str:
    return ".".join(map(str, location)) if isinstance(location, list) else "request"


def quote(speaker: Speaker, words: str) -> str:
    """What is put behind a message: a server's words in quotes, bounded, without key, prompt and control characters.

    Empty where nothing was said.
    """
    shown = _plain(_ECHO.sub("...", speaker.redact(words)))
    if not shown:
        return ""
    return f' It says: "{shown[:QUOTED]}{"..." if len(shown) > QUOTED else ""}".'


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks for: Retry-After (RFC 9110, 10.2.3: seconds or a date), or OpenAI's retry-after-ms."""
    milliseconds, value = headers.get("retry-after-ms", ""), headers.get("Retry-After", "").strip()
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        return max(0.0, float(value)) if value else None
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


_TROUBLES: dict[Trouble, _Meaning] = {
    Trouble.CERTIFICATE: _Meaning(
        "shows a certificate that cannot be trusted",
        counts=True,
        fix="Name its certificate authority with options.ca_file.",
        reached=False,
    ),
    Trouble.TLS: _Meaning(
        "cannot be spoken to over TLS", fix="Check http:// or https:// in url.", counts=True, reached=False
    ),
    Trouble.NAME: _Meaning(
        "has an address that cannot be found", fix="Check url.", again=True, counts=True, reached=False
    ),
    Trouble.REFUSED: _Meaning(
        "does not take connections", fix="Is it running?", again=True, counts=True, reached=False
    ),
    Trouble.NOT_TAKEN: _Meaning(
        "did not take a connection in time (connect_s)", again=True, counts=True, reached=False
    ),
    Trouble.SILENT: _Meaning("was silent for too long (first_byte_s)", counts=True),
    Trouble.CUT_OFF: _Meaning("broke off in the middle of its answer", again=True, counts=True),
    Trouble.NOT_HTTP: _Meaning("answered something that is not HTTP", counts=True),
    Trouble.CLOSED: _Meaning("closed the connection without an answer", again=True, counts=True),
}
_TOO_SLOW = frozenset((Trouble.NOT_TAKEN, Trouble.SILENT))


def from_trouble(speaker: Speaker, trouble: Trouble) -> AttemptError:
    """What became of a connection, as a failure. It is not chained: its context may hold our headers."""
    meaning = _TROUBLES[trouble]
    kind = UpstreamTimeoutError if trouble in _TOO_SLOW else UpstreamError
    return AttemptError(
        kind(f"{speaker} {meaning.says}.", fix=meaning.fix),
        again=meaning.again,
        counts=meaning.counts,
        reached=meaning.reached,
    )


def nonsense(speaker: Speaker, what: str, *, again: bool = True) -> AttemptError:
    """An answer that is not what was asked for: `what` follows the server's name."""
    return AttemptError(UpstreamError(f"{speaker} {what}."), again=again)


def too_late(speaker: Speaker, limit: str, *, counts: bool) -> AttemptError:
    """The time for the whole answer is over; `limit` names whose."""
    return AttemptError(
        UpstreamTimeoutError(f"{speaker} did not finish in time ({limit})."), again=False, counts=counts
    )
