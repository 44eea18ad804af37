"""The sample mailbox: counts, labels that agree with each other, exact places, invented people, every message read."""

from __future__ import annotations

import re
from collections import Counter
from email.utils import getaddresses
from typing import Any, get_args

import pytest
from document_texts import normal, text_of
from mailbox_files import ROOT, attachments, incoming, labels, mails, shown, threads
from test_sample_data import DEPARTMENTS, OUT_OF_SCOPE

from rightsized.apps.triage.mail.message import MailOptions, read_mail
from rightsized.apps.triage.records import LEVELS, Automatic
from rightsized.data import folder

LARGEST = 1_500_000  # bytes in the wheel
MOST_KEYS = 3  # sentences of a summary
AGREE = 0.9  # share of messages whose written part is told from quotes and signature as a person does; 0.93 found
INTENTS = {
    "order_status", "order_change", "purchase_question", "checkout_problem", "return_exchange", "refund",
    "damaged_missing", "defect_claim", "document_request", "payment_issue", "product_question", "rental_booking",
    "account_access", "privacy_request", "complaint", "information", "safety_report",
}  # fmt: skip
SURNAMES = {
    "Beispiel", "Demoson", "Ejemplo", "Exemple", "Fabricated", "Ficticio", "Fictional", "Imaginaire", "Mockford",
    "Muster", "Mustermann", "Nonesuch", "Placeholder", "Sample", "Specimen", "Testmann",
}  # fmt: skip
OFFICES = {
    "", "Accounts", "Accounts payable", "Billing Robot", "Brand office", "Camp School", "Club secretary", "dkp", "jess",
    "Editorial desk", "Expedition office", "Fabric Weekly", "Fernhill Outfitters", "Freight desk", "Growth Team",
    "Hut Wardens' List", "Kreditberatung", "Mail Delivery Subsystem", "Mail Delivery System", "Night shift",
    "Outdoor Fair Organisers", "Parcel Center", "Purchasing", "Returns desk", "Shop monitor",
}  # fmt: skip
MAILBOXES = re.compile(r"[\w.+-]+@((?:[\w-]+\.)*example\.(?:com|org|net))\b")
DIGITS = re.compile(r"\d(?:[ .\-/]?\d)*")
HARMLESS = re.compile(
    r"\bFH-\d{5}\b|\b\d{4}-\d{5}\b|\b20\d\d-\d\d-\d\d(?: \d\d:\d\d)?|\b\d{1,2}[./]\d{1,2}[./]20\d\d(?: \d\d:\d\d)?"
    r"|\b20\d{6}T\d{6}Z|<[\w.@-]+>|\bt\d{3}-\d|\b20\d\d (?:at )?\d\d:\d\d|\d{1,3}(?:[.,]\d{3})*[.,]\d\d (?:EUR|GBP)"
)
LONGEST_NUMBER = 6  # digits; shorter than any full subscriber number
README = ROOT.with_name("README.md").read_text("utf-8")


def suspicious(text: str) -> list[str]:
    """What in `text` could belong to somebody."""
    found = [one for one in re.findall(r"[\w.+-]+@[\w.-]+\w", text) if not MAILBOXES.fullmatch(one)]
    runs = (re.sub(r"\D", "", run) for run in DIGITS.findall(HARMLESS.sub(" ", text)))
    found += [run for run in runs if len(run) > LONGEST_NUMBER]
    bare = re.sub(r"[\w.+-]+@[\w.-]+", " ", text)
    return found + re.findall(r"https?://\S+|www\.\S+", bare)


def test_three_hundred_messages_in_about_120_threads() -> None:
    assert len(labels()) == len({row["id"] for row in labels()}) == 300
    assert {path.name for path in (ROOT / "messages").iterdir()} == {row["file"].split("/")[1] for row in labels()}
    assert 115 <= len({row["thread"] for row in labels()}) <= 130
    assert len(threads()) >= 100
    assert sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file()) < LARGEST


