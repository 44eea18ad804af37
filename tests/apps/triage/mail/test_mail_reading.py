"""Messages as they come: names, threads, machines, attachments, and the bounds on all of it."""

from __future__ import annotations

import hashlib
import tracemalloc
from email.message import EmailMessage
from pathlib import Path

import pytest
from mail_samples import PLAIN, message, read

from rightsized.apps.triage.mail import MailOptions, read_mail
from rightsized.apps.triage.mail.identity import distinct, normalised
from rightsized.apps.triage.mail.settling import Settling
from rightsized.apps.triage.mail.threads import RecentThreads, bare_subject, placed
from rightsized.apps.triage.records import Address, Mail
from rightsized.apps.triage.store import MessageStore
from rightsized.core.errors import DocumentError


def test_headers() -> None:
    mail = read(
        message(
            "Hello",
            "=?utf-8?q?St=C3=B6rung?=",
            Cc="Bo <Bo@Example.org>",
            Reply_To="help@example.org",
            In_Reply_To="<p@example.org>",
            References="<a@example.org> <p@EXAMPLE.org>",
            Received="from a by b; Fri, 27 Nov 2026 09:00:05 +0000",
            X_Priority="1",
        )
    )
    assert mail.subject == "Störung"
    assert mail.sender == Address("jo@example.org", "Jo Miller")
    assert (mail.to, mail.cc) == ((Address("support@example.com"),), (Address("bo@example.org", "Bo"),))
    assert mail.reply_to == (Address("help@example.org"),)
    assert (mail.date, mail.received) == (1795770000.0, 1795770005.0)
    assert (mail.key, mail.message_id) == ("m1@example.org", "m1@example.org")
    assert (mail.thread, mail.in_reply_to) == ("a@example.org", "p@example.org")
    assert mail.references == ("a@example.org", "p@example.org")
    assert mail.headers["x-priority"] == "1"


def test_a_message_without_a_name_has_one_made_of_its_content() -> None:
    one = read(message("A", Message_ID="", Received="x; Fri, 27 Nov 2026 09:00:05 +0000"))
    again = read(message("A", Message_ID="", Received="y; Fri, 27 Nov 2026 10:00:05 +0000"))
    assert one.key == again.key and one.key.startswith("sha256:")
    assert one.key != read(message("B", Message_ID="")).key
    assert one.thread == one.key


@pytest.mark.parametrize(
    ("written", "name"),
    [("<A.b@Example.ORG>", "A.b@example.org"), (" <a@b\r\n c> ", "a@bc"), ("plain", "plain"), ("<>", "")],
)
def test_message_ids(written: str, name: str) -> None:
    assert normalised(written) == name


def test_two_messages_under_one_name_are_both_kept() -> None:
    kept: dict[str, Mail] = {}
    for text in ("first", "second", "first", "second"):
        mail = distinct(read(message(text)), kept.get, kept.__contains__)
        kept.setdefault(mail.key, mail)
    assert [one.body for one in kept.values()] == ["first", "second"]
    purged = distinct(read(message("first")), lambda key: None, lambda key: key == "m1@example.org")
    assert purged.key.startswith("m1@example.org#")  # its text is gone: rather twice than lost


def test_threads() -> None:
    known = RecentThreads()
    first = placed(read(message("1", "Pump P200", Message_ID="<1@x>")), known)
    known.add(first)
    # Only the parent is named, which is itself an answer.
    second = placed(read(message("2", "Re: Pump P200", Message_ID="<2@x>", In_Reply_To="<1@x>")), known)
    known.add(second)
    third = placed(read(message("3", "Re: Pump P200", Message_ID="<3@x>", In_Reply_To="<2@x>")), known)
    assert [one.thread for one in (first, second, third)] == ["1@x"] * 3
    # No headers at all: by subject, between the same people only, and only an answer.
    assert placed(read(message("4", "AW: Pump P200", Message_ID="<4@x>")), known).thread == "1@x"
    other = message("5", "Re: Pump P200", Message_ID="<5@x>", From="an@example.org")
    assert placed(read(other), known).thread == "5@x"
    assert placed(read(message("6", "Pump P200", Message_ID="<6@x>")), known).thread == "6@x"
    later = message("7", "Re: Pump P200", Message_ID="<7@x>", Date="Fri, 12 Feb 2027 10:00:00 +0100")
    assert placed(read(later), known).thread == "7@x"


