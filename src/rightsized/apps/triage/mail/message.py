"""Bytes of a message to a `Mail`. Nothing is fetched and nothing executed; sizes are bounded, and so is the time.

Whatever the bytes hold, the only errors are DocumentError and MissingExtraError: a message that cannot be read is
recorded as one, and waits for a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cache

from msgspec.structs import replace

from rightsized.apps.triage.mail import attachments
from rightsized.apps.triage.mail.authentication import FIELD, authenticated, of_server
from rightsized.apps.triage.mail.automatic import Signs, automatic
from rightsized.apps.triage.mail.identity import key_of, normalised
from rightsized.apps.triage.mail.lines import Lines
from rightsized.apps.triage.mail.quotes import mark_quotes
from rightsized.apps.triage.mail.threads import first_of
from rightsized.apps.triage.mail.visible import visible, visible_with
from rightsized.apps.triage.records import Address, Attachment, Mail
from rightsized.core.errors import DocumentError, MissingExtraError, RightsizedError
from rightsized.core.frozen import Frozen
from rightsized.engines.language import LanguageDetector
from rightsized.parsers import mail_bodies, mail_headers, mime
from rightsized.parsers.draft import single_line
from rightsized.parsers.mail import without_mailbox_line
from rightsized.parsers.mail_bodies import Body
from rightsized.parsers.types import Parsed

MAX_BYTES = 50 << 20  # largest message that is read
MOST_BODY = 500_000  # characters of text that are kept
LARGEST_TEXT = 8 << 20  # bytes of one text part that are decoded
MOST_REFERENCES = 200  # message identifiers kept of References: the first, and the latest
_KEPT = """auto-submitted content-language delivered-to feedback-id importance list-id list-post list-unsubscribe
    precedence priority return-path x-autoreply x-autorespond x-failed-recipients x-mailer x-original-to x-priority
    x-spam-flag x-spam-status user-agent content-class x-vacation list-unsubscribe-post in-reply-to"""
_LONGEST_KEPT = 1000  # characters of a header that is kept
_NOT_OPENED = {
    "multipart/encrypted": "The message is encrypted: its text was not read.",
    "application/pkcs7-mime": "The message is encrypted or signed as one piece (S/MIME): that piece was not opened.",
    "application/ms-tnef": "Outlook put parts of the message into winmail.dat, which was not opened.",
}
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b\u200e\u200f\u2060\ufeff]")


class MailOptions(Frozen, frozen=True):
    """How messages are read.

    Args:
        max_bytes: a larger message is refused (`too-large`).
        attachments: also read the text of attachments.
        domains: our own mail domains; a list of ours is a team's address, and who writes to it a person.
        language: also tell the language, where the extra is installed.
        authserv: the server whose Authentication-Results are believed; none where empty.
    """

    max_bytes: int = MAX_BYTES
    attachments: bool = False
    domains: tuple[str, ...] = ()
    language: bool = True
    authserv: str = ""


_DEFAULT = MailOptions()


def read_mail(
    data: bytes,
    options: MailOptions = _DEFAULT,
    *,
    received: float = 0.0,
    read: attachments.Reader = attachments.text_of,
) -> Mail:
    """A message as it is read.

    Args:
        data: the message (RFC 5322), a mailbox's `From ` line before it or not.
        received: when it arrived, where the source knows; else the first Received header tells.
        read: reads the text of an attachment.
    Raises:
        DocumentError: `empty`, `too-large`, or `malformed`, where reading it failed in a way that nobody foresaw.
        MissingExtraError: the extra `triage` is not installed.
    """
    if not data or data.isspace():
        raise DocumentError("The message is empty.", reason="empty")
    if len(data) > options.max_bytes:
        raise DocumentError(
            f"The message has {len(data):,} bytes; the largest that is read has {options.max_bytes:,}.",
            reason="too-large",
            fix="Raise max_mb under [read] in inbox.toml.",
        )
    try:
        return parse(data, options, received=received, read=read)
    except RightsizedError:
        raise
    except Exception as error:  # a defect of ours must not stop an inbox: a person looks at the original
        raise DocumentError(f"Reading the message failed: {type(error).__name__}.") from error


def parse(data: bytes, options: MailOptions, *, received: float, read: attachments.Reader) -> Mail:
    """The same without a net beneath it: what fails here is a defect."""
    data = without_mailbox_line(data)
    tree = mime.split(data)
    notes = list(tree.notes)
    bodies, others = _sorted(data, tree.leaves, notes.append)
    parsed = mail_bodies.read_bodies(bodies, "the message", notes.append)
    if not parsed.text.strip():
        parsed = _inside(data, others, notes.append) or parsed
    head, listed = tree.headers, list(_attachments(data, others, options, read, notes.append))
    mail = with_regions(_from_headers(head), parsed, notes.append)
    signs = _signs(data, tree, mail, options.domains)
    said = of_server(mail_headers.values(head, FIELD), options.authserv)
    mail = replace(
        mail,
        authenticated=_authenticated(head, options.authserv),
        headers={**mail.headers, FIELD: single_line(said)[:_LONGEST_KEPT]} if said else mail.headers,
        received=received or _received(head),
        attachments=tuple(listed),
        automatic=automatic(signs),
        notes=tuple(dict.fromkeys((*notes, *_unopened(tree)))),
    )
    return finished(mail, options)


def finished(mail: Mail, options: MailOptions) -> Mail:
    """The message with what follows from the rest of it: its key, its thread and its language."""
    mail = replace(mail, key=mail.key or key_of(mail))
    return replace(
        mail,
        thread=mail.thread or first_of(mail),
        language=mail.language or (language_of(mail.text) if options.language else ""),
    )


def with_regions(mail: Mail, parsed: Parsed, note: Callable[[str], None]) -> Mail:
    """The message with its body, and what of it is written, quoted and signature."""
    body = parsed.text
    blocks = [  # those of HTML; quoted lines of a plain text are looked at one by one
        (one.start, one.end) for one in parsed.blocks if one.kind == "quote" and not body.startswith(">", one.start)
    ]
    if len(body) > MOST_BODY:
        note(f"Only the first {MOST_BODY:,} characters of the text were kept.")
        body = body[:MOST_BODY]
    body, blocks = visible_with(body, [(start, min(end, len(body))) for start, end in blocks if start < len(body)])
    lines = Lines(body)
    names = [mail.sender.name, *re.split(r"[\W\d_]+", mail.sender.address.partition("@")[0])]
    mark_quotes(lines, mail.subject, blocks, [one for one in names if len(one) > 2])
    return replace(
        mail, body=body, fresh=lines.spans("fresh"), quoted=lines.spans("quoted"), signature=lines.spans("signature")
    )


def language_of(text: str) -> str:
    """The language of a text (ISO 639-1); empty where it cannot be told or the extra is missing."""
    detector = _detector()
    return detector(text) if detector is not None else ""


@cache
def _detector() -> LanguageDetector | None:
    try:
        return LanguageDetector()
    except MissingExtraError:
        return None


def _sorted(
    data: bytes, leaves: Sequence[mime.Leaf], note: Callable[[str], None]
) -> tuple[list[Body], list[mime.Leaf]]:
    """The texts of a message, and its other leaves."""
    bodies, others = list[Body](), list[mime.Leaf]()
    for leaf in leaves:
        if not mail_bodies.is_text(leaf) or (leaf.parent == "multipart/report" and bodies):
            others.append(leaf)
            continue
        if leaf.end - leaf.start > LARGEST_TEXT:
            note(f"Text beyond {LARGEST_TEXT:,} bytes of one part was not read.")
            leaf = leaf._replace(end=leaf.start + LARGEST_TEXT)
        bodies.append(Body(leaf, mime.content(data, leaf)))
    return bodies, others


def _inside(data: bytes, others: Sequence[mime.Leaf], note: Callable[[str], None]) -> Parsed | None:
    """The text of a message that was forwarded as an attachment without a word."""
    inner = next((leaf for leaf in others if leaf.kind == "message/rfc822" and leaf.parent != "multipart/report"), None)
    if inner is None:
        return None
    content = mime.content(data, inner)
    bodies, _ = _sorted(content, mime.split(content).leaves, note)
    parsed = mail_bodies.read_bodies(bodies, "the message inside", note)
    if not parsed.text.strip():
        return None
    note("The text is that of the message inside: nothing was written around it.")
    return parsed


def _attachments(
    data: bytes,
    others: Sequence[mime.Leaf],
    options: MailOptions,
    read: attachments.Reader,
    note: Callable[[str], None],
) -> Iterator[Attachment]:
    for number, leaf in enumerate(others, 1):
        if number > attachments.MOST_LISTED:
            note(f"Attachments beyond the {attachments.MOST_LISTED}th were not listed.")
            return
        listed = attachments.describe(data, leaf, number)
        if not listed.size:
            continue
        if not options.attachments:
            yield listed
        elif number > attachments.MOST_READ:
            yield replace(listed, note=f"Not read: it is beyond the {attachments.MOST_READ}th.")
        else:
            yield attachments.with_text(data, leaf, listed, read)


def _from_headers(head: Message) -> Mail:
    sender = next(
        iter([*_addresses(head, "from"), *_addresses(head, "sender"), *_addresses(head, "return-path")]), None
    )
    identifiers = [one for one in map(normalised, mail_headers.identifiers(head, "message-id")) if one]
    answered = [one for one in map(normalised, mail_headers.identifiers(head, "in-reply-to")) if one]
    references = [one for one in map(normalised, mail_headers.identifiers(head, "references")) if one]
    if len(references) > MOST_REFERENCES:
        references = references[:1] + references[1 - MOST_REFERENCES :]
    kept = {
        name: single_line(mail_headers.header(head, name))[:_LONGEST_KEPT] for name in _KEPT.split() if name in head
    }
    return Mail(
        key=identifiers[0] if identifiers else "",
        subject=visible(single_line(mail_headers.header(head, "subject"))),
        body="",
        sender=sender or Address(""),
        message_id=identifiers[0] if identifiers else "",
        to=_addresses(head, "to"),
        cc=_addresses(head, "cc"),
        reply_to=_addresses(head, "reply-to"),
        date=mail_headers.date(head),
        in_reply_to=answered[0] if answered else "",
        references=tuple(dict.fromkeys(references)),
        headers=kept,
    )


def _addresses(head: Message, name: str) -> tuple[Address, ...]:
    if name not in head:
        return ()
    found = [Address(visible(address).lower(), visible(shown)) for shown, address in mail_headers.addresses(head, name)]
    return tuple(one for one in found if one.address or one.name)


def _authenticated(head: Message, authserv: str) -> bool:
    """Whether the server that is believed vouches for From; never where From is not one field with one address."""
    fields, found = mail_headers.values(head, "from"), _addresses(head, "from")
    if not authserv or len(fields) != 1 or len(found) != 1:
        return False
    domain = found[0].address.rpartition("@")[2]
    return authenticated(mail_headers.values(head, "authentication-results"), authserv, domain)


def _received(head: Message) -> float:
    """When the last server took it, by the topmost Received header; 0 where none says."""
    for value in mail_headers.values(head, "received")[:1]:
        try:
            return parsedate_to_datetime(value.rpartition(";")[2].strip()).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            return 0.0
    return 0.0


def _signs(data: bytes, tree: mime.Tree, mail: Mail, domains: tuple[str, ...]) -> Signs:
    starts = {"message/delivery-status": "", "text/calendar": ""}
    for leaf in tree.leaves:
        shown = leaf.headers.get_content_disposition() != "attachment"
        if leaf.kind in starts and not starts[leaf.kind] and shown:
            first = next(mime.pieces(data, leaf._replace(end=min(leaf.end, leaf.start + 20_000))), b"")
            starts[leaf.kind] = first.decode("utf-8", "replace")
    report = tree.headers.get_content_type() == "multipart/report"
    return Signs(
        headers=mail.headers,
        kinds=tuple(leaf.kind for leaf in tree.leaves),
        subject=mail.subject,
        sender=mail.sender.address,
        report=mail_headers.parameter(tree.headers, "report-type") if report else "",
        status=starts["message/delivery-status"],
        calendar=starts["text/calendar"],
        recipients=tuple(one.address for one in (*mail.to, *mail.cc)),
        domains=domains,
    )


def _unopened(tree: mime.Tree) -> Iterator[str]:
    kinds = {tree.headers.get_content_type(), *(leaf.kind for leaf in tree.leaves)}
    yield from (said for kind, said in _NOT_OPENED.items() if kind in kinds)
