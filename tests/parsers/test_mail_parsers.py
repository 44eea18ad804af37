"""Mails, mailboxes and archives: headers, bodies, and what is inside them as parts."""

from __future__ import annotations

import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest
from parser_samples import limited, read, shown

from rightsized.core.errors import DocumentError
from rightsized.parsers.archive import safe_name
from rightsized.parsers.limits import Limits
from rightsized.parsers.types import Parsed


def message() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "Änna Grün <anna@example.com>", "bert@example.com, Carl <carl@example.com>"
    mail["Subject"], mail["Date"] = "Vertrag über Öl", "Fri, 27 Nov 2026 10:00:00 +0100"
    mail["Message-ID"], mail["In-Reply-To"] = "<2@example.com>", "<1@example.com>"
    return mail


def opened(folder: Path, mail: EmailMessage) -> Parsed:
    (folder / "a.eml").write_bytes(mail.as_bytes())
    return read(folder / "a.eml")


def test_headers_and_text(tmp_path: Path) -> None:
    mail = message()
    mail.set_content("Dear Bert,\n\nthe price is fixed.\n\n> What is the price?\n\nAnna\n")
    mail.add_alternative("<p>not this</p>", subtype="html")
    parsed = opened(tmp_path, mail)
    assert parsed.title == "Vertrag über Öl"
    assert parsed.date == 1795770000
    assert parsed.metadata == {
        "from": "Änna Grün <anna@example.com>",
        "to": "bert@example.com, Carl <carl@example.com>",
        "subject": "Vertrag über Öl",
        "message-id": "<2@example.com>",
        "in-reply-to": "<1@example.com>",
    }
    assert shown(parsed, "heading") == ["Vertrag über Öl"]
    assert shown(parsed, "paragraph") == ["Dear Bert,", "the price is fixed.", "Anna"]
    assert shown(parsed, "quote") == ["> What is the price?"]


def test_html_where_there_is_no_text(tmp_path: Path) -> None:
    mail = message()
    mail.set_content("<table><tr><th>Part<th>Price<tr><td>Bolt<td>1</table>", subtype="html")
    parsed = opened(tmp_path, mail)
    assert shown(parsed, "row") == ["Part\tPrice", "Bolt\t1"]
    assert parsed.text[slice(*parsed.blocks[-1].header)] == "Part\tPrice"


def test_attachments_and_mails_inside(tmp_path: Path) -> None:
    inner = EmailMessage()
    inner["Subject"], inner["From"], inner["To"] = "Inner mail", "z@example.com", "y@example.com"
    inner.set_content("Inside.")
    mail = message()
    mail.set_content("See below.")
    mail.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="../Angebot ä.pdf")
    mail.add_attachment("a note", filename="note.txt")
    mail.add_attachment(inner)
    parsed = opened(tmp_path, mail)
    assert [(part.name, part.media_type) for part in parsed.parts] == [
        ("Angebot ä.pdf", "application/pdf"),
        ("note.txt", "text/plain"),
        ("Inner mail.eml", "message/rfc822"),
    ]
    (tmp_path / "inner.eml").write_bytes(parsed.parts[2].data)
    assert "Inside." in read(tmp_path / "inner.eml").text


def test_mailbox(tmp_path: Path) -> None:
    mail = message()
    mail.set_content("First.\n\nFrom here on it is quoted.\n")
    quoted = mail.as_bytes().replace(b"\nFrom here", b"\n>From here")
    line = b"From anna@example.com Fri Nov 27 10:00:00 2026\n"
    (tmp_path / "a.mbox").write_bytes(line + quoted + b"\n" + line + mail.as_bytes().replace(b"\nFrom h", b"\n>From h"))
    parsed = read(tmp_path / "a.mbox")
    assert [part.media_type for part in parsed.parts] == ["message/rfc822"] * 2
    (tmp_path / "one.eml").write_bytes(parsed.parts[0].data)
    assert "\nFrom here on" in read(tmp_path / "one.eml").text


def test_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/a.txt", "one")
        archive.writestr("../../b.txt", "two")
        archive.writestr("__MACOSX/c.txt", "three")
        archive.writestr("folder/", "")
    parsed = read(tmp_path / "a.zip")
    assert [(part.name, part.data) for part in parsed.parts] == [("folder/a.txt", b"one"), ("b.txt", b"two")]


def test_archive_beyond_the_limits(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(9):
            archive.writestr(f"{number}.txt", "x" * 100)
    for limits in (Limits(parts=8), Limits(part_bytes=800)):
        with limited(limits), pytest.raises(DocumentError, match="9 members of 900 bytes") as caught:
            read(tmp_path / "a.zip")
        assert caught.value.reason == "too-large"


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("a/b.txt", "a/b.txt"),
        ("/etc/passwd", "etc/passwd"),
        ("..\\..\\a.txt", "a.txt"),
        ("C:\\a.txt", "a.txt"),
        ("a/../../b", "a/b"),
        ("..", ""),
        ("./", ""),
    ],
)
def test_names_that_climb(member: str, name: str) -> None:
    assert safe_name(member) == name