def test_messages_settle_among_those_of_a_store(tmp_path: Path) -> None:
    store = MessageStore(tmp_path)
    settle, keys = Settling(store.find, store.people), []
    for text, subject, name, answers in (
        ("one", "Pump P200", "<1@x>", ""),
        ("another", "Pump P200", "<1@x>", ""),
        ("one", "Pump P200", "<1@x>", ""),
        ("answer", "Re: Pump P200", "<2@x>", "<1@x>"),
        ("again", "Re: Pump P200", "<3@x>", "<2@x>"),
        ("by subject", "AW: Pump P200", "<4@x>", ""),
    ):
        mail = settle(read(message(text, subject, Message_ID=name, In_Reply_To=answers)))
        keys.append(mail.key)
        store.take(mail, "s", f"{len(keys)}", "")
    assert keys[0] == keys[2] == "1@x" and keys[1].startswith("1@x#")
    assert [one.mail.body for one in store.thread("1@x") if one.mail] == ["one", "answer", "again", "by subject"]
    assert store.get(keys[1]).thread == keys[1]
    exported = Mail("7", "Re: Pump P200", "x", Address("jo@example.org"), thread="case 3")
    assert settle(exported).thread == "case 3"  # an export says it itself
    store.close()


def test_threads_forget() -> None:
    known = RecentThreads(most=2)
    for number in range(5):
        known.add(read(message("x", f"Subject number {number}", Message_ID=f"<{number}@x>")))
    assert (known.of_key("0@x"), known.of_key("4@x")) == ("", "4@x")


def test_bare_subjects() -> None:
    assert bare_subject("Re: AW: [2] Fwd: RE[3]:  Broken   Pump") == "[2] fwd: re[3]: broken pump"
    assert bare_subject("Re: AW: Fwd: RE[3]:  Broken   Pump") == "broken pump"


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("auto-reply", {"Auto_Submitted": "auto-replied (vacation)"}),
        ("auto-reply", {"X_Autoreply": "yes"}),
        ("auto-reply", {"Precedence": "auto_reply"}),
        ("auto-reply", {"Subject": "Automatic reply: Pump"}),
        ("auto-reply", {"Subject": "Abwesenheitsnotiz: Pumpe"}),
        ("auto-reply", {"Subject": "Réponse automatique : Pompe"}),
        ("bulk", {"List_Unsubscribe": "<https://news.example.net/u>", "List_Id": "<news.example.net>"}),
        ("bulk", {"Precedence": "bulk"}),
        ("report", {"Auto_Submitted": "auto-generated"}),
        ("bounce", {"Return_Path": "<>", "Subject": "Undeliverable: Pump", "From": "postmaster@example.net"}),
        ("bounce", {"X_Failed_Recipients": "a@example.net"}),
        # A team's address may be a list: a person wrote to it.
        ("", {"List_Id": "<support.example.com>", "Precedence": "list", "List_Unsubscribe": "<mailto:u@example.com>"}),
        ("", {"List_Id": "Help <help.fernhill.example>", "Precedence": "list"}),
        ("", {"Auto_Submitted": "no"}),
        ("", {"Subject": "Your out of office reply was wrong"}),
        ("", {"Subject": "Re: Undeliverable parcel"}),
    ],
)
def test_machines(kind: str, headers: dict[str, str]) -> None:
    options = MailOptions(language=False, domains=("fernhill.example",))
    assert read(message("Hello", **headers), options).automatic == kind


def report(kind: str, part: str, content: str) -> bytes:
    return (
        f"From: Mail <mailer@example.net>\nSubject: Notice\nMessage-ID: <r@example.net>\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=b\n\n--b\n\nIt was not delivered.\n"
        f"--b\nContent-Type: message/{part}\n\n{content}\n--b\nContent-Type: message/rfc822\n\nSubject: Pump\n\n"
        "My own words\n--b--\n"
    ).encode()


def test_reports() -> None:
    failed = read(
        report("delivery-status", "delivery-status", "Reporting-MTA: dns; x\n\nAction: failed\nStatus: 5.1.1")
    )
    assert (failed.automatic, failed.written) == ("bounce", "It was not delivered.")
    done = read(report("delivery-status", "delivery-status", "Reporting-MTA: dns; x\n\nAction: delivered"))
    assert done.automatic == "report"
    seen = read(report("disposition-notification", "disposition-notification", "Disposition: manual-action; displayed"))
    assert seen.automatic == "report"


