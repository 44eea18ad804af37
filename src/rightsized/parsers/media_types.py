"""Which format a file is in: by its content, and by the ending of its name only where content does not tell.

Reads at most a few hundred kilobytes of the file's two ends, and opens nothing inside it: fit for any process.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from rightsized.parsers.encodings import is_text

HEAD_BYTES = 1 << 16
TAIL_BYTES = 1 << 20  # the list of a ZIP's members is at its end
TEXT, MARKDOWN, HTML, CSV = "text/plain", "text/markdown", "text/html", "text/csv"
PDF = "application/pdf"
_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = f"{_OFFICE}wordprocessingml.document"
PPTX = f"{_OFFICE}presentationml.presentation"
XLSX = f"{_OFFICE}spreadsheetml.sheet"
EML, MBOX, ZIP = "message/rfc822", "application/mbox", "application/zip"
ODT = "application/vnd.oasis.opendocument.text"
OLE = "application/x-ole-storage"  # legacy Office, and Office files under a password
BINARY = "application/octet-stream"

_MAGIC = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"{\\rtf", "application/rtf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-executable"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_TEXTUAL_MAGIC = frozenset({b"BM", b"MZ", b"BZh", b"Rar!", b"ID3", b"OggS"})  # a text may begin so
_MEMBERS = ((b"word/document", DOCX), (b"ppt/presentation", PPTX), (b"xl/workbook", XLSX))
_LOCAL_NAME = re.compile(rb"PK\x03\x04.{26}([\w/.\[\]-]{1,60})", re.DOTALL)  # of a file without a list at its end
_LIST_END = struct.Struct("<12xI6x")  # the list's size
_LIST_ENTRY = struct.Struct("<28xHHH12x")  # lengths of name, extra field and comment
MOST_NAMES = 20_000
_STORED = (
    (b"mimetypeapplication/vnd.oasis.opendocument.text", ODT),
    (b"mimetypeapplication/vnd.oasis.opendocument", "application/vnd.oasis.opendocument"),
    (b"mimetypeapplication/epub+zip", "application/epub+zip"),
)
_ENDINGS = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), MARKDOWN),
    **dict.fromkeys((".html", ".htm", ".xhtml"), HTML),
    **dict.fromkeys((".csv", ".tsv", ".tab"), CSV),
    ".eml": EML,
    ".mbox": MBOX,
}
_HTML_START = re.compile(
    rb"\s*(?:<!--.{0,4000}?-->\s*){0,9}(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_XML_START = re.compile(rb"\s*<\?xml\b", re.I)
_MBOX_START = re.compile(rb"From [^\r\n]{3,200}\d\d:\d\d[^\r\n]{0,60}\r?\n[!-9;-~]+:")
_HEADER = re.compile(rb"([!-9;-~]{1,60}):[ \t]?[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n")
_MAIL_HEADERS = frozenset(
    b"from to subject date received return-path message-id mime-version delivered-to content-type cc reply-to x-mailer"
    b" content-transfer-encoding in-reply-to dkim-signature".split()
)
_CERTAIN = 3  # of those, in one block of headers


def media_type(path: Path, name: str) -> str:
    """The media type of the file at `path`, which was called `name`. `application/octet-stream` where nothing tells.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES if head.startswith(b"PK") else size))
        tail = file.read(TAIL_BYTES)
    return _binary(head, tail) or _textual(head, PurePosixPath(name.replace("\\", "/")).suffix.lower())


def _binary(head: bytes, tail: bytes) -> str:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(head, tail)
    if b"%PDF-" in head[:1024]:
        return PDF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    for mark, kind in _MAGIC:
        if head.startswith(mark) and not (mark in _TEXTUAL_MAGIC and is_text(head)):
            return kind
    return ""


def _zipped(head: bytes, tail: bytes) -> str:
    """What a ZIP holds, by the first member's content or the names in its list of members."""
    for mark, kind in _STORED:
        if head[30:].startswith(mark):
            return kind
    names = list(islice(_listed(tail), MOST_NAMES)) or _LOCAL_NAME.findall(head)
    return next((kind for mark, kind in _MEMBERS if any(name.startswith(mark) for name in names)), ZIP)


def _listed(tail: bytes) -> Iterator[bytes]:
    """Names of the list at the end of a ZIP (APPNOTE 4.3.12); none where the file is cut off or the list is longer."""
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + _LIST_END.size:
        return
    size = _LIST_END.unpack_from(tail, end)[0]
    at = end - size
    while 0 <= at <= end - _LIST_ENTRY.size and tail.startswith(b"PK\x01\x02", at):
        name, extra, comment = _LIST_ENTRY.unpack_from(tail, at)
        yield tail[at + 46 : at + 46 + name]
        at += 46 + name + extra + comment


def _textual(head: bytes, ending: str) -> str:
    if not is_text(head):
        return BINARY
    named = _ENDINGS.get(ending, "")
    if _HTML_START.match(head):
        return HTML
    if _MBOX_START.match(head):
        return MBOX
    if named in (MARKDOWN, HTML, CSV):
        return named
    if _is_mail(head):
        return EML
    if named == MBOX and head.startswith(b"From "):
        return MBOX
    if _XML_START.match(head):
        return "application/xml"
    return TEXT


def _is_mail(head: bytes) -> bool:
    at, found = 0, set()
    while match := _HEADER.match(head, at):
        found.add(match[1].lower())
        at = match.end()
    return len(found & _MAIL_HEADERS) >= _CERTAIN