def test_every_kind_of_mail_is_there() -> None:
    kinds = Counter(part.get_content_type() for mail in mails().values() for part in mail.walk())
    assert kinds["text/html"] >= 30
    assert kinds["multipart/alternative"] >= 15
    assert kinds["text/calendar"] >= 3
    assert kinds["message/delivery-status"] >= 2
    files = Counter(name.rpartition(".")[2] for mail in mails().values() for name, _ in attachments(mail))
    assert set(files) >= {"jpg", "png", "pdf", "docx", "csv"}
    assert files.total() >= 40
    raw = [(ROOT / name).read_bytes().lower() for name in mails()]
    for needed in (b"iso-8859-1", b"encoding: base64\n\n", b"quoted-printable", b"=?utf-8?", b"=?iso-8859-1?q?"):
        assert any(needed in one for one in raw), needed
    assert any(mail["Message-ID"] is None for mail in mails().values())
    assert any(mail["Date"] is None for mail in mails().values())


def test_a_storm_and_a_duplicate() -> None:
    storm = [row for row in labels() if row["storm"]]
    assert 15 <= len(storm) <= 20
    assert {(row["department"], "checkout_problem" in row["intents"]) for row in storm} == {("orders", True)}
    assert len({row["file"][9:18] for row in storm}) == 1, "all on one day"
    (twice,) = (row for row in labels() if row["duplicate_of"])
    (first,) = (row for row in labels() if row["id"] == twice["duplicate_of"])
    assert first["key"] == twice["key"] != ""
    keys = Counter(row["key"] for row in labels() if row["key"])
    assert [key for key, times in keys.items() if times > 1] == [first["key"]]


def test_labels_are_known_and_agree_with_each_other() -> None:
    for row in incoming():
        assert row["department"] in DEPARTMENTS | {OUT_OF_SCOPE}, row["id"]
        assert set(row["intents"]) <= INTENTS, row["id"]
        assert row["sentiment"] in {"calm", "worried", "angry"}, row["id"]
        assert row["priority"] in LEVELS, row["id"]
        assert row["automatic"] in get_args(Automatic), row["id"]
        assert row["language"] in {"en", "de", "fr", "es"}, row["id"]
        assert not row["spam"] or (row["department"], row["priority"]) == (OUT_OF_SCOPE, "low"), row["id"]
        assert not row["human"] or row["priority"] in {"urgent", "high"}, row["id"]
        assert "safety_report" not in row["intents"] or row["human"], row["id"]


def test_what_the_shop_wrote_itself_has_no_labels_of_its_own() -> None:
    sent = [row for row in labels() if row["outgoing"]]
    assert len(sent) >= 80
    assert {(tuple(row["intents"]), row["sentiment"], row["priority"], row["human"]) for row in sent} == {
        ((), "", "", False)
    }


def test_every_label_has_examples() -> None:
    assert min(Counter(row["department"] for row in incoming()).values()) >= 12
    intents = Counter(intent for row in incoming() for intent in row["intents"])
    assert set(intents) == INTENTS
    assert min(intents.values()) >= 5
    assert sum(len(row["intents"]) > 1 for row in incoming()) >= 50
    assert min(Counter(row["priority"] for row in incoming()).values()) >= 20
    assert sum(row["language"] != "en" for row in incoming()) >= 40


def test_the_readme_defines_every_label() -> None:
    section = README[README.index("## Mailbox") :]
    assert INTENTS | set(LEVELS) <= set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize("name", ["order", "invoice", "date", "amount", "product"])
def test_fields_stand_where_they_are_said_to(name: str) -> None:
    shape = {
        "order": r"FH-\d{5}",
        "invoice": r"\d{4}-\d{5}",
        "date": r"20\d\d-\d\d-\d\d",
        "amount": r"\d+\.\d\d [A-Z]{3}",
    }
    for row in labels():
        places = {"subject": row["subject"], "body": row["written"]}
        for one in (field for field in row["fields"] if field["name"] == name):
            assert places[one["place"]][one["start"] : one["end"]] == one["text"], row["id"]
            assert re.fullmatch(shape.get(name, r"\S.*"), one["value"]), row["id"]


