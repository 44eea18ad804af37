"""A small real collection for tests of legal discovery: mails with attachments, copies, versions, several askers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path

from rightsized.apps.search.discovery.records import Asker
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Steps
from rightsized.apps.search.types import Item, Passage
from rightsized.core.errors import NotFoundError
from rightsized.engines.fake import FakeEncoder
from rightsized.parsers.mail import mail_parsed
from rightsized.parsers.mbox import parse_mbox
from rightsized.parsers.text import parse_text
from rightsized.parsers.types import Parsed

ANNA = Asker("anna", ("user:anna", "group:legal"))
BO = Asker("bo", ("user:bo",))
LEGAL = ("group:legal",)


def mail(subject: str, body: str, *attachments: tuple[str, str], **headers: str) -> bytes:
    """A mail; `headers` such as `In_Reply_To`."""
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = headers.pop("From_", "Anna <anna@quell.example>")
    message["To"] = headers.pop("To", "Bo <bo@quell.example>")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    for name, text in attachments:
        message.add_attachment(text.encode(), maintype="text", subtype="plain", filename=name)
    if attachments:
        message.set_boundary("==of-this-mail==")  # not drawn at random: equal in every process
    return message.as_bytes()


class Papers:
    """A source in memory, whose documents can be changed."""

    source = "memory:papers"
    address = source
    problems: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, tuple[str, ...]]] = {}

    def put(self, key: str, data: bytes | str, *principals: str) -> None:
        self.files[key] = (data.encode() if isinstance(data, str) else data, principals or ("everyone",))

    def items(self) -> Iterator[Item]:
        for key, (data, principals) in sorted(self.files.items()):
            yield Item(key, hashlib.sha256(data).hexdigest(), len(data), 1.7e9, principals)

    def read(self, item: Item, into: Path) -> None:
        if item.key not in self.files:
            raise NotFoundError(f"{item.key} is gone.")
        into.write_bytes(self.files[item.key][0])


def papers() -> Papers:
    """Steel is what the matter is about; the advice is privileged, and one of its copies nobody has marked."""
    source = Papers()
    advice = mail(
        "Advice on steel", "Our case about the steel is weak. Settle it.", Date="Fri, 09 Jan 2026 17:31:00 +0100"
    )
    source.put("advice.eml", advice, *LEGAL)
    source.put("copies/advice.eml", advice, "user:bo")
    offer = ("offer.txt", "Steel plates, 40 tonnes, at 900 a tonne.")
    memo = ("memo.txt", "Counsel wrote that the steel has pores.")
    source.put("offer.eml", mail("Offer of steel", "Attached is the offer.", offer, memo), *LEGAL)
    source.put("order.txt", "Order\n\nWe order forty tonnes of steel plates.", *LEGAL)
    source.put("lunch.txt", "Lunch\n\nOn Friday there is soup.")
    source.put("open.txt", "Notice\n\nThe price of steel has gone up.")
    return source


def parse(path: Path, name: str) -> Parsed:
    """By the ending of the name, with the parsers that serve."""
    if name.endswith(".eml"):
        return mail_parsed(path.read_bytes(), name)
    return parse_mbox(path, name) if name.endswith(".mbox") else parse_text(path, name)


def chunk(parsed: Parsed) -> Sequence[Passage]:
    """A passage for each paragraph."""
    found = []
    for match in re.finditer(r"\S(?:.|\n(?!\n))*", parsed.text):
        text, start = match[0].rstrip(), match.start()
        found.append(Passage(len(found), start, start + len(text), text, f"{parsed.title}\n{text}"))
    return found


def media_type(path: Path, name: str) -> str:
    return {".eml": "message/rfc822", ".mbox": "application/mbox"}.get(Path(name).suffix, "text/plain")


STEPS = Steps(parse, chunk, "papers-1", media_type)


def collected(home: Path, source: Papers) -> Collection:
    """A collection of the source's documents, whose originals can be read."""
    collection = open_collection(home, "docs", FakeEncoder(dimension=16), create=True)
    sync(collection, source, STEPS)
    collection.originals.attach(source, parse)
    return collection
