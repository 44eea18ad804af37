"""Forwards messages by SMTP: to the address of a rule, with the sender's words and a reply address of theirs.

So that no loop starts: a forward says that a machine sent it (Auto-Submitted, RFC 3834), bounces go nowhere, and what
was forwarded from here once is not forwarded again. It never goes to whom the message came from, nor to the address
that it came in by. Its Message-ID is made of the action's token: sent twice, mail programs show it once.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any, Literal

import msgspec

from rightsized.apps.triage.actions.secrets import read_secret
from rightsized.apps.triage.protocols import Done
from rightsized.apps.triage.records import Action, Handled, Mail
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, EgressDeniedError, InputError, UpstreamError
from rightsized.core.net import is_loopback
from rightsized.core.tables import read_table

PORTS = {"starttls": 587, "tls": 465, "plain": 25}
MARK = "rightsized.forward."  # how the Message-ID of a forward begins
MOST_TEXT = 1_000_000  # characters that are sent on
PERMANENT = 500  # a reply of SMTP from here on will not change (RFC 5321, section 4.2.1)
_OURS = frozenset({530, 534, 535, 538})  # who we are was refused: nothing is wrong with the message


class SmtpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How mail is sent, and to whom it may go."""

    host: str
    sender: str  # our own address, such as support@example.com
    allow: tuple[str, ...]  # domains and addresses that messages may be forwarded to: example.com, ann@example.net
    security: Literal["starttls", "tls", "plain"] = "starttls"  # plain: loopback only
    port: int = 0  # 0: 587, 465 or 25, by security
    user: str = ""  # empty: nobody logs in
    password_env: str = ""  # environment variable that holds the password
    password_file: str = ""  # file that holds it
    ca: str = ""  # file of further certificate authorities
    timeout_s: float = 30.0


class SmtpDesk:
    """Implements `Desk`. What was sent cannot be taken back."""

    name = "smtp"

    def __init__(self, options: SmtpOptions, egress: Egress | None) -> None:
        if egress is None:
            raise EgressDeniedError(f"Forwarding connects to {options.host!r}, and nothing may connect here.")
        self._options, self._egress = options, egress
        self._domain = options.sender.rpartition("@")[2]

    def takes(self, action: Action) -> bool:
        """See `Desk`."""
        return action.kind == "forward"

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        """See `Desk`. Raises InputError, UpstreamError, ConfigError, EgressDeniedError."""
        target = action.value.strip().lower()
        self._check(target, mail)
        made = forward_of(mail, handled, self._options.sender, target, f"{MARK}{token}@{self._domain}")
        await asyncio.to_thread(self._send, made, target)
        return Done(f"forwarded to {target} as <{MARK}{token}@{self._domain}>")

    def _check(self, target: str, mail: Mail) -> None:
        """Whether it may go there. Raises InputError."""
        domain = target.rpartition("@")[2]
        if not {target, domain} & {one.lower().lstrip("@") for one in self._options.allow}:
            raise InputError(f"{target} is not among those that mail may be forwarded to.", fix="Add it to allow.")
        came_from = {one.address for one in (mail.sender, *mail.reply_to)}
        came_to = {one.address for one in (*mail.to, *mail.cc)} | {mail.headers.get("delivered-to", "").lower()}
        if target in came_from:
            raise InputError(f"{target} sent the message: it is not forwarded back.")
        if target in came_to or target == self._options.sender.lower():
            raise InputError(f"The message came in by {target}: to forward it there would make a loop.")
        if any(one.strip("<>").startswith(MARK) for one in (mail.message_id, mail.key)) or (
            mail.automatic and any(MARK in one for one in (*mail.references, mail.in_reply_to))
        ):
            raise InputError("The message was forwarded from here before: it is not forwarded again.")
        if mail.automatic == "bounce":
            raise InputError("The message is a bounce: bounces are not forwarded.")

    def _send(self, made: EmailMessage, target: str) -> None:
        options = self._options
        try:
            with self._egress.connecting(options.host, "Forwarding mail"):
                client = self._connected()
            with client:
                if options.user:
                    secret = read_secret(options.password_env, options.password_file, "password of the desk smtp")
                    client.login(options.user, secret)
                client.send_message(made, options.sender, [target])  # a bounce comes to the inbox, where it is seen
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _refused(code, said) from None
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from None
        except ssl.SSLError as error:
            raise UpstreamError(f"The mail server {options.host} cannot be trusted: {error.reason}.") from None
        except smtplib.SMTPNotSupportedError:
            raise ConfigError(
                f"The mail server {options.host} offers no encryption or no login.", fix="See security and user."
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise UpstreamError(f"The mail server {options.host} cannot be reached: {why}.") from None

    def _connected(self) -> smtplib.SMTP:
        options, security = self._options, self._options.security
        port, name = options.port or PORTS[security], self._domain
        context = ssl.create_default_context(cafile=options.ca or None)
        if security == "tls":
            return smtplib.SMTP_SSL(options.host, port, name, timeout=options.timeout_s, context=context)
        client = smtplib.SMTP(options.host, port, name, timeout=options.timeout_s)
        if security == "starttls":
            try:
                client.starttls(context=context)
            except BaseException:
                client.close()
                raise
        return client


def forward_of(mail: Mail, handled: Handled, sender: str, target: str, identity: str) -> EmailMessage:
    """The message as it is sent on: why, whose it is, and its words."""
    made = EmailMessage(policy=SMTP.clone(max_line_length=78))
    made["From"], made["To"] = _address(sender), _address(target)
    made["Subject"] = f"Fwd: {' '.join(mail.subject.split())[:200]}"
    if _is_address(mail.sender.address):
        made["Reply-To"] = _address(mail.sender.address)
    made["Date"], made["Message-ID"] = formatdate(), f"<{identity}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    reference = mail.message_id.strip("<>")
    if reference and reference.isascii() and reference.isprintable() and " " not in reference:
        made["References"] = f"<{reference}>"
    names = ", ".join(one.name for one in mail.attachments)
    head = [f"From: {mail.sender.name} <{mail.sender.address}>".replace("  ", " "), f"Subject: {mail.subject}"]
    head += [f"Files that stayed behind: {names}"] if names else []
    why = f"Forwarded by a rule: {handled.route.rule or handled.route.reason}"
    made.set_content("\n".join([why, "", *head, "", mail.body[:MOST_TEXT]]))
    return made


def _address(text: str) -> MailAddress:
    return MailAddress(addr_spec=text)


def _is_address(text: str) -> bool:
    try:
        return bool(MailAddress(addr_spec=text).domain) and text.isascii()
    except (ValueError, IndexError):
        return False


def _refused(code: int, said: bytes | str) -> Exception:
    words = (said.decode("utf-8", "replace") if isinstance(said, bytes) else said)[:200]
    if code in _OURS:
        return ConfigError(f"The mail server does not let us in: {code} {words}.", fix="See user and password.")
    if code >= PERMANENT:
        return InputError(f"The mail server refuses it: {code} {words}.")
    return UpstreamError(f"The mail server has no time for it: {code}.")


def open_smtp(options: Mapping[str, Any], egress: Egress | None) -> SmtpDesk:
    """The desk that forwards. Raises ConfigError."""
    given = read_table(SmtpOptions, dict(options), "the options of the desk smtp")
    if not _is_address(given.sender):
        raise ConfigError(f"sender = {given.sender!r} of the desk smtp is no address.")
    if given.security == "plain" and not is_loopback(given.host):
        raise ConfigError(
            f'security = "plain" would send mail to {given.host} in plain text.', fix='Write "starttls" or "tls".'
        )
    return SmtpDesk(given, egress)
