from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings

from rightsized.apps.search.passages import split
from rightsized.parsers.markdown import parse_markdown
from rightsized.parsers.types import Box, Line, Parsed
from tests.apps.search.passages.documents import count, document, parsed

SENTENCE = "The Supplier shall deliver the goods on time and in full. Late delivery costs 3.5 percent a week. "


def inner(text: str) -> int:
    return count(text) - 2


@settings(max_examples=300, deadline=None)
@given(parsed())
def test_all_text_once_and_within_the_limit(one: Parsed) -> None:
    limit = 40
    passages = split(one, count=count, limit=limit)
    at = 0
    for ordinal, passage in enumerate(passages):
        assert passage.ordinal == ordinal
        assert passage.text == one.text[passage.start : passage.end]
        assert passage.text
        assert passage.text == passage.text.strip()
        assert passage.start >= at, "passages overlap"
        assert not one.text[at : passage.start].strip(), "text left out"
        assert passage.text in passage.indexed
        assert inner(passage.indexed) <= limit * 1.27 + 4 + 2 * len(passage.path)  # signs between the names
        at = passage.end
    assert not one.text[at:].strip(), "text left out at the end"
    assert passages == split(one, count=count, limit=limit)


def test_a_section_begins_with_its_heading_and_every_passage_carries_title_and_path() -> None:
    one = document(
        [("heading", "1 Delivery", {"level": 1}), ("heading", "1.1 Time", {"level": 2}), ("paragraph", SENTENCE * 6)],
        title="Master Agreement",
    )
    first, *others = split(one, count=count, limit=60)
    assert first.text.startswith("1 Delivery\n1.1 Time\nThe Supplier")
    assert first.indexed.startswith("Master Agreement\n1 Delivery\n1.1 Time\nThe Supplier")
    assert others
    for passage in others:
        assert passage.path == ("1 Delivery", "1.1 Time")
        assert passage.indexed == f"Master Agreement > 1 Delivery > 1.1 Time\n{passage.text}"
        assert passage.text.startswith(("The Supplier", "Late delivery")), "cut within a sentence"


def test_a_title_that_is_the_first_heading_stands_once() -> None:
    one = document([("heading", "Leave Policy", {"level": 1}), ("paragraph", SENTENCE * 4)], title="Leave Policy")
    for passage in split(one, count=count, limit=60):
        assert passage.indexed.count("Leave Policy") == 1


def test_long_paragraphs_are_cut_into_about_equal_parts() -> None:
    passages = split(document([("paragraph", SENTENCE * 6)]), count=count, limit=100)
    sizes = [inner(passage.text) for passage in passages]
    assert len(sizes) == 2
    assert abs(sizes[0] - sizes[1]) < 20


def clause(number: str, words: str) -> tuple[object, ...]:
    return ("item", f"{number} {words}", {"number": number})


def test_a_clause_that_fits_stays_whole_and_apart() -> None:
    written = []
    for n in range(1, 4):
        written += [("paragraph", f"12.{n} The Supplier shall:", {"number": f"12.{n}"})]
        written += [clause("(a)", "deliver " + "word " * 10), clause("(b)", "insure " + "word " * 10)]
    passages = split(document(written), count=count, limit=100)
    assert [passage.number for passage in passages] == ["12.1", "12.2", "12.3"]
    assert all(passage.text.count("(b)") == 1 for passage in passages)


def test_sub_clauses_apart_from_their_lead_in_repeat_it() -> None:
    written = [("paragraph", "12.3 The Supplier shall:", {"number": "12.3"})]
    written += [clause(f"({letter})", "deliver " + "word " * 20) for letter in "abcdef"]
    first, *others = split(document(written), count=count, limit=60)
    assert first.text.startswith("12.3 The Supplier shall:\n(a)")
    assert others
    for passage in others:
        assert passage.indexed.startswith("12.3 The Supplier shall:\n")
        assert "12.3" not in passage.text
        assert re.match(r"\([a-f]\)", passage.text)
        assert passage.number == passage.text[:3]


