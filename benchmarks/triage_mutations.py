"""Mail that nobody should send: 5,000 valid messages, damaged at random in their bytes, headers, parts and encodings.

Each is read without the net that turns a defect into a refusal, so that a defect shows. Counted are messages that
raised something, that took longer than the bound, and whose record breaks its own promises: spans that lie outside
the body or on each other, keys that differ from one reading to the next.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from itertools import pairwise
from typing import Any

import msgspec

from benchmarks import harness
from rightsized.apps.triage.mail.message import MailOptions, parse
from rightsized.apps.triage.records import Mail
from rightsized.core.errors import DocumentError

SEED = 20261128
COUNT, QUICK_COUNT = 5_000, 300
SECONDS = 2.0  # longest processor time for one message of this size; the median takes about a thousandth of it
OPTIONS = MailOptions(language=False)
LARGEST = 400_000  # bytes of a mutation
TEXT = (
    "Hello,\n\nmy order FH-204417 arrived on 24 November with a broken pump. Please send another one.\n\nBest regards\n"
    "Jo Miller\n\nOn Fri, 27 Nov 2026 at 09:12, Support <support@example.com> wrote:\n> What is wrong?\n> Support\n"
)
HTML = "<html><body><p>Grüße,<br>die Pumpe ist kaputt.</p><blockquote>Was ist los?</blockquote><table><tr><td>a</table>"
JUNK = (
    b"\x00", b"\xff\xfe", b"\r", b"\n", b"\r\n\r\n", b"--", b"--b", b"=?utf-8?b?", b"?=", b"=?utf-8?q?=", b"<", b">",
    b"(", b"((((", b'"', b"\\", b";", b"; charset=utf-16", b"; boundary=", b'boundary="', b"=", b"=\n", b"@", b",",
    b"\x1b$B", b"+AGE-", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xc3", b"name*0*=utf-8''%e2", b"From ", b">From ",
    b"-----Original Message-----\n", b"On , wrote:\n", b"<blockquote>", b"<!--", b"&#xD800;", b"&#0;", b"a" * 3000,
    b"\nContent-Type: multipart/mixed; boundary=b\n\n", b"\nContent-Transfer-Encoding: base64\n\n",
    b"\nContent-Type: message/rfc822\n\n", b"\nContent-Type: text/html; charset=no-such\n\n", b"begin 644 a\n",
)  # fmt: skip
REPEATED = (
    b"(", b'"', b"<", b">", b"> ", b"\n", b"\r", b"--\n", b"--b\n", b"a@b,", b"=?utf-8?q?a?= ", b"Re: ", b"<div>",
    b"<blockquote>", b"Received: x;\n", b"On 1 wrote:\n", b"From: a\n", b"References: <a@b>\n", b" \n", b"=", b"-",
    b"<table><tr><td>", b"&", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"; name*0*=a", b"_", b"\t",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Valid messages of every shape that the mutations start from."""
    plain = _message(TEXT)
    both = _message(TEXT)
    both.add_alternative(HTML, subtype="html")
    files = _message("See both.")
    files.add_attachment(b"%PDF-1.4\n" + bytes(range(256)), maintype="application", subtype="pdf", filename="Grüße.pdf")
    files.add_attachment("a,b\n1,2\n", subtype="csv", filename="a.csv")
    inner = _message("See below.")
    inner.add_attachment(both)
    latin = _message("")
    latin.set_content("Grüße aus Köln\n", charset="iso-8859-1", cte="quoted-printable")
    marked = _message("")
    marked.set_content(HTML, subtype="html", cte="base64")
    flowed = _message(TEXT)
    flowed.set_param("format", "flowed")
    calendar = _message("Please come.")
    calendar.add_alternative("BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n", subtype="calendar")
    bounce = (
        b"Return-Path: <>\nFrom: MAILER-DAEMON@example.com\nSubject: Undeliverable\nContent-Type: multipart/report; "
        b"report-type=delivery-status; boundary=b\n\n--b\n\nNot delivered.\n--b\nContent-Type: message/delivery-status"
        b"\n\nAction: failed\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\nmine\n--b--\n"
    )
    made = (plain, both, files, inner, latin, marked, flowed, calendar)
    return [*map(_bytes, made), bounce]


def _bytes(mail: EmailMessage) -> bytes:
    """The message with boundaries that are the same each time."""
    for number, part in enumerate(mail.walk()):
        if part.get_content_maintype() == "multipart":
            part.set_boundary(f"=={number}==b")
    return mail.as_bytes()


