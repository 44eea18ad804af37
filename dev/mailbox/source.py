"""Reads the marked-up threads of `threads/*.txt`: `##### t001 slug` begins one, `=== DATE TIME SENDER` a message of it.

Then come one-letter headers, a blank line and the text. SENDER is a mailbox, or `>Name` for a clerk of the shop.

    S: subject (by default that of the thread with `Re:`)      L: department; intents; sentiment; priority; flags
    F: form (html, alt, outlook, gmail, wrap, latin1, qp, b64, 8bit, noid, nodate, nocharset, nothread, duplicate)
    A: attachments    M: kind of machine    G: language    T: to    C: copy to    H: a header as it stands

In the text `%sig` begins a signature, `%typed` a message of somebody else that is passed on, `%html` HTML as it stands;
`%quote STYLE` puts the message before this one in, quoted as mail programs do, `%forward` forwards it; lines with `>`
are quotes typed by hand. Everything else was written for the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from dev.mailbox import markup
from dev.mailbox.markup import Text
from rightsized.core.frozen import Frozen

THREADS = Path(__file__).parent / "threads"
SUPPORT = "support@fernhill.example.com"
CLERKS = {"Pia": "Pia Sample", "Rowan": "Rowan Specimen", "Ines": "Ines Muster", "Kit": "Kit Placeholder"}
_BEGIN = {"%sig": "signature", "%typed": "typed", "%html": "raw"}
_THREAD = re.compile(r"^##### (t\d{3}) (\S+)\n", re.MULTILINE)
_MESSAGE = re.compile(r"^=== (\d{4}-\d\d-\d\d \d\d:\d\d) (.+)\n", re.MULTILINE)


class Block(Frozen, frozen=True):
    """A stretch of a message: `written`, `signature`, `quote`, `typed`, `raw`, or `%quote`, `%forward`."""

    kind: str
    text: str


class Labels(Frozen, frozen=True):
    """What a person says of a message that came in."""

    department: str
    intents: tuple[str, ...]
    sentiment: str
    priority: str
    flags: tuple[str, ...]


class Message(Frozen, frozen=True):
    """One message of a thread, before it is made mail. `forms` are the words of its `F:` header."""

    thread: str
    number: int
    when: datetime
    sender: str
    outgoing: bool
    subject: str
    headers: dict[str, str]
    extra: tuple[str, ...]
    blocks: tuple[Block, ...]
    labels: Labels | None

    @property
    def id(self) -> str:
        return f"{self.thread}-{self.number}"

    @property
    def forms(self) -> list[str]:
        return self.headers.get("F", "").split()

    @property
    def language(self) -> str:
        return self.headers["G"]

    def marked(self) -> Text:
        """What was written for the message, with the labels of its fields and sentences."""
        return markup.read("\n\n".join(one.text for one in self.blocks if one.kind == "written"))

    def titled(self) -> Text:
        return markup.read(self.subject, "subject")


def moment(text: str) -> datetime:
    """A time of the shop's clock, with its offset: clocks go back on 25 October 2026 and forth on 28 March 2027."""
    offset = "+0100" if "2026-10-25 03:00" <= text < "2027-03-28 02:00" else "+0200"
    return datetime.strptime(f"{text} {offset}", "%Y-%m-%d %H:%M %z")


def threads() -> Iterator[list[Message]]:
    """Every thread, in the order of its name."""
    found = []
    for place in sorted(THREADS.glob("*.txt")):
        parts = _THREAD.split(place.read_text("utf-8"))
        if parts[0].strip():
            raise ValueError(f"{place.name} begins with {parts[0][:40]!r}, not with a thread.")
        found += [(name, text) for name, text in zip(parts[1::3], parts[3::3], strict=True)]
    for name, text in sorted(found):
        yield _messages(name, text)


def _messages(thread: str, text: str) -> list[Message]:
    parts = _MESSAGE.split(text)
    found: list[Message] = []
    for number, at in enumerate(range(1, len(parts), 3), start=1):
        before = found[-1] if found else None
        found.append(_message(thread, number, parts[at : at + 3], before))
    return found


def _message(thread: str, number: int, parts: list[str], before: Message | None) -> Message:
    head, _, body = ("\n" + parts[2]).partition("\n\n")
    headers, extra = {"G": before.language if before else "en"}, []
    for line in head.strip("\n").splitlines():
        name, _, value = line.partition(": ")
        if name == "H":
            extra.append(value)
        elif name in "SLFAMGTC" and value:
            headers[name] = value
        else:
            raise ValueError(f"{thread}-{number} has the header {line!r}; a letter of SLFAMGTCH, a colon and a value.")
    outgoing = parts[1].startswith(">")
    name = CLERKS[parts[1][1:]] if outgoing else ""
    return Message(
        thread=thread,
        number=number,
        when=moment(parts[0]),
        sender=f"{name} - Fernhill Outfitters <{SUPPORT}>" if outgoing else parts[1],
        outgoing=outgoing,
        subject=headers.get("S") or _answering(before),
        headers=headers,
        extra=tuple(extra),
        blocks=tuple(_blocks(body.strip("\n"))),
        labels=_labels(headers["L"]) if "L" in headers else None,
    )


def _answering(before: Message | None) -> str:
    if before is None:
        raise ValueError("The first message of a thread needs a subject.")
    prefix = "AW: " if before.language == "de" else "Re: "
    return before.subject if before.subject[:4] in ("Re: ", "AW: ", "RE: ") else prefix + before.subject


def _labels(line: str) -> Labels:
    department, intents, sentiment, priority, *flags = (part.strip() for part in line.split(";"))
    return Labels(department, tuple(x.strip() for x in intents.split(",") if x.strip()), sentiment, priority,
                  tuple(x.strip() for x in ",".join(flags).split(",") if x.strip()))  # fmt: skip


def _blocks(body: str) -> Iterator[Block]:
    kind, lines = "written", list[str]()
    for line in [*body.splitlines(), "%end"]:
        command = line.startswith("%")
        quoted = "quote" if line.startswith(">") else kind if kind != "quote" else "written"
        if command or quoted != kind:
            if text := "\n".join(lines).strip("\n"):
                yield Block(kind, text)
            lines, kind = [], quoted
        if not command:
            lines.append(line)
        elif line in _BEGIN:
            kind = _BEGIN[line]
        elif line != "%end":
            yield Block(line.split()[0], line.partition(" ")[2])
            kind = "written"
