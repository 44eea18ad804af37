"""Certificates of fields: a random sample that nobody can thin out, a test per field, and what voids a promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from rightsized.apps.triage.fields import Extractor, FieldSettings, promises
from rightsized.apps.triage.fields.certifying import Sample, certify, compare, scores_of
from rightsized.apps.triage.fields.promises import Promises
from rightsized.apps.triage.fields.sample import Drawn, Row, draw, read, write
from rightsized.apps.triage.records import Address, Extracted, Mail, Span
from rightsized.core.errors import DataError, StoreError
from rightsized.core.types import Targets

SECRET = b"s" * 32
SETTINGS = FieldSettings(patterns={"order": (r"FH-\d{5}",)})
TARGETS = Targets(0.05, 0.95)


def mail(number: int, words: str = "") -> Mail:
    body = words or f"My order FH-{number:05} is late."
    return Mail(f"m{number}", "", body, Address("jo@example.org"), fresh=(Span(0, len(body)),), thread=f"t{number}")


def filled(
    mails: Sequence[Mail], says: Callable[[int], tuple[str, ...]], *, unread: int = 0
) -> tuple[Drawn, list[Row]]:
    drawn = Drawn("inbox", len(mails), 1_000, 0.0, 86_400.0)
    rows = [
        Row(one.key, "", one.body, one, at >= unread, {"order": says(int(one.key[1:]))}) for at, one in enumerate(mails)
    ]
    return drawn, rows


def right(number: int) -> tuple[str, ...]:
    return (f"fh-{number:05}",)  # letters and blanks are not what a value is about


def inbox(home: Path) -> Path:
    folder = home / "triage" / "inbox"
    folder.mkdir(parents=True)
    return folder


def sampled(count: int = 120, says: Callable[[int], tuple[str, ...]] = right, unread: int = 0) -> Sample:
    return compare(*filled([mail(number) for number in range(count)], says, unread=unread), Extractor(SETTINGS))


def opened(folder: Path, settings: FieldSettings = SETTINGS, read_since: int = 0, now: float = 0.0) -> Promises:
    clock = {"clock": lambda: now} if now else {}
    return Promises(folder, settings, lambda moment: read_since, **clock)


def test_values_that_people_confirm_are_certified_and_the_field_says_so(tmp_path: Path) -> None:
    folder = inbox(tmp_path)
    (found,) = certify(folder, SETTINGS, sampled(), TARGETS)
    assert (found.name, found.certificate.state, found.certificate.errors) == ("order", "certified", 0)
    assert (found.certificate.loss, found.certificate.rungs) == ("field", ("order", "person"))
    assert (found.complete.value, found.complete.n) == (1.0, 120)
    assert "of the conversations in which order is found" in found.certificate.sentence
    assert "at most 5% have a value that is wrong" in found.certificate.sentence
    (order,) = opened(folder).on(Extractor(SETTINGS)(mail(7)))
    assert (order.value, order.state, order.certified) == ("FH-00007", "certified", True)
    assert order.certificate == found.certificate.id
    (date,) = opened(folder).on(Extractor(SETTINGS)(mail(7, "It came on 2026-11-03.")))
    assert (date.state, date.certified, date.certificate) == ("none", False, "")


def test_wrong_values_are_not_certified(tmp_path: Path) -> None:
    often = sampled(says=lambda number: right(number) if number % 5 else ("FH-99999",))
    (found,) = certify(inbox(tmp_path), SETTINGS, often, TARGETS)
    assert found.certificate.state in ("estimated", "none")
    assert found.certificate.sentence.startswith("Not certified: nothing is promised of order")
    (order,) = opened(tmp_path / "triage" / "inbox").on(Extractor(SETTINGS)(mail(7)))
    assert not order.certified


def test_what_nobody_has_read_counts_as_wrong(tmp_path: Path) -> None:
    sample = sampled(unread=40)
    assert scores_of(sample, "order").correct.sum() == 80
    (found,) = certify(inbox(tmp_path), SETTINGS, sample, TARGETS)
    assert found.certificate.state != "certified"
    assert "40 of all unread" in found.certificate.sampling


def test_one_value_of_several_that_is_wrong_makes_the_message_wrong_and_a_missed_one_does_not() -> None:
    two = mail(1, "orders FH-00001 and FH-00002")
    sample = sampled(60)
    for says, expected in (
        (("FH-00001",), False),
        (("FH-00001", "FH-00002"), True),
        (("FH-00001", "FH-00002", "x"), True),
    ):
        rows = (replace(sample.rows[0], mail=two, fields={"order": says}), *sample.rows[1:])
        again = compare(sample.drawn, rows, Extractor(SETTINGS))
        assert bool(scores_of(again, "order").correct[0, 0]) is expected


def test_a_promise_ends_with_what_it_was_about(tmp_path: Path) -> None:
    folder = inbox(tmp_path)
    (found,) = certify(folder, SETTINGS, sampled(), TARGETS)
    assert opened(folder).of("order").state == "certified"
    other = opened(folder, FieldSettings(patterns={"order": (r"FH-\d{5}", r"XX-\d{5}")})).of("order")
    assert (other.state, other.why.split(" is ")[0]) == ("none", "settings")
    assert "expired" in opened(folder, now=found.certificate.expires + 1).of("order").why
    assert "100,000 requests" in opened(folder, read_since=100_000).of("order").why
    path = folder / "fields" / promises.FILE
    path.write_bytes(path.read_bytes().replace(b'"errors": 0', b'"errors": 1'))
    assert "altered" in opened(folder).of("order").why
    path.write_bytes(b"{")
    with pytest.raises(StoreError, match="cannot be read"):
        opened(folder)


def test_a_certificate_of_another_field_promises_nothing(tmp_path: Path) -> None:
    folder = inbox(tmp_path)
    (found,) = certify(folder, SETTINGS, sampled(), TARGETS)
    promises.keep(folder, {"invoice": found.certificate})
    assert opened(folder).of("invoice") == promises.Promise(
        "none", found.certificate.id, why="the certificate is about another field"
    )


def test_values_below_the_tested_confidence_are_not_covered(tmp_path: Path) -> None:
    folder = inbox(tmp_path)
    guesses = [mail(number, f"Order no. 47{number:05}, please.") for number in range(200, 260)]  # by the word before
    mails = [*(mail(number) for number in range(160)), *guesses]
    says = {True: right, False: lambda number: ("another",)}
    drawn, rows = filled(mails, lambda number: says[number < 200](number))
    (found,) = certify(folder, SETTINGS, compare(drawn, rows, Extractor(SETTINGS)), TARGETS)
    assert (found.certificate.state, found.certificate.thresholds) == ("certified", (1.0,))
    assert "with a confidence of 1 or more" in found.certificate.sentence
    sure, unsure = (Extracted("order", "1", "1", 0, 1, confidence=one) for one in (1.0, 0.9))
    assert [one.certified for one in opened(folder).on([sure])] == [True]
    assert [one.certified for one in opened(folder).on([sure, unsure])] == [False, False]


def test_looking_again_at_the_same_labels_is_another_attempt(tmp_path: Path) -> None:
    folder = inbox(tmp_path)
    first = certify(folder, SETTINGS, sampled(), TARGETS)[0].certificate
    again = certify(folder, SETTINGS, sampled(), TARGETS)[0].certificate
    other = certify(folder, SETTINGS, sampled(), Targets(0.06, 0.95))[0].certificate
    assert (first.attempt, again.attempt, other.attempt) == (1, 1, 2)


def test_a_sample_goes_to_people_and_back_and_nothing_can_be_left_out(tmp_path: Path) -> None:
    mails = [mail(number) for number in range(100)]
    chosen = draw(SECRET, mails, 60)
    assert chosen == draw(SECRET, mails[::-1], 60) != draw(b"t" * 32, mails, 60)
    path = tmp_path / "sample.jsonl"
    write(path, SECRET, Drawn("inbox", 60, 100, 0.0, 1.0), chosen)
    drawn, rows = read(path, SECRET)
    assert (drawn.messages, [one.mail.key for one in rows]) == (60, [one.key for one in chosen])
    assert not any(one.read or one.fields for one in rows)
    assert b"FH-00001" not in b"".join(msgspec.json.encode(one.fields) for one in rows)
    lines = path.read_text("utf-8").splitlines()
    for changed in (lines[:-1], [lines[0], *lines[2:], lines[1]], [*lines, lines[1]]):
        path.write_text("\n".join(changed), "utf-8")
        with pytest.raises(DataError, match="does not hold the messages that were drawn"):
            read(path, SECRET)
    path.write_text("\n".join([lines[0].replace('"among":100', '"among":900'), *lines[1:]]), "utf-8")
    with pytest.raises(DataError, match="does not hold"):
        read(path, SECRET)


@pytest.mark.parametrize(
    ("name", "value"), [("amount", "12,50 €"), ("date", "3 November"), ("date", "20261103"), ("order", " ")]
)
def test_a_value_that_says_nothing_certain_is_refused(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "sample.jsonl"
    write(path, SECRET, Drawn("inbox", 1, 1, 0.0, 1.0), [mail(1)])
    text = path.read_text("utf-8").rstrip("\n").removesuffix("}")
    head, row = text.split("\n")
    row = msgspec.json.encode({**msgspec.json.decode(row + "}"), "fields": {name: [value]}, "read": True}).decode()
    path.write_text(f"{head}\n{row}\n", "utf-8")
    with pytest.raises(DataError, match=r"Line 2 of sample\.jsonl: .* cannot be a value of"):
        read(path, SECRET)


def test_too_few_that_were_read_prove_nothing() -> None:
    with pytest.raises(DataError, match="20 of the 60 messages are marked as read"):
        sampled(60, unread=40)