def test_sentences_are_all_of_what_was_written_in_order() -> None:
    written = {row["id"]: row["written"] for row in labels()}
    for thread in threads():
        for message in {one["message"]: None for one in thread["sentences"]}:
            at, text = 0, written[message]
            for one in (found for found in thread["sentences"] if found["message"] == message):
                assert text[at : one["start"]].strip() == ""
                assert text[one["start"] : one["end"]] == one["text"]
                assert one["kind"] in {"request", "commitment", "fact", "other"}
                at = one["end"]
            assert text[at:].strip() == ""


def test_a_summary_has_one_to_three_key_sentences_and_actions_are_requests() -> None:
    for thread in threads():
        assert 1 <= sum(one["key"] for one in thread["sentences"]) <= MOST_KEYS, thread["thread"]
        assert {one["kind"] for one in thread["sentences"] if one["action"]} <= {"request"}, thread["thread"]
        assert {one["kind"] for one in thread["sentences"] if one["key"]} <= {"request", "commitment", "fact"}
    assert sum(any(one["action"] for one in thread["sentences"]) for thread in threads()) >= 30


def test_a_complaint_is_a_customers_fact_or_comment() -> None:
    written_here = {row["id"] for row in labels() if row["outgoing"]}
    found = [one for thread in threads() for one in thread["sentences"] if one["complaint"]]
    assert len(found) >= 90
    assert {one["kind"] for one in found} == {"fact", "other"}
    assert not any(one["message"] in written_here for one in found)


def test_people_are_plainly_made_up() -> None:
    people = [str(mail[name]) for mail in mails().values() for name in ("From", "To", "Cc") if mail[name]]
    names = {name.removesuffix(" - Fernhill Outfitters") for name, _ in getaddresses(people)} - OFFICES
    assert {name.split()[-1].title() for name in names} <= SURNAMES
    assert all(MAILBOXES.fullmatch(address) for _, address in getaddresses(people))


@pytest.mark.parametrize(
    "planted", ["jo@firm.eu", "Call 0171 555 0123", "https://firm.example.com/x", "card 4111 1111 1111"]
)
def test_the_search_finds_what_is_planted(planted: str) -> None:
    assert suspicious(planted)


def test_nothing_could_belong_to_somebody() -> None:
    found: dict[str, list[str]] = {}
    for name, mail in mails().items():
        papers = [text_of(*one) for one in attachments(mail) if not one[0].endswith((".jpg", ".png"))]
        if bad := suspicious("\n".join([shown(mail), *papers])):
            found[name] = bad
    assert found == {}


def test_every_message_is_read_as_it_is_labelled() -> None:
    """The parser of triage finds every field; knows machines from people, and is right of languages or silent."""
    agree = 0
    for row in labels():
        mail = read_mail((ROOT / row["file"]).read_bytes(), MailOptions())
        assert (mail.message_id, mail.automatic, mail.notes) == (row["key"], row["automatic"], ()), row["id"]
        assert mail.language in (row["language"], ""), row["id"]
        places = {"subject": normal(mail.subject), "body": normal(mail.body)}
        assert all(normal(one["text"]) in places[one["place"]] for one in row["fields"]), row["id"]
        agree += normal(mail.written) == normal(row["written"])
    assert agree >= AGREE * len(labels())


def test_threads_are_found_again_but_for_those_that_lost_their_headers() -> None:
    roots: dict[str, set[Any]] = {}
    for row in labels():
        mail = mails()[row["file"]]
        roots.setdefault(row["thread"], set()).add(str(mail["References"] or mail["Message-ID"]).split()[0])
    assert sum(len(found) > 1 for found in roots.values()) <= 8


def test_the_folder_is_reached_by_name() -> None:
    assert folder("mailbox") == ROOT
