"""Messages for the tests of reading mail."""

from __future__ import annotations

from email.message import EmailMessage

from rightsized.apps.triage.mail.message import MailOptions, parse
from rightsized.apps.triage.records import Mail

PLAIN = MailOptions(language=False)


def message(text: str = "", subject: str = "Broken pump", html: str = "", **headers: str) -> EmailMessage:
    """A message to the support address; `headers` with `_` for `-`."""
    mail = EmailMessage()
    given = {"From": "Jo Miller <jo@example.org>", "To": "support@example.com", "Subject": subject}
    given |= {"Date": "Fri, 27 Nov 2026 10:00:00 +0100", "Message-ID": "<m1@example.org>"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in given.items():
        if value:
            mail[name] = value
    if text or not html:
        mail.set_content(text)
    if html:
        (mail.add_alternative if text else mail.set_content)(html, subtype="html")
    return mail


def read(mail: EmailMessage | bytes, options: MailOptions = PLAIN) -> Mail:
    data = mail if isinstance(mail, bytes) else mail.as_bytes()
    return parse(data, options, received=0.0, read=lambda path, name: path.read_text())


def of(mail: Mail, kind: str) -> list[str]:
    return [mail.body[one.start : one.end] for one in getattr(mail, kind)]


def written(text: str, subject: str = "Broken pump", **headers: str) -> str:
    return read(message(text, subject, **headers)).written
