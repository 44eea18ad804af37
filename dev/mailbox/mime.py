"""Makes RFC 5322 messages: bodies, attachments, invitations, reports; the same source gives the same bytes."""

from __future__ import annotations

import mimetypes
import re
from datetime import UTC, timedelta
from email import message_from_string
from email.header import Header
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime, parseaddr

from dev.mailbox import attached, layout, markup
from dev.mailbox.source import SUPPORT, Message, moment

_POLICY = default.clone(linesep="\n", cte_type="8bit", max_line_length=78)
_CODINGS = {"qp": "quoted-printable", "b64": "base64", "8bit": "8bit"}
_SUBJECT = re.compile(rb"^Subject: .*\n(?:[ \t].*\n)*", re.MULTILINE)
_DATE = re.compile(rb"^Date: .*\n", re.MULTILINE)
_RECEIVED_LINES = 2


def message_id(message: Message) -> str:
    """Its Message-ID; empty where the sender's program gave none."""
    if "noid" in message.forms:
        return ""
    return f"<{message.when:%Y%m%d%H%M}.{message.thread}.{message.number}@{_domain(message)}>"


def made(message: Message, thread: list[Message]) -> bytes:
    """The message as it lies in the mailbox: under the line of the server that took it."""
    if "duplicate" in message.forms:
        first = made(thread[message.number - 2], thread)
        return _received(message) + first.split(b"\n", _RECEIVED_LINES)[_RECEIVED_LINES]
    mail = EmailMessage(policy=_POLICY)
    _headers(mail, message, thread)
    if message.headers.get("M") in ("bounce", "report") and "plainreport" not in message.forms:
        _report(mail, message, thread)
    else:
        _body(mail, message, thread)
        _attach(mail, message)
    for number, part in enumerate(one for one in mail.walk() if one.get_content_maintype() == "multipart"):
        part.set_boundary(f"=_{message.id}_{number}")
    return _received(message) + _as_old_programs_do(mail.as_bytes(), mail, message.forms)


def _as_old_programs_do(data: bytes, mail: EmailMessage, forms: list[str]) -> bytes:
    """With the header words in ISO-8859-1, without the date, or without the charset, as the forms say."""
    if "latin1" in forms:
        subject = Header(str(mail["Subject"]), "iso-8859-1", header_name="Subject").encode(linesep="\n")
        data = _SUBJECT.sub(lambda _: f"Subject: {subject}\n".encode(), data, count=1)
    if "nodate" in forms:
        data = _DATE.sub(b"", data, count=1)
    if "nocharset" in forms:
        data = data.replace(b'; charset="utf-8"', b"", 1)
    return data


def _domain(message: Message) -> str:
    return _address(message.sender).partition("@")[2]


def _address(sender: str) -> str:
    return parseaddr(sender)[1]


def _received(message: Message) -> bytes:
    date = format_datetime(message.when)
    where = f"from mail.{_domain(message)} by mx.fernhill.example.com with ESMTPS"
    return f"Received: {where}\n\tid {message.id}; {date}\n".encode()


def _headers(mail: EmailMessage, message: Message, thread: list[Message]) -> None:
    before = [one for one in thread[: message.number - 1] if "duplicate" not in one.forms]
    earlier = [key for key in map(message_id, before) if key]
    customer = next((one.sender for one in thread if not one.outgoing), SUPPORT)
    mail["From"] = message.sender
    mail["To"] = message.headers.get("T") or (customer if message.outgoing else f"Fernhill Outfitters <{SUPPORT}>")
    if "C" in message.headers:
        mail["Cc"] = message.headers["C"]
    mail["Subject"] = markup.read(message.subject).plain
    mail["Date"] = format_datetime(message.when)
    if own := message_id(message):
        mail["Message-ID"] = own
    if earlier and "nothread" not in message.forms:
        mail["In-Reply-To"] = earlier[-1]
        mail["References"] = " ".join(earlier)
    mail["MIME-Version"] = "1.0"
    for line in message.extra:
        name, _, value = line.partition(": ")
        mail[name] = value


def _body(mail: EmailMessage, message: Message, thread: list[Message]) -> None:
    forms = message.forms
    charset = "iso-8859-1" if "latin1" in forms else "utf-8"
    coding = next((_CODINGS[one] for one in forms if one in _CODINGS), None)
    if "html" in forms:
        mail.set_content(layout.as_html(message, thread, charset), subtype="html", charset=charset, cte=coding)
    else:
        mail.set_content(layout.plain(message, thread), charset=charset, cte=coding)
    if "alt" in forms:
        mail.add_alternative(layout.as_html(message, thread, charset), subtype="html", charset=charset, cte=coding)
    if message.headers.get("M") == "calendar":
        mail.add_alternative(_invitation(message), subtype="calendar", params={"method": "REQUEST"})
    del mail["MIME-Version"]
    mail["MIME-Version"] = "1.0"


def _attach(mail: EmailMessage, message: Message) -> None:
    for name in filter(None, (one.strip() for one in message.headers.get("A", "").split(","))):
        kind, _, sub = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
        mail.add_attachment(attached.content(name), maintype=kind, subtype=sub, filename=name)


def _invitation(message: Message) -> str:
    """An hour's meeting (RFC 5545) at the time that an `X-Event` header gives."""
    start = next(line.partition(": ")[2] for line in message.extra if line.startswith("X-Event: "))
    begin = moment(start).astimezone(UTC)
    stamps = {
        "DTSTAMP": message.when.astimezone(UTC),
        "DTSTART": begin,
        "DTEND": begin + timedelta(hours=1),
    }
    told = [
        *(f"{name}:{value:%Y%m%dT%H%M%SZ}" for name, value in stamps.items()),
        f"SUMMARY:{markup.read(message.subject).plain}",
        f"ORGANIZER:mailto:{_address(message.sender)}",
        f"ATTENDEE:mailto:{SUPPORT}",
    ]
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//Calendar//EN", "METHOD:REQUEST", "BEGIN:VEVENT"]
    return "\r\n".join([*head, f"UID:{message.id}@example.com", *told, "END:VEVENT", "END:VCALENDAR", ""])


def _report(mail: EmailMessage, message: Message, thread: list[Message]) -> None:
    """A delivery status notification (RFC 3464), or a receipt that a message was read (RFC 8098)."""
    before = thread[message.number - 2]
    recipient = _address(before.headers["T"])
    kind = "delivery-status" if message.headers["M"] == "bounce" else "disposition-notification"
    told = {
        "delivery-status": "Reporting-MTA: dns; mx.fernhill.example.com\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n",
        "disposition-notification": f"Final-Recipient: rfc822; {recipient}\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n",
    }
    mail.set_content(layout.plain(message, thread))
    mail.make_mixed()
    mail.replace_header("Content-Type", "multipart/report")
    mail.set_param("report-type", kind)
    mail.attach(message_from_string(f"Content-Type: message/{kind}\n\n{told[kind]}", policy=_POLICY))
    if kind == "delivery-status":
        head = made(before, thread).decode().split("\n\n", 1)[0]
        mail.attach(message_from_string(f"Content-Type: text/rfc822-headers\n\n{head}\n", policy=_POLICY))
