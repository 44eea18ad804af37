"""Reads the sample documents with each format's own library, apart from the parsers that search uses."""

from __future__ import annotations

import csv
import html
import io
import json
import mailbox
import re
import tempfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pypdfium2
from docx import Document
from docx.table import Table
from openpyxl import load_workbook
from pptx import Presentation

from rightsized.data import folder

_OWN = {"README.md", "questions.jsonl"}


def documents() -> list[str]:
    """Paths of the documents within their folder, sorted."""
    root = folder("documents")
    found = (place.relative_to(root).as_posix() for place in root.rglob("*") if place.is_file())
    return sorted(name for name in found if name not in _OWN and not name.startswith("."))


def questions() -> list[dict[str, str]]:
    lines = (folder("documents") / "questions.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def normal(text: str) -> str:
    """The text with each stretch of white space as one blank."""
    return " ".join(text.split())


def text_of(name: str, data: bytes) -> str:
    """The text of a document, its parts (attachments, members) included; empty for an image."""
    match Path(name).suffix:
        case ".md" | ".txt":
            return data.decode()
        case ".csv":
            return "\n".join("\t".join(row) for row in csv.reader(io.StringIO(data.decode())))
        case ".html":
            return html.unescape(re.sub(r"<[^>]+>", " ", data.decode()))
        case ".docx":
            return "\n".join(_word(data))
        case ".pdf":
            return "\n".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(data))
        case ".pptx":
            return "\n".join(_slides(data))
        case ".xlsx":
            return "\n".join(_cells(data))
        case ".eml":
            return _mail(message_from_bytes(data, policy=default))
        case ".mbox":
            return "\n".join(_mail(mail) for mail in mails(data))
        case ".zip":
            return "\n".join(text_of(member, content) for member, content in members(data))
        case ".png":
            return ""
    raise ValueError(f"No reader for {name!r}.")


def members(data: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


def mails(data: bytes) -> list[EmailMessage]:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "box"
        file.write_bytes(data)
        box = mailbox.mbox(file)
        raw = [box.get_bytes(key) for key in box.keys()]  # noqa: SIM118 - a mailbox iterates over messages
        box.close()
    return [message_from_bytes(one, policy=default) for one in raw]


def _word(data: bytes) -> Iterator[str]:
    for block in Document(io.BytesIO(data)).iter_inner_content():
        if isinstance(block, Table):
            yield from ("\t".join(cell.text for cell in row.cells) for row in block.rows)
        else:
            yield block.text


def _slides(data: bytes) -> Iterator[str]:
    for slide in Presentation(io.BytesIO(data)).slides:
        for shape in slide.shapes:
            if shape.has_table:
                yield from ("\t".join(cell.text for cell in row.cells) for row in shape.table.rows)
            elif shape.has_text_frame:
                yield shape.text_frame.text
        if slide.has_notes_slide:
            yield slide.notes_slide.notes_text_frame.text


def _cells(data: bytes) -> Iterator[str]:
    for sheet in load_workbook(io.BytesIO(data)).worksheets:
        yield sheet.title
        yield from ("\t".join(str(value) for value in row) for row in sheet.iter_rows(values_only=True))


def _mail(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    lines = [f"{name}: {mail[name]}" for name in ("From", "To", "Cc", "Subject", "Date") if mail[name]]
    lines.append(body.get_content() if body else "")
    for part in mail.iter_attachments():
        content = part.get_content()
        lines.append(text_of(part.get_filename() or "", content.encode() if isinstance(content, str) else content))
    return "\n".join(lines)