def test_sub_sub_clauses_repeat_the_whole_chain_where_it_fits() -> None:
    written = [("paragraph", "12.3 The Supplier shall:", {"number": "12.3"}), clause("(a)", "insure against:")]
    written += [clause(f"({roman})", "loss " + "word " * 30) for roman in ("i", "ii", "iii", "iv")]
    last = split(document(written), count=count, limit=80)[-1]
    assert last.indexed.startswith("12.3 The Supplier shall: (a) insure against:\n(i")


def test_lists_keep_their_lead_in_sentence() -> None:
    written = [("paragraph", "Bring the following to the first day:")]
    written += [("item", f"- document {n} " + "word " * 8) for n in range(3)]
    written += [("paragraph", SENTENCE * 2)]
    first, second = split(document(written), count=count, limit=60)
    assert first.text.startswith("Bring")
    assert first.text.count("document") == 3
    assert second.text.startswith("The Supplier")


def test_rows_carry_their_header_and_do_not_repeat_it_in_the_text() -> None:
    written = [("row", "Item\tPrice", {"head": True}), *(("row", f"Widget {n}\t{n}.50") for n in range(30))]
    first, *others = split(document(written), count=count, limit=60)
    assert first.text.startswith("Item\tPrice\nWidget 0")
    assert first.indexed.count("Price") == 1
    assert others
    for passage in others:
        assert passage.header == "Item Price"
        assert passage.indexed.startswith("Item Price\nWidget")
        assert "Price" not in passage.text
        assert all(line.count("\t") == 1 for line in passage.text.splitlines()), "a row was cut"


def test_a_salutation_goes_with_the_mail_that_leads_in() -> None:
    written = [("heading", "Vibration"), ("paragraph", "Ulrike,"), ("paragraph", "we were there. In short:")]
    (one,) = split(document([*written, ("paragraph", SENTENCE * 2)]), count=count, limit=100)
    assert one.text.startswith("Vibration\nUlrike,\nwe were there")


def test_two_tables_do_not_share_a_passage() -> None:
    written = []
    for name in ("Item", "Person"):
        written += [("row", f"{name}\tValue", {"head": True}), *(("row", f"{name} {n}\t{n}") for n in range(12))]
    for passage in split(document(written), count=count, limit=60):
        assert not ("Item" in passage.indexed and "Person" in passage.indexed)


def test_short_neighbours_are_joined_but_not_over_sections() -> None:
    short = [("paragraph", f"Short paragraph {n}.") for n in range(4)]
    long = ("paragraph", SENTENCE)
    one = document([("heading", "A"), *short, long, ("heading", "B"), *short, long])
    first, second = split(one, count=count, limit=100)
    assert (first.path, second.path) == (("A",), ("B",))
    assert first.text.startswith("A\nShort paragraph 0.\nShort paragraph 1.")


def test_tiny_sections_share_a_passage_under_the_headings_they_share() -> None:
    written = [("heading", "Handbook", {"level": 1})]
    for n in range(3):
        written += [("heading", f"Topic {n}", {"level": 2}), ("paragraph", f"See page {n}.")]
    passages = split(document(written), count=count, limit=100)
    assert len(passages) < 3
    assert passages[0].path == ("Handbook",)


def test_a_lead_in_goes_with_what_it_leads_to() -> None:
    written = [("paragraph", SENTENCE), ("paragraph", "Prices are:"), ("row", "Item\tPrice", {"head": True})]
    written += [("row", f"Widget {n}\t{n}") for n in range(8)]
    first, second = split(document(written), count=count, limit=60)
    assert first.text.endswith("a week.")
    assert second.text.startswith("Prices are:\nItem\tPrice")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("供应商应按时交付货物。" * 30, "。"),
        ("サプライヤーは期日までに納品しなければならない。" * 20, "。"),
        ("يلتزم المورد بتسليم البضائع في الموعد المحدد. " * 30, "."),
        ("על הספק לספק את הסחורה במועד. " * 30, "."),
    ],
)
def test_scripts_without_spaces_or_from_right_to_left_are_cut_at_sentences(text: str, ends: str) -> None:
    passages = split(document([("paragraph", text.strip())]), count=lambda words: len(words) + 2, limit=100)
    assert len(passages) > 2
    assert all(passage.text.endswith(ends) for passage in passages)


