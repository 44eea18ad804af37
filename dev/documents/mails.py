"""Writes EML and MBOX from mails as one would type them: headers, a blank line, the text.

`Attach: NAME` headers name files that the caller supplies. In an MBOX source a line of equals signs parts the mails.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable
from email.message import EmailMessage
from email.parser import Parser
from email.policy import SMTP, default
from email.utils import parsedate_to_datetime

_BETWEEN = re.compile(r"^={10,}\n", re.MULTILINE)
_HEADERS = ("From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References")
_UNIX = default.clone(linesep="\n", cte_type="8bit")
Attachment = Callable[[str], bytes]


def eml(source: str, attachment: Attachment) -> bytes:
    """One mail as an EML file with CRLF line ends (RFC 5322)."""
    return _mail(source, attachment).as_bytes(policy=SMTP)


def mbox(source: str, attachment: Attachment) -> bytes:
    """Several mails as an MBOX file in the mboxrd variant (RFC 4155)."""
    out = []
    for one in _BETWEEN.split(source):
        mail = _mail(one, attachment)
        date = parsedate_to_datetime(mail["Date"])
        sender = mail["From"].addresses[0].addr_spec
        body = re.sub(rb"^(>*From )", rb">\1", mail.as_bytes(policy=_UNIX), flags=re.MULTILINE)
        out.append(f"From {sender} {date:%a %b %d %H:%M:%S %Y}\n".encode() + body.rstrip(b"\n") + b"\n\n")
    return b"".join(out)


def _mail(source: str, attachment: Attachment) -> EmailMessage:
    typed = Parser(policy=default).parsestr(source.lstrip("\n"))
    mail = EmailMessage(policy=default)
    for name in _HEADERS:
        if typed[name]:
            mail[name] = str(typed[name])
    mail.set_content(typed.get_content().strip() + "\n", cte="quoted-printable")
    for name in typed.get_all("Attach", []):
        kind, _, sub = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
        mail.add_attachment(attachment(name), maintype=kind, subtype=sub, filename=name)
    if mail.is_multipart():
        mail.set_boundary(f"=={re.sub(r'[^0-9A-Za-z]', '', mail['Message-ID'])}==")
    return mail