def mutations(count: int, seed: int = SEED) -> Iterator[bytes]:
    """Damaged messages, the same for the same seed."""
    chance, valid = random.Random(seed), seeds()
    for _ in range(count):
        data = chance.choice(valid)
        for _ in range(chance.choice((1, 1, 2, 3, 5, 10))):
            data = chance.choice(DAMAGES)(data, chance)[:LARGEST]
        yield data


def complaint(data: bytes) -> tuple[str, float]:
    """What is wrong with how a message is read (empty where nothing is), and its processor time in seconds."""
    begun = time.process_time()
    try:
        mail = parse(data, OPTIONS, received=0.0, read=lambda path, name: "")
    except DocumentError:
        return "", time.process_time() - begun
    except Exception as error:  # noqa: BLE001 - what it raises is the finding
        return f"{type(error).__name__}: {error}", time.process_time() - begun
    took = time.process_time() - begun
    return _broken(mail, data) or ("too slow" if took > SECONDS else ""), took


def _broken(mail: Mail, data: bytes) -> str:
    spans = sorted([*mail.fresh, *mail.quoted, *mail.signature], key=lambda one: one.start)
    if any(one.start >= one.end or one.end > len(mail.body) for one in spans):
        return "a span outside the body"
    if any(one.end > following.start for one, following in pairwise(spans)):
        return "spans on each other"
    if "".join("".join(mail.body[one.start : one.end].split()) for one in spans) != "".join(mail.body.split()):
        return "text that is neither written nor quoted nor signature"
    if not mail.key or not mail.thread:
        return "no key"
    msgspec.json.decode(msgspec.json.encode(mail), type=Mail)  # fits for the store: no halves of surrogate pairs
    again = parse(data, OPTIONS, received=5.0, read=lambda path, name: "")
    return "" if again.key == mail.key else "another key at the second reading"


def _message(text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "Jo Miller <jo@example.org>", "support@example.com, Änna <anna@example.com>"
    mail["Subject"], mail["Date"] = "Re: Störung der Pumpe", "Fri, 27 Nov 2026 10:00:00 +0100"
    mail["Message-ID"], mail["References"] = "<m1@example.org>", "<a@example.org> <b@example.org>"
    mail["Received"] = "from a by b; Fri, 27 Nov 2026 10:00:05 +0100"
    if text:
        mail.set_content(text)
    return mail


def _inserted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(JUNK) + data[at:]


def _removed(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 1, 5, 50, 500)) :]


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data or b" ")
    for _ in range(chance.choice((1, 5, 50))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _repeated(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(REPEATED) * chance.choice((10, 1000, 20_000)) + data[at:]


def _moved_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    line = lines.pop(chance.randrange(len(lines)))
    lines.insert(chance.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _doubled_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    lines[at:at] = [lines[at]] * chance.choice((1, 1, 100))
    return b"\n".join(lines)


def _other_ends(data: bytes, chance: random.Random) -> bytes:
    return data.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\n\r", b"\r\r\n")))


def _nested(data: bytes, chance: random.Random) -> bytes:
    levels = chance.choice((2, 30, 1500))
    kind = chance.choice((b"multipart/mixed", b"multipart/alternative", b"multipart/report", b"message/rfc822"))
    opened = (
        b"Content-Type: %s; boundary=b%d\n\n--b%d\n" % (kind, n, n * chance.choice((0, 1))) for n in range(levels)
    )
    return b"".join(opened) + data


DAMAGES: Sequence[Callable[[bytes, random.Random], bytes]] = (
    _inserted, _inserted, _removed, _flipped, _cut, _repeated, _moved_line, _doubled_line, _other_ends, _nested,
)  # fmt: skip


def measure(count: int) -> dict[str, Any]:
    """Read all of them, and say what went wrong."""
    wrong, times = Counter[str](), list[float]()
    for data in mutations(count):
        said, took = complaint(data)
        times.append(took)
        if said:
            wrong[said[:120]] += 1
    ranks = harness.percentiles(times, (50, 99))
    return {"mutations": count, "seed": SEED, "wrong": dict(wrong), "seconds": {**ranks, "most": max(times)}}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=0, help=f"mutations (default {COUNT:,})")


def main() -> int:
    given = harness.options("triage_mutations", __doc__.partition("\n")[0], _configure)
    result = measure(given.extra.count or (QUICK_COUNT if given.quick else COUNT))
    seconds = result["seconds"]
    lines = [
        f"{result['mutations']:,} damaged messages, {sum(result['wrong'].values())} read wrongly.",
        f"Processor seconds each: median {seconds['p50']:.4f}, 99% {seconds['p99']:.3f}, most {seconds['most']:.2f}.",
    ]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
