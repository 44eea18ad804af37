"""Header fields of mail as they come: encoded words (RFC 2047), raw bytes, broken addresses, dates of every shape.

Nothing here raises on account of what a header holds. Time grows with its length, and lengths are bounded.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from datetime import UTC
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from inspect import signature

from rightsized.parsers import mime
from rightsized.parsers.draft import single_line
from rightsized.parsers.encodings import clean, decode

MOST_ADDRESSES = 500
_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]{1,64}@[^\s<>()\[\],;:\"]{1,255}")
_ID = re.compile(r"<([^<>\s]{1,998})>")
# Since Python 3.11.10 a list with one bad address is refused whole unless this is given.
_LENIENT = {"strict": False} if "strict" in signature(getaddresses).parameters else {}


def values(message: Message, name: str) -> list[str]:
    """Every value of a field as it was written, bytes beyond ASCII decoded by what they look like."""
    wanted = name.lower()
    return [_text(str(value)[: mime.LONGEST_FIELD]) for key, value in message.raw_items() if key.lower() == wanted]


def header(message: Message, name: str) -> str:
    """A field's first value with its encoded words decoded; empty where there is none."""
    return next((decoded(value) for value in values(message, name)), "")


def decoded(value: str) -> str:
    """A field's value with its encoded words (RFC 2047) decoded. Neighbours of one charset are decoded together: some
    writers cut in the middle of a character."""
    found, last, run, charset = list[str](), 0, b"", ""
    for match in _WORD.finditer(value):
        between = value[last : match.start()]
        content = _bytes(match[2], match[3])
        if content is None:
            continue
        name = match[1].partition("*")[0].lower()  # RFC 2231 adds a language behind a star
        if run and (between.strip() or name != charset):
            found.append(decode(run, charset).text)
            run = b""
        if between.strip() or not last:
            found.append(between)
        run, charset, last = run + content, name, match.end()
    if run:
        found.append(decode(run, charset).text)
    return clean("".join([*found, value[last:]])).strip()


def addresses(message: Message, name: str) -> list[tuple[str, str]]:
    """(name shown, address) of a field's mailboxes, in order; either may be empty."""
    given = values(message, name)
    try:
        pairs = getaddresses(given, **_LENIENT)[:MOST_ADDRESSES]
    except (RecursionError, ValueError, IndexError):  # comments within comments, brackets without an end
        pairs = [("", address) for value in given for address in _ADDRESS.findall(value)[:MOST_ADDRESSES]]
    found = [(single_line(decoded(shown)), single_line(decoded(address))) for shown, address in pairs]
    kept = [pair for pair in found if any(pair)]
    if not any("@" in address for _, address in kept):  # what the parser made of it is no address
        kept = [("", one) for value in given for one in _ADDRESS.findall(value)[:MOST_ADDRESSES]] or kept
    return kept


def identifiers(message: Message, name: str) -> Iterator[str]:
    """The message identifiers `<...>` of a field, without brackets, in order; a lone word counts where none has any."""
    for value in values(message, name):
        found = _ID.findall(value)
        yield from found or [word for word in value.split()[:1] if "@" in word]


def date(message: Message) -> float | None:
    """When it says it was sent, seconds since the epoch; None where that cannot be read."""
    try:
        when = parsedate_to_datetime(header(message, "date"))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, RecursionError):
        return None


def filename(part: Message) -> str:
    """The name of an attachment, without folders; empty where it has none."""
    name = mime.parameter(part, "filename", "content-disposition") or mime.parameter(part, "name")
    return single_line(decoded(_text(name))).replace("\\", "/").rpartition("/")[2][:255]


def charset(part: Message) -> str:
    """The charset that a part says it is in; empty where it says none."""
    return parameter(part, "charset")


def parameter(part: Message, name: str) -> str:
    """A parameter of the content type, lower case; empty where there is none."""
    return mime.parameter(part, name).strip().lower()


def _text(value: str) -> str:
    """A header with bytes beyond ASCII (kept as lone surrogates by the parser) as text."""
    if value.isascii():
        return value
    try:
        return decode(value.encode("ascii", "surrogateescape")).text
    except UnicodeEncodeError:  # decoded already
        return clean(value)


def _bytes(encoding: str, text: str) -> bytes | None:
    """The bytes of an encoded word; None where they cannot be told: it then stays as written."""
    raw = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(raw, header=True)
    for padding in (b"", b"=", b"=="):
        try:
            return binascii.a2b_base64(raw + padding)
        except binascii.Error:
            continue
    return None
