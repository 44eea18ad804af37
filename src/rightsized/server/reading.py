"""Reads request bodies: bounded in size, of a declared type, decoded strictly."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs

import msgspec

from rightsized.server.problems import RefusedError, late

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T", bound=msgspec.Struct)

JSON_TYPE, FORM_TYPE = b"application/json", b"application/x-www-form-urlencoded"
MAX_FIELDS = 100  # of a form; our own have fewer than ten
MIB = 1 << 20
CLIENT = "rightsized.client"  # in the scope: the Client, where the server knows one
WHOLE = "rightsized.whole"  # in the scope of a request whose body has arrived: it needs no timer
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class Client(Protocol):
    """Whoever sent a request, on a connection that says when it is gone."""

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` once the connection is lost, at once where it is already."""
        ...

    def unwatch(self, gone: Callable[[], None]) -> None:
        """Call it no more."""
        ...


class DisconnectedError(Exception):
    """The client went away before its request was complete; nobody is left to answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The whole body. Raises RefusedError (`payload-too-large`) as soon as it is known, DisconnectedError."""
    declared = headers.get(b"content-length", b"0")
    if len(declared) > 18 or (declared.isdigit() and int(declared) > limit):
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body") and len(body) <= limit:
        return body  # one piece: nearly always
    pieces, size = [body], len(body)
    while message["type"] == "http.request" and message.get("more_body") and size <= limit:
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
    if message["type"] != "http.request":
        raise DisconnectedError
    if size > limit:
        raise _too_large(limit)
    return b"".join(pieces)


def in_time(receive: Receive, seconds: float) -> Receive:
    """`receive`, with `seconds` for the whole body; raises RefusedError (`request-timeout`) after that.

    What comes after the body, the news that the client has gone, may take as long as it likes.
    """
    ends: float | None = None
    whole = False

    async def timed() -> Message:
        nonlocal ends, whole
        if whole:
            return await receive()
        ends = ends or asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise late("body", seconds) from None
        whole = not message.get("more_body")
        return message

    return timed


def _too_large(limit: int) -> RefusedError:
    return RefusedError(
        "payload-too-large",
        f"The body is larger than {limit / MIB:.3g} MiB.",
        fix="Send fewer or shorter texts, or raise [server] max_body_mb.",
        headers={"connection": "close"},  # the rest of the body is not read
    )


def require_type(headers: Mapping[bytes, bytes], expected: bytes) -> None:
    """Raises RefusedError (`unsupported-media-type`) unless the body is plain `expected`."""
    given = headers.get(b"content-type", b"")
    if given.partition(b";")[0].strip().lower() != expected:
        kind = expected.decode()
        raise RefusedError(
            "unsupported-media-type",
            f"The body is declared as {given.decode('latin-1') or 'nothing'!r}; this address takes {kind}.",
            fix=f"Send the header Content-Type: {kind}.",
        )
    if b"content-encoding" in headers:
        coding = headers[b"content-encoding"].decode("latin-1")
        raise RefusedError("unsupported-media-type", f"The body is encoded as {coding!r}.", fix="Send it unencoded.")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body as a struct. Raises RefusedError: `invalid-json`, or `invalid-field`, which names the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        fields = ", ".join(decoder.type.__struct_fields__)
        raise RefusedError("invalid-field", f"{error}.", fix=f"Fields of this request: {fields}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _HALF_PAIR.search(body) and _is_json_of_no_unicode(body):
            detail = "A text in the body holds half a surrogate pair, such as \\ud800, which is no character."
            raise RefusedError("invalid-field", detail, fix="Send whole characters.") from None
        detail = f"The body is not valid JSON: {error}."
        raise RefusedError("invalid-json", detail, fix="Send one JSON object in UTF-8.") from None


def _is_json_of_no_unicode(body: bytes) -> bool:
    """Whether only an escape such as `\\ud800`, which JSON's grammar allows (RFC 8259, section 8.2), is in the way."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def decode_form(body: bytes) -> dict[str, list[str]]:
    """A posted form: the values of each field."""
    try:
        return parse_qs(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise RefusedError("invalid-field", "The form could not be read as UTF-8 fields.") from None
