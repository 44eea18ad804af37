"""Content tells the format; the name only where content does not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmarks.documents import MAKERS, invent
from rightsized.parsers.media_types import media_type

EXPECTED = {
    "text": "text/plain",
    "text, UTF-16": "text/plain",
    "Markdown": "text/plain",  # without its name it is a text
    "HTML": "text/html",
    "PDF": "application/pdf",
    "DOCX": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "PPTX": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "XLSX": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "CSV": "text/plain",  # likewise
    "EML": "message/rfc822",
    "MBOX": "application/mbox",
    "ZIP": "application/zip",
}


@pytest.mark.parametrize("form", EXPECTED)
def test_by_content_under_any_name(form: str, tmp_path: Path) -> None:
    path = tmp_path / "document"
    MAKERS[form][1](invent(1, 1), path)
    for name in ("document", "document.bin", "document.pdf", "document.doc"):
        assert media_type(path, name) == EXPECTED[form], name


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"# Title\n", "a.md", "text/markdown"),
        (b"a,b\n1,2\n", "a.csv", "text/csv"),
        (b"a\tb\n", "A.TSV", "text/csv"),
        (b"plain words", "a.html", "text/html"),
        (b"<!DOCTYPE html><p>", "a.md", "text/html"),
        (b"  <!-- c --><html>", "a.txt", "text/html"),
        (b"From: is a word, and so is To: and Date:\n", "a.txt", "text/plain"),
        (b"From: a@b\nTo: c@d\nSubject: x\n\nhello", "a.txt", "message/rfc822"),
        (b"From the desk of Anna, 10:30\n", "a.txt", "text/plain"),
        (b"junk\n%PDF-1.7\n", "a.txt", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "a.txt", "image/png"),
        (b"BM is short for a firm.", "a.txt", "text/plain"),
        (b"MZ Ltd. signs.", "a.txt", "text/plain"),
        (b"MZ\x90\x00\x03\x00\x00\x00\x04", "a.exe", "application/x-executable"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "application/x-ole-storage"),
        (bytes(range(256)) * 4, "a.txt", "application/octet-stream"),
        ("契約".encode("utf-16"), "a.txt", "text/plain"),
        (b"", "a.txt", "text/plain"),
        (b"{\\rtf1 x}", "a.doc", "application/rtf"),
    ],
)
def test_small_cases(content: bytes, name: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert media_type(path, name) == expected


def test_an_archive_that_holds_a_word_document_is_an_archive(tmp_path: Path) -> None:
    MAKERS["DOCX"][1](invent(1, 1), tmp_path / "a.docx")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.write(tmp_path / "a.docx", "a.docx")
    assert media_type(tmp_path / "a.zip", "a.zip") == "application/zip"


def test_a_cut_word_document_is_one(tmp_path: Path) -> None:
    MAKERS["DOCX"][1](invent(1, 1), tmp_path / "a.docx")
    (tmp_path / "cut").write_bytes((tmp_path / "a.docx").read_bytes()[:20_000])
    assert media_type(tmp_path / "cut", "cut").endswith("wordprocessingml.document")