def test_words_are_not_cut_unless_longer_than_a_passage() -> None:
    words = "unbroken " * 500
    for passage in split(Parsed(text=words), count=count, limit=60):
        assert set(passage.text.split()) == {"unbroken"}
    key = "A1b2" * 5000
    passages = split(Parsed(text=key), count=count, limit=60)
    assert "".join(passage.text for passage in passages) == key
    assert max(len(passage.text) for passage in passages) <= 60 * 12


def test_marks_stay_with_their_letters() -> None:
    text = "กำ่้" * 2000  # no spaces, marks behind each letter
    for passage in split(Parsed(text=text), count=lambda words: len(words) + 2, limit=61):
        assert passage.text[0] == "ก"


def test_pages_come_from_lines_and_else_from_blocks() -> None:
    text = SENTENCE * 8
    half = len(text) // 2
    lines = (Line(0, half, Box(1, 0, 0, 9, 9)), Line(half, len(text), Box(2, 0, 0, 9, 9)))
    pages = [passage.page for passage in split(Parsed(text=text, lines=lines, pages=2), count=count, limit=60)]
    assert pages[0] == 1
    assert pages[-1] == 2
    one = document([("paragraph", SENTENCE * 2, {"page": n}) for n in (3, 4)], pages=4)
    assert [passage.page for passage in split(one, count=count, limit=60)] == [3, 4]


def test_tokens_are_not_counted_over_and_over() -> None:
    """Twice the text is about twice the counting: characters handed to the tokenizer, not time."""

    def counted(paragraphs: int) -> int:
        seen = 0

        def counting(text: str) -> int:
            nonlocal seen
            seen += len(text)
            return count(text)

        split(Parsed(text=SENTENCE * 20 * paragraphs), count=counting, limit=60)
        return seen

    assert counted(40) < 2.5 * counted(20)
    assert counted(40) < 5 * len(SENTENCE * 800)


def test_structure_without_end_is_cut_all_the_same() -> None:
    for kind in ("heading", "item"):
        one = document([(kind, f"{kind} {n} and a few words", {"level": n}) for n in range(1, 3000)])
        passages = split(one, count=count, limit=60)
        assert sum(len(passage.text.splitlines()) for passage in passages) == 2999
        assert max(inner(passage.indexed) for passage in passages) <= 80


MARKDOWN = f"""# Leave

{SENTENCE * 2}

## Carry over

The following holds:

- five days may be carried over
1. in writing
> by the end of March

### Notes ###

{SENTENCE * 2}
"""


def test_markers_of_markdown_stand_with_what_they_mark(tmp_path: Path) -> None:
    (tmp_path / "leave.md").write_text(MARKDOWN)
    one = parse_markdown(tmp_path / "leave.md", "leave.md")
    found = split(one, count=count, limit=60)
    assert [passage.path for passage in found] == [
        ("Leave",),
        ("Leave", "Carry over"),
        ("Leave", "Carry over", "Notes"),
    ]
    assert [passage.text[:12] for passage in found] == ["# Leave\n\nThe", "## Carry ove", "### Notes ##"]
    assert found[1].text.endswith("- five days may be carried over\n1. in writing\n> by the end of March")
    assert found[0].indexed.count("Leave") == 1


@pytest.mark.parametrize("text", ["##", "a\n##", "- \n- \n", "1.\n2.", "# a\n#\n##\n", ">\n> \n", "#" * 5000 + " x"])
def test_markers_of_nothing_are_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.md").write_text(text)
    found = split(parse_markdown(tmp_path / "odd.md", "odd.md"), count=count)
    assert "".join("".join(passage.text for passage in found).split()) == "".join(text.split())


def test_nothing_in_nothing_out() -> None:
    assert split(Parsed(text=" \n\t\n"), count=count) == []
    with pytest.raises(ValueError, match="at least 8"):
        split(Parsed(text="a"), count=count, limit=0)
