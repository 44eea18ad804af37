"""The text of a message as its mail program writes it: plain and HTML, with quotes of the message before it."""

from __future__ import annotations

import html
import re
from email.utils import parseaddr

from dev.mailbox import markup
from dev.mailbox.source import Block, Message

WIDTH = 72
_FRAMES = {
    "outlook": '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta http-equiv="Content-Type" '
    'content="text/html; charset={charset}"><style><!-- p.MsoNormal {{margin:0cm; font-size:11.0pt; '
    'font-family:"Calibri",sans-serif;}} --></style></head><body lang="EN-GB"><div class="WordSection1">{body}</div>'
    "</body></html>",
    "gmail": '<div dir="ltr">{body}</div>',
    "plain": '<!DOCTYPE html><html><head><meta charset="{charset}"></head><body style="font-family:sans-serif">{body}'
    "</body></html>",
}
_WROTE = {
    "en": "On {date:%a, %d %b %Y at %H:%M}, {name} <{address}> wrote:",
    "de": "Am {date:%d.%m.%Y} um {date:%H:%M} schrieb {name} <{address}>:",
    "fr": "Le {date:%d/%m/%Y} à {date:%H:%M}, {name} <{address}> a écrit :",
    "es": "El {date:%d/%m/%Y} a las {date:%H:%M}, {name} <{address}> escribió:",
    "outlook": "-----Original Message-----\nFrom: {name} <{address}>\nSent: {date:%A, %d %B %Y %H:%M}\n"
    "To: {to}\nSubject: {subject}\n",
    "outlook-de": "Von: {name} <{address}>\nGesendet: {date:%d.%m.%Y %H:%M}\nAn: {to}\nBetreff: {subject}\n",
    "forward": "---------- Forwarded message ---------\nFrom: {name} <{address}>\nDate: {date:%a, %d %b %Y %H:%M}\n"
    "Subject: {subject}\nTo: {to}\n",
}


def plain(message: Message, thread: list[Message]) -> str:
    """The body as text. Written stretches stay to the character, unless the mail program wraps lines."""
    parts = [_plain(block, message, thread) for block in message.blocks]
    return "\n\n".join(parts) + "\n"


def as_html(message: Message, thread: list[Message], charset: str) -> str:
    """The body as the HTML of its mail program."""
    style = next((one for one in message.forms if one in _FRAMES), "plain")
    parts = [_html(block, message, thread, style) for block in message.blocks]
    return _FRAMES[style].format(charset=charset, body="\n".join(parts)) + "\n"


def wrapped(text: str) -> str:
    """Lines of at most 72 characters where there is a blank to break at; no character is added or lost."""
    return "\n".join(_wrapped(line) for line in text.split("\n"))


def _wrapped(line: str) -> str:
    out = ""
    while len(line) > WIDTH and (at := line.rfind(" ", 1, WIDTH + 1)) > 0:
        out, line = out + line[:at] + "\n", line[at + 1 :]
    return out + line


def _plain(block: Block, message: Message, thread: list[Message]) -> str:
    if block.kind.startswith("%"):
        before = thread[message.number - 2]
        intro = _intro(block, before)
        prefix = "" if block.kind == "%forward" or intro.endswith("\n") else "> "
        lines = plain(before, thread).strip("\n").split("\n")
        return "\n".join([intro, *((prefix + line).rstrip() for line in lines)])
    if block.kind == "raw":
        return html.unescape(re.sub(r"\n\s*\n+", "\n\n", re.sub(r"<[^>]+>", "", block.text))).strip("\n")
    text = markup.read(block.text).plain
    return wrapped(text) if "wrap" in message.forms and block.kind == "written" else text


def _intro(block: Block, before: Message) -> str:
    name, address = parseaddr(before.sender)
    to = "Fernhill Outfitters" if not before.outgoing else "you"
    style = "forward" if block.kind == "%forward" else block.text or "en"
    return _WROTE[style].format(date=before.when, name=name, address=address, to=to,
                                subject=markup.read(before.subject).plain)  # fmt: skip


def _html(block: Block, message: Message, thread: list[Message], style: str) -> str:
    if block.kind == "raw":
        return block.text
    if block.kind.startswith("%"):
        before = thread[message.number - 2]
        inner = _paragraphs(plain(before, thread), style)
        intro = html.escape(_intro(block, before).strip()).replace("\n", "<br>")
        if style == "outlook":
            return f'<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm"><p class="MsoNormal">' \
                   f"{intro}</p></div>{inner}"  # fmt: skip
        quote = '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc">'
        head = f'<div class="gmail_quote"><div dir="ltr" class="gmail_attr">{intro}<br></div>'
        return f"{head}{quote}{inner}</blockquote></div>"
    text = markup.read(block.text).plain
    if block.kind == "quote":
        bare = "\n".join(re.sub(r"^>+ ?", "", line) for line in text.split("\n"))
        return f"<blockquote>{_paragraphs(bare, style)}</blockquote>"
    inner = _paragraphs(text, style)
    return f'<div class="signature">--<br>{inner}</div>' if block.kind == "signature" and style == "gmail" else inner


def _paragraphs(text: str, style: str) -> str:
    tag = '<p class="MsoNormal">' if style == "outlook" else "<p>"
    end = "<o:p></o:p></p>" if style == "outlook" else "</p>"
    found = [html.escape(part, quote=False).replace("\n", "<br>\n") for part in re.split(r"\n\n+", text.strip("\n"))]
    return "\n".join(f"{tag}{part}{end}" for part in found)
