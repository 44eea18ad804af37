"""Messages that another system sends: a signed request as an arrival. It listens nowhere: whoever serves HTTP asks it.

Signed as web hooks are (Standard Webhooks 1.0). The body is a mail as it is (`message/rfc822`), or JSON with `subject`,
`text`, `sender`, and what else is known: `id`, `to`, `received` (ISO 8601 or seconds), `thread`. A sender that gets no
answer sends it again under the same `webhook-id`, which is the message's place: it is taken in once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rightsized.apps.triage.actions.secrets import read_secret
from rightsized.apps.triage.actions.signing import key_of, verify
from rightsized.apps.triage.inbox.rows import Columns, mail_of
from rightsized.apps.triage.protocols import Arrival
from rightsized.core.errors import ConfigError, InputError
from rightsized.core.tables import read_table

SOURCE = "webhook:"  # the name of the source of these messages
MAIL = "message/rfc822"
_COLUMNS: Columns = {name: at for at, name in enumerate(("id", "subject", "text", "sender", "to", "date", "thread"))}


class WebhookIntake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of a source `webhook:`: with what its requests are signed. Two secrets while one is replaced."""

    secret_env: str = ""  # environment variable that holds the secret, whsec_ and base64
    secret_file: str = ""  # file that holds it
    old_secret_env: str = ""  # the one before, still taken
    old_secret_file: str = ""

    def keys(self) -> tuple[bytes, ...]:
        """The keys, the newest first. Raises ConfigError."""
        new = key_of(read_secret(self.secret_env, self.secret_file, "secret of the source webhook:"))
        if not (self.old_secret_env or self.old_secret_file):
            return (new,)
        old = read_secret(self.old_secret_env, self.old_secret_file, "old_secret of the source webhook:")
        return (new, key_of(old))


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message as JSON."""

    subject: str = ""
    text: str = ""
    sender: str = ""
    to: str = ""
    id: str = ""
    thread: str = ""
    received: str | int | float = ""


def read_intake(options: Mapping[str, object]) -> WebhookIntake:
    """The options of the source `webhook:`. Raises ConfigError with the nearest known key."""
    return read_table(WebhookIntake, dict(options), "the options of webhook:")


def arrival_of(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float, max_bytes: int) -> Arrival:
    """The message of a request.

    Args:
        keys: those that it may be signed with.
        headers: of the request, in any case.
        now: seconds since the epoch.
        max_bytes: a larger mail arrives as one that cannot be read.
    Raises:
        UnauthorizedError: it is not signed by one of the keys, or too long ago.
        InputError: it is signed, and holds no message.
    """
    if not keys:
        raise ConfigError("No secret is known for messages that are sent here.", fix="Set secret_env of webhook:.")
    plain = {name.lower(): value for name, value in headers.items()}
    place = verify(keys, plain, body, now)
    if len(body) > max_bytes:
        said = f"The message has {len(body):,} bytes; the largest that is read has {max_bytes:,}."
        return Arrival(place, received=now, error=said)
    if plain.get("content-type", "").partition(";")[0].strip().lower() == MAIL:
        return Arrival(place, body, received=now)
    try:
        sent = msgspec.json.decode(body, type=Sent)
    except msgspec.DecodeError as error:
        raise InputError(f"The request holds no message: {error}.", fix=f"Send JSON, or a mail as {MAIL}.") from None
    if not sent.subject.strip() and not sent.text.strip():
        raise InputError("The message has neither subject nor text.")
    date = str(sent.received)
    row = [sent.id or f"{SOURCE}{place}", sent.subject, sent.text, sent.sender, sent.to, date, sent.thread]
    mail = mail_of(row, _COLUMNS, place, "")
    mail = msgspec.structs.replace(mail, received=mail.received or now, message_id=mail.message_id if sent.id else "")
    return Arrival(place, mail=mail, received=mail.received)
