"""Messages drawn at random for people to say what their fields are, in a file that they fill in.

What is drawn follows from the messages' names and a secret of the home alone, so that nobody foresees it and no model
has a say; the file shows no answer of ours. Its first line says how it was drawn and seals which messages it holds:
none can be left out afterwards. Here stand the draw and the file; what is made of it stands in `certifying`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
from msgspec.structs import replace

from rightsized.apps.triage.records import Mail
from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen
from rightsized.store import atomic

_AMOUNT = re.compile(r"-?\d{1,12}\.\d\d [A-Z]{3}")
_FORMS = {"amount": "12.50 EUR", "date": "2026-11-30"}
_REDRAW = "Draw another: rightsized triage fields sample FILE."


class Drawn(Frozen, frozen=True):
    """How a sample was drawn: `messages` out of `among`, received from `since` to `until` (seconds since the epoch)."""

    inbox: str
    messages: int
    among: int
    since: float
    until: float
    seal: str = ""


class Row(Frozen, frozen=True):
    """A message of a sample. `read` is set by who has read it; `fields` are then all its values, by field.

    `mail` is what is read for comparison: the message without attachments and headers.
    """

    message: str
    subject: str
    text: str
    mail: Mail
    read: bool = False
    fields: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    def says(self, name: str) -> frozenset[str]:
        """The values of a field, as they are compared."""
        return frozenset(plain(one) for one in self.fields.get(name, ()))


def draw(secret: bytes, mails: Iterable[Mail], count: int) -> list[Mail]:
    """So many messages, a simple random sample: those whose keyed digests are the smallest."""
    return sorted(mails, key=lambda one: _ticket(secret, one.key))[:count]


def write(path: Path, secret: bytes, drawn: Drawn, mails: Sequence[Mail]) -> None:
    """Write the file that people fill in. Raises StoreError."""
    sealed = replace(drawn, seal=_seal(secret, drawn, [one.key for one in mails]))
    rows = [Row(one.key, one.subject, one.written, replace(one, attachments=(), headers={})) for one in mails]
    lines = [msgspec.json.encode(sealed), *map(msgspec.json.encode, rows)]
    atomic.write(path, b"\n".join(lines) + b"\n", mode=atomic.PRIVATE)


def read(path: Path, secret: bytes) -> tuple[Drawn, list[Row]]:
    """A sample that people filled in. Raises DataError: it is not the one that was drawn, or a line cannot be read."""
    lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    try:
        drawn = msgspec.json.decode(lines[0] if lines else b"", type=Drawn)
    except msgspec.MsgspecError as error:
        raise DataError(f"{path.name} is no sample of fields: {error}.", fix=_REDRAW) from None
    rows = [_row(line, f"Line {number} of {path.name}") for number, line in enumerate(lines[1:], 2)]
    if not hmac.compare_digest(drawn.seal, _seal(secret, drawn, [one.message for one in rows])):
        raise DataError(
            f"{path.name} does not hold the messages that were drawn: lines were left out, added or changed in order.",
            fix=f'Leave what nobody has read in it, with "read": false. {_REDRAW}',
        )
    return drawn, rows


def plain(value: str) -> str:
    """A value as it is compared: without blanks, in lower case."""
    return "".join(value.split()).casefold()


def _row(line: bytes, where: str) -> Row:
    try:
        row = msgspec.json.decode(line, type=Row)
    except msgspec.MsgspecError as error:
        raise DataError(f"{where} cannot be used: {error}.", fix='Write "fields": {"order": ["FH-204417"]}.') from None
    if row.mail.key != row.message:
        raise DataError(f"{where} holds another message than it says.", fix=_REDRAW)
    _check(row.fields, where)
    return row


def _check(fields: Mapping[str, Sequence[str]], where: str) -> None:
    """Values whose written form differs from their meaning are given by their meaning. Raises DataError."""
    for name, values in fields.items():
        for one in values:
            if (
                not plain(one)
                or (name == "amount" and not _AMOUNT.fullmatch(one))
                or (name == "date" and _no_date(one))
            ):
                form = _FORMS.get(name, "the value as it stands in the message")
                raise DataError(f"{where}: {one!r} cannot be a value of {name}.", fix=f"Write it so: {form}.")


def _no_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() != value
    except ValueError:
        return True


def _ticket(secret: bytes, key: str) -> bytes:
    return hmac.new(secret, b"fields\0" + key.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def _seal(secret: bytes, drawn: Drawn, keys: Sequence[str]) -> str:
    body = msgspec.json.encode((replace(drawn, seal=""), keys))
    return hmac.new(secret, b"sample of fields\0" + body, hashlib.sha256).hexdigest()
