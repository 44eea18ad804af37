"""Fields: spans to the character, values normalised, and what only looks like one left alone."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

import rightsized.data
from rightsized.apps.triage.fields import Extractor, FieldSettings, extract
from rightsized.apps.triage.fields.finding import Found
from rightsized.apps.triage.fields.names import NameList
from rightsized.apps.triage.fields.settings import read_settings
from rightsized.apps.triage.mail import MailOptions, read_mail
from rightsized.apps.triage.records import Address, Mail, Span
from rightsized.core.errors import ConfigError

FRIDAY = datetime(2026, 11, 27, 10, tzinfo=UTC).timestamp()


def mail(body: str, subject: str = "", language: str = "", sent: float | None = FRIDAY) -> Mail:
    fresh = (Span(0, len(body)),) if body else ()
    return Mail("k", subject, body, Address("jo@example.org"), fresh=fresh, date=sent, language=language)


def values(body: str, name: str, settings: FieldSettings | None = None, language: str = "") -> list[str]:
    message = mail(body, language=language)
    found = extract(message, settings)
    assert all(message.body[one.start : one.end] == one.text for one in found)
    return [one.value for one in found if one.name == name]


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("My order FH-20311 is late.", "order", ["FH-20311"]),
        ("Bestellung Nr. 4711234, bitte.", "order", ["4711234"]),
        ("ordered on 18 August, FH-19874", "order", ["FH-19874"]),
        ("invoices 2026-04391 and 2026-04502", "invoice", ["2026-04391", "2026-04502"]),
        ("Rechnung RE-2024/118 ist falsch", "invoice", ["RE-2024/118"]),
        ("ticket #48213", "ticket", ["48213"]),
        ("Kundennummer: 1234567", "customer", ["1234567"]),
        ("order FH-1000 came, FH-1001 did not", "order", ["FH-1000", "FH-1001"]),
        ("Where is FH-20311?", "reference", ["FH-20311"]),
        ("I waited 12345 years, order it now", "order", []),
        ("in 2026 I ordered", "order", []),
        ("DIN 12345 and EUR 12345", "reference", []),
    ],
)
def test_numbers(text: str, name: str, found: list[str]) -> None:
    assert values(text, name) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("54,90 €", ["54.90 EUR"]),
        ("€54.90", ["54.90 EUR"]),
        ("$1,234.50 and 1.234,50 EUR", ["1234.50 USD", "1234.50 EUR"]),
        ("1'200 CHF", ["1200.00 CHF"]),
        ("1.200 EUR", ["1200.00 EUR"]),
        ("1 234,50 €", ["1234.50 EUR"]),
        ("79 euros, 20 quid", ["79.00 EUR", "20.00 GBP"]),
        ("EUR 5", ["5.00 EUR"]),
        ("5,- €", ["5.00 EUR"]),
        ("five euros, 50 European, $x, 10.5.2026 €", []),
    ],
)
def test_amounts(text: str, found: list[str]) -> None:
    assert values(text, "amount") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-03-04", ["2026-03-04"]),
        ("04.03.2026 or 4.3.26", ["2026-03-04", "2026-03-04"]),
        ("03/04/2026", ["2026-04-03"]),
        ("12/24/2026", ["2026-12-24"]),
        ("3 September 2026, 3rd of Sept.", ["2026-09-03", "2026-09-03"]),
        ("September 3rd, 2025", ["2025-09-03"]),
        ("am 15. Oktober", ["2026-10-15"]),
        ("le 1er janvier", ["2027-01-01"]),
        ("27 de noviembre de 2026", ["2026-11-27"]),
        ("Monday the 7th", ["2026-12-07"]),
        ("paid on 20/8.", ["2026-08-20"]),
        ("by the 10th, on the 5th floor", ["2026-12-10"]),
        ("tomorrow, the day after tomorrow", ["2026-11-28", "2026-11-29"]),
        ("next Friday, last Friday, on Monday", ["2026-12-04", "2026-11-20", "2026-11-30"]),
        ("two weeks ago, in 3 days", ["2026-11-13", "2026-11-30"]),
        ("vor zwei Tagen, nächsten Montag, übermorgen", ["2026-11-25", "2026-11-30", "2026-11-29"]),
        ("il y a 3 jours, lundi prochain", ["2026-11-24", "2026-11-30"]),
        ("Guten Morgen, por la mañana", []),
        ("version 1.2.3, 31/31, 30 February 2026, 1/2 price, 192.168.1.12", []),
        ("I sat in the sun", []),
    ],
)
def test_dates(text: str, found: list[str]) -> None:
    assert values(text, "date") == found


def test_dates_need_a_day_to_be_relative_to() -> None:
    message = mail("tomorrow, 3 May, 2026-05-03", sent=None)
    assert [one.value for one in extract(message)] == ["2026-05-03"]
    assert values("03/04/2026", "date", FieldSettings(day_first=False)) == ["2026-03-04"]
    assert values("hier", "date", language="de") == [] and values("hier", "date", language="fr") == ["2026-11-26"]


def test_contact_data_also_in_signatures() -> None:
    body = "Call me.\n\nJo\n+44 20 7946 0958\njo@Example.org\norder 123456"
    message = Mail("k", "", body, Address(""), fresh=(Span(0, 8),), signature=(Span(10, len(body)),))
    assert [(one.name, one.value) for one in extract(message)] == [
        ("phone", "+442079460958"),
        ("email", "jo@example.org"),
    ]
    assert values("IBAN DE89 3704 0044 0532 0130 00", "iban") == ["DE89370400440532013000"]


def test_names_of_a_list() -> None:
    settings = FieldSettings(lists={"product": {"Tarn jacket": ("Tarn coat",), "Skerry kayak": (), "Brackenridge": ()}})
    message = mail("my tarn-jacket, the Scerry kayak, Brakenrigde boots, TARN COAT", "Skerry Kayak")
    found = extract(message, settings)
    assert [(one.place, one.text, one.value, one.by) for one in found] == [
        ("subject", "Skerry Kayak", "Skerry kayak", "list"),
        ("body", "tarn-jacket", "Tarn jacket", "list"),
        ("body", "Scerry kayak", "Skerry kayak", "list"),
        ("body", "Brakenrigde", "Brackenridge", "list"),
        ("body", "TARN COAT", "Tarn jacket", "list"),
    ]
    assert [one.confidence for one in found] == [1.0, 1.0, 0.85, 0.7, 1.0]
    assert list(NameList("p", ["Skerry"], fuzzy=False).find("Scerry")) == []
    assert list(NameList("p", ["Tarn"]).find("Torn, barn, a tarn.")) == [Found("p", 14, 18, "Tarn", 1.0, "list", 20)]


def test_a_word_without_an_end_is_no_work() -> None:
    assert list(NameList("p", ["Brackenridge" * 5]).find("aB1" * 7000)) == []


def test_own_patterns_go_before_ours() -> None:
    settings = read_settings({"patterns": {"contract": [r"contract (?P<value>\d{8})"], "order": [r"FH-\d{5}"]}})
    found = extract(mail("contract 12345678 for order FH-20311"), settings)
    assert [(one.name, one.text) for one in found] == [("contract", "12345678"), ("order", "FH-20311")]
    assert values("order 123456", "order", FieldSettings(off=("order",))) == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"patterns": {"x": ["("]}}, "is no regular expression"),
        ({"patterns": {"x": [r"\d*"]}}, "matches an empty text"),
        ({"patterns": {"x": [r"a(\w+\s?)+b"]}}, "repeats within a repeat"),
        ({"patterns": {"x": [r"a(?:x|(?:y*z)*)b"]}}, "repeats within a repeat"),
        ({"of": ["date"]}, "Did you mean off"),
        ({"off": ["dates"]}, "is no field"),
    ],
)
def test_settings_that_cannot_be_used(table: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(table)
    assert said in str(caught.value)


def test_a_model_gives_way_to_patterns() -> None:
    def model(text: str) -> list[Found]:
        return [Found("place", 0, 6, text[0:6], 0.9, "model"), Found("place", 8, 18, "x", 0.9, "model")]

    found = Extractor(FieldSettings(), model)(mail("London: 2026-11-27"))
    assert [(one.name, one.by) for one in found] == [("place", "model"), ("date", "pattern")]


def test_the_sample_mailbox() -> None:
    """Absolute dates, amounts with a currency, order numbers by their pattern: what is labelled is found."""
    folder = Path(rightsized.data.__file__).parent / "mailbox"
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
    finder = Extractor(FieldSettings(patterns={"order": (r"\bFH-\d{5}\b",)}))
    found, missed = Counter[str](), Counter[str]()
    for row in rows:
        message = read_mail((folder / row["file"]).read_bytes(), MailOptions(language=False))
        got = {(one.name, one.value) for one in finder(message)}
        for one in row["fields"]:
            if one["name"] in ("order", "amount", "date", "invoice"):
                (found if (one["name"], one["value"]) in got else missed)[one["name"]] += 1
    assert missed["order"] == 0
    assert sum(missed.values()) < 0.1 * sum(found.values()), missed
