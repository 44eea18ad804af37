"""Which format a file is in: by its content, and by the ending of its name only where content does not tell.

Reads at most a few hundred kilobytes of the file's two ends, and opens nothing inside it: fit for any process.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from rightsized.apps.search.parsers.encodings import is_text

HEAD_BYTES = 1 << 16
TAIL_BYTES = 1 << 20  # the list of a ZIP's members is at its end
TEXT, MARKDOWN, HTML, CSV = "text/plain", "text/markdown", "text/html", "text/csv"
PDF = "application/pdf"
_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = f"{_OFFICE}wordprocessingml.document"
PPTX = f"{_OFFICE}presentationml.presentation"
XLSX = f"{_OFFICE}spreadsheetml.sheet"
EML, MBOX, ZIP = "message/rfc822", "application/mbox", "application/zip"
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
_MEMBERS = (
    (b"word/document", DOCX),
    (b"ppt/presentation", PPTX),
    (b"xl/workbook", XLSX),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
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
        return next((kind for mark, kind in _MEMBERS if mark in head or mark in tail), ZIP)
    if b"%PDF-" in head[:1024]:
        return PDF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    for mark, kind in _MAGIC:
        if head.startswith(mark) and not (mark in _TEXTUAL_MAGIC and is_text(head)):
            return kind
    return ""


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
