"""The splitter of messages, header fields as they come, flowed text: against the standard library where it can, and
on what it cannot read."""

from __future__ import annotations

import email
import email.policy
import random
from email.message import EmailMessage, Message

import pytest

from rightsized.parsers import mail_headers, mime
from rightsized.parsers.flowed import unflowed
from rightsized.parsers.html import html_parsed
from rightsized.parsers.mail import mail_parsed


def leaves(data: bytes) -> list[tuple[str, bytes]]:
    return [(leaf.kind, mime.content(data, leaf)) for leaf in mime.split(data).leaves]


def sample(random_: random.Random, depth: int = 0) -> Message:
    mail = Message(policy=email.policy.compat32.clone(linesep=random_.choice(["\n", "\r\n"])))
    if depth < 3 and random_.random() < 0.7:
        mail["Content-Type"] = f'multipart/{random_.choice(["mixed", "alternative", "related"])}; boundary="b{depth}"'
        mail.set_payload([sample(random_, depth + 1) for _ in range(random_.randint(1, 3))])
        return mail
    mail["Content-Type"] = random_.choice(["text/plain", "text/html", "application/pdf"])
    mail.set_payload("\n".join(random_.choice(["--", "--x", "word", "", "--b9"]) for _ in range(random_.randint(0, 5))))
    return mail


def test_leaves_are_those_of_the_standard_library() -> None:
    random_ = random.Random(5)
    for _ in range(200):
        data = sample(random_).as_bytes()
        known = email.message_from_bytes(data, policy=email.policy.compat32)
        expected = [
            (part.get_content_type(), part.get_payload(decode=True)) for part in known.walk() if not part.is_multipart()
        ]
        assert leaves(data) == expected


def test_thousands_of_levels_take_one_pass() -> None:
    levels = 4_000
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels))
    closed = b"".join(b"\n--b%d--" % n for n in reversed(range(levels)))
    data = opened + b"Content-Type: text/plain\n\ndeep" + closed + b"\n"
    assert leaves(data) == [("text/plain", b"deep")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Content-Type: multipart/mixed; boundary=a\n\nno part", [("text/plain", b"no part")]),
        (b"Content-Type: multipart/mixed\n\nno boundary", [("text/plain", b"no boundary")]),
        (b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\nopen", [("text/plain", b"open")]),
        (b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--ab\nx\n--a--\ny", [("text/plain", b"--ab\nx")]),
        (b"Subject: x\nno header\nrest", [("text/plain", b"no header\nrest")]),
        (b"", [("text/plain", b"")]),
        (b"\n\n\nSubject: x\n\nbody", [("text/plain", b"body")]),
        (b"Content-Transfer-Encoding: base64\n\naG!k\n?", [("text/plain", b"hi")]),
        (b"Content-Transfer-Encoding: base64\n\naGkaa", [("text/plain", b"hi\x1a")]),
    ],
)
def test_what_no_standard_allows(data: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert leaves(data) == expected


def test_base64_in_pieces_is_base64_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mime, "_CHUNK", 7)
    body = bytes(range(256)) * 3
    mail = EmailMessage()
    mail.add_attachment(body, maintype="application", subtype="octet-stream", filename="a.bin")
    data = mail.as_bytes()
    assert [one for _, one in leaves(data)][-1] == body


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?b?w7w=?= =?utf-8?b?w58=?=", "üß"),
        ("=?utf-8?b?w?= =?utf-8?q?=C3?= =?utf-8?q?=BC?= end", "=?utf-8?b?w?= ü end"),  # a character cut in two
        ("=?koi8-r?Q?=F0=D2=C9=D7=C5=D4?=", "Привет"),
        ("=?no-such?q?a_b?=", "a b"),
        ("Re: =?iso-8859-1?Q?caf=E9?= two", "Re: café two"),
        ("=?utf-8*de?q?=C3=BC?=", "ü"),
        ("plain =? not a word", "plain =? not a word"),
    ],
)
def test_encoded_words(written: str, read: str) -> None:
    assert mail_headers.decoded(written) == read


def test_raw_bytes_in_headers() -> None:
    tree = mime.split("Subject: Grüße\nFrom: Änna <a@example.com>\n\nx".encode())
    assert mail_headers.header(tree.headers, "subject") == "Grüße"
    assert mail_headers.addresses(tree.headers, "from") == [("Änna", "a@example.com")]
    tree = mime.split("Subject: Grüße\n\nx".encode("cp1252"))
    assert mail_headers.header(tree.headers, "subject") == "Grüße"


@pytest.mark.parametrize(
    ("written", "addresses"),
    [
        ("(" * 5000 + " a@example.com", ["a@example.com"]),
        ("a@example.com, b@example.com;", ["a@example.com", "b@example.com"]),
        ('"Smith, Jo" <jo@example.com>', ["jo@example.com"]),
        ("<<jo@example.com>>", ["jo@example.com"]),
        ("undisclosed-recipients:;", []),
    ],
)
def test_broken_addresses(written: str, addresses: list[str]) -> None:
    message = Message()
    message["to"] = written
    assert [one for _, one in mail_headers.addresses(message, "to") if "@" in one] == addresses


def test_flowed_text() -> None:
    assert unflowed("one \ntwo\n\n> a \n> b\n>> c \n-- \nJo") == "one two\n\n> a b\n>> c\n-- \nJo"
    assert unflowed("long \nword", delete_space=True) == "longword"
    assert unflowed(" >not a quote") == ">not a quote"


def test_alternatives_and_footers() -> None:
    mail = EmailMessage()
    mail.set_content("Your mail program cannot show this.")
    mail.add_alternative(f"<p>{'The bike arrived broken. ' * 20}</p>", subtype="html")
    assert mail_parsed(mail.as_bytes(), "a").text.startswith("The bike arrived broken.")
    boundary = b"Content-Type: multipart/mixed; boundary=b\n\n"
    html = b"--b\nContent-Type: text/html\n\n<p>Question?</p>\n"
    footer = b"--b\nContent-Type: text/plain\n\nSent to the list.\n--b--\n"
    assert mail_parsed(boundary + html + footer, "a").text == "Question?\n\nSent to the list."


def test_html_in_html_in_html_is_read_without_its_elements() -> None:
    parsed = html_parsed("<div>" * 100_000 + "<p>deep</p>", "a")
    assert (parsed.text, len(parsed.notes)) == ("deep", 1)
    assert html_parsed("<div><p>x" * 900, "a").notes == ()