def test_invitations() -> None:
    mail = message("Please come.")
    calendar = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
    mail.add_alternative(calendar, subtype="calendar", params={"method": "REQUEST"})
    assert read(mail).automatic == "calendar"
    attached = message("See the dates attached.")
    attached.add_attachment(calendar, subtype="calendar", filename="dates.ics")
    assert read(attached).automatic == ""


def test_attachments() -> None:
    mail = message("See the invoice.")
    mail.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="../in voice.csv")
    mail.add_attachment(b"\x00" * 9, maintype="application", subtype="octet-stream")
    inner = EmailMessage()
    inner["Subject"] = "The first one"
    inner.set_content("Inside")
    mail.add_attachment(inner)
    found = read(mail).attachments
    assert [(one.name, one.media_type, one.size) for one in found[:2]] == [
        ("in voice.csv", "text/csv", 8),
        ("part-2", "application/octet-stream", 9),
    ]
    assert found[0].sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest() and not found[0].text
    assert found[2].name == "The first one.eml"
    assert read(mail, MailOptions(attachments=True, language=False)).attachments[0].text == "a,b\n1,2\n"


def test_attachments_are_read_apart_and_refusals_are_told() -> None:
    mail = message("See both.")
    mail.add_attachment("a;b\n1;2\n", subtype="csv", filename="a.csv")
    mail.add_attachment(b"MZ\x90\x00" + bytes(200), maintype="application", subtype="pdf", filename="b.pdf")
    table, program = read_mail(mail.as_bytes(), MailOptions(attachments=True)).attachments
    assert (table.text, table.note) == ("a\tb\n1\t2", "")
    assert (program.text, program.note[:9]) == ("", "Not read ")


def test_a_message_forwarded_as_an_attachment() -> None:
    inner = message("The pump is broken.")
    mail = message(" ", "Fwd: Pump")
    mail.add_attachment(inner)
    found = read(mail)
    assert found.written == "The pump is broken."
    assert "message inside" in found.notes[0]


def test_what_was_not_opened_is_told() -> None:
    data = (
        b"Subject: x\nContent-Type: multipart/encrypted; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\n"
    )
    assert read(data + b"Version: 1\n--b--").notes == ("The message is encrypted: its text was not read.",)


def test_encodings() -> None:
    text = "Grüße aus Köln – das Gerät läßt sich nicht öffnen."
    for charset in ("utf-8", "iso-8859-15", "cp1250"):
        mail = message()
        mail.set_content(text.replace("–", "-"), charset=charset, cte="base64")
        assert read(mail).body == text.replace("–", "-")
    wrong = b"Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 8bit\n\n" + text.encode("cp1252")
    assert read(wrong).body == text


def test_language() -> None:
    text = "Guten Tag, meine Bestellung ist leider noch nicht angekommen. Wann wird sie geliefert?"
    assert read(message(text, "Bestellung"), MailOptions()).language in ("de", "")
    from rightsized.apps.triage.mail.message import language_of

    pytest.importorskip("py3langid")
    assert language_of(text) == "de"


def test_sizes() -> None:
    with pytest.raises(DocumentError) as caught:
        read_mail(b"x" * 101, MailOptions(max_bytes=100))
    assert caught.value.reason == "too-large"
    with pytest.raises(DocumentError) as caught:
        read_mail(b" \r\n ")
    assert caught.value.reason == "empty"
    long = read(message("word " * 200_000))
    assert len(long.body) == 500_000 and "Only the first 500,000" in long.notes[0]


def test_memory_of_a_large_message() -> None:
    head = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee the film.\n"
    head += b"--b\nContent-Type: video/mp4\nContent-Transfer-Encoding: base64\n\n"
    data = head + b"QUJD" * 19 + b"\n" + (b"QUJD" * 19 + b"\n") * 300_000 + b"--b--\n"
    tracemalloc.start()
    mail = read_mail(data, PLAIN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mail.attachments[0].size == 57 * 300_001
    assert peak < 5_000_000  # beside the message itself, of 23 MB


def test_defects_are_errors_of_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightsized.apps.triage.mail.message.mark_quotes", lambda *given: 1 / 0)
    with pytest.raises(DocumentError, match="ZeroDivisionError"):
        read_mail(message("x").as_bytes(), PLAIN)
