"""Makes RFC 5322 messages: bodies, attachments, invitations, reports; the same source gives the same bytes."""

from __future__ import annotations

import mimetypes
import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_string
from email.header import Header
from email.message import EmailMessage
from email.message import Message as Message822
from email.policy import default
from email.utils import format_datetime, parseaddr

from dev.mailbox import attached, layout, markup
from dev.mailbox.source import SUPPORT, Message

_POLICY = default.clone(linesep="\n", cte_type="8bit", max_line_length=78)
_WINTER = datetime(2026, 10, 25, 3)  # clocks go back
_CODINGS = {"qp": "quoted-printable", "b64": "base64", "8bit": "8bit"}


def address_of(sender: str) -> str:
    return parseaddr(sender)[1]


def stamp(when: datetime) -> datetime:
    """The local time with its offset: summer time until 25 October 2026."""
    return when.replace(tzinfo=timezone(timedelta(hours=2 if when < _WINTER else 1)))


def message_id(message: Message) -> str:
    """Its Message-ID; empty where the sender's program gave none."""
    if "noid" in message.forms:
        return ""
    return (
        f"<{message.when:%Y%m%d%H%M}.{message.thread}.{message.number}@{address_of(message.sender).partition('@')[2]}>"
    )


def made(message: Message, thread: list[Message]) -> bytes:
    """The message as it lies in the mailbox."""
    if "duplicate" in message.forms:
        first = thread[message.number - 2]
        return _received(message) + made(first, thread).split(b"\n", 1)[1].split(b"\n", 1)[1]
    mail = EmailMessage(policy=_POLICY)
    _headers(mail, message, thread)
    if message.headers.get("M") in ("bounce", "report") and "plainreport" not in message.forms:
        _report(mail, message, thread)
    else:
        _body(mail, message, thread)
        for name in filter(None, (one.strip() for one in message.headers.get("A", "").split(","))):
            kind, _, sub = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
            mail.add_attachment(attached.content(name), maintype=kind, subtype=sub, filename=name)
    for number, part in enumerate(
        one for one in mail.walk() if one.is_multipart() and one.get_content_maintype() == "multipart"
    ):
        part.set_boundary(f"=_{message.id}_{number}")
    data = mail.as_bytes()
    if "latin1" in message.forms:
        subject = Header(str(mail["Subject"]), "iso-8859-1", header_name="Subject").encode(linesep="\n")
        data = re.sub(
            rb"^Subject: .*\n(?:[ \t].*\n)*",
            f"Subject: {subject}\n".encode().replace(b"\\", rb"\\"),
            data,
            count=1,
            flags=re.M,
        )
    if "nodate" in message.forms:
        data = re.sub(rb"^Date: .*\n", b"", data, count=1, flags=re.MULTILINE)
    if "nocharset" in message.forms:
        data = data.replace(b'; charset="utf-8"', b"", 1)
    return _received(message) + data


def _received(message: Message) -> bytes:
    domain = address_of(message.sender).partition("@")[2]
    date = format_datetime(stamp(message.when))
    return f"Received: from mail.{domain} by mx.fernhill.example.com with ESMTPS\n\tid {message.id}; {date}\n".encode()


def _headers(mail: EmailMessage, message: Message, thread: list[Message]) -> None:
    earlier = [
        message_id(one) for one in thread[: message.number - 1] if message_id(one) and "duplicate" not in one.forms
    ]
    customer = next((one.sender for one in thread if not one.outgoing), SUPPORT)
    mail["From"] = message.sender
    mail["To"] = message.headers.get("T") or (customer if message.outgoing else f"Fernhill Outfitters <{SUPPORT}>")
    if "C" in message.headers:
        mail["Cc"] = message.headers["C"]
    mail["Subject"] = markup.read(message.subject).plain
    mail["Date"] = format_datetime(stamp(message.when))
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
    if "html" not in forms:
        mail.set_content(layout.plain(message, thread), charset=charset, cte=coding)
    else:
        mail.set_content(layout.as_html(message, thread, charset), subtype="html", charset=charset, cte=coding)
    if "alt" in forms:
        mail.add_alternative(layout.as_html(message, thread, charset), subtype="html", charset=charset, cte=coding)
    if message.headers.get("M") == "calendar":
        mail.add_alternative(_invitation(message), subtype="calendar", params={"method": "REQUEST"})
    del mail["MIME-Version"]
    mail["MIME-Version"] = "1.0"


def _invitation(message: Message) -> str:
    start = next((line[8:] for line in message.extra if line.startswith("X-Event: ")), "")
    begin = stamp(datetime.strptime(start.strip(), "%Y-%m-%d %H:%M")).astimezone(UTC)
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//Calendar//EN", "METHOD:REQUEST", "BEGIN:VEVENT",
             f"UID:{message.id}@example.com", f"DTSTAMP:{stamp(message.when).astimezone(UTC):%Y%m%dT%H%M%SZ}",
             f"DTSTART:{begin:%Y%m%dT%H%M%SZ}", f"DTEND:{begin + timedelta(hours=1):%Y%m%dT%H%M%SZ}",
             f"SUMMARY:{markup.read(message.subject).plain}", f"ORGANIZER:mailto:{address_of(message.sender)}",
             f"ATTENDEE:mailto:{SUPPORT}", "END:VEVENT", "END:VCALENDAR"]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def _report(mail: EmailMessage, message: Message, thread: list[Message]) -> None:
    """A delivery status notification (RFC 3464), or a receipt that a message was read (RFC 8098)."""
    before = thread[message.number - 2]
    customer = address_of(before.headers["T"])
    kind = "delivery-status" if message.headers["M"] == "bounce" else "disposition-notification"
    told = {
        "delivery-status": "Reporting-MTA: dns; mx.fernhill.example.com\n\n"
        f"Final-Recipient: rfc822; {customer}\nAction: failed\nStatus: 5.1.1\n",
        "disposition-notification": f"Final-Recipient: rfc822; {customer}\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n",
    }
    mail.set_content(layout.plain(message, thread))
    mail.make_mixed()
    mail.replace_header("Content-Type", "multipart/report")
    mail.set_param("report-type", kind)
    mail.attach(_part(f"message/{kind}", told[kind]))
    if kind == "delivery-status":
        head = made(before, thread).decode().split("\n\n", 1)[0]
        mail.attach(_part("text/rfc822-headers", head + "\n"))


def _part(kind: str, text: str) -> Message822:
    return message_from_string(f"Content-Type: {kind}\n\n{text}", policy=_POLICY)
