"""What was typed, as clauses; and that nothing that can be typed raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.apps.search.query.clauses import And, Clause, Not, Or, Phrase, Terms
from rightsized.apps.search.query.syntax import Field, parse

FIELDS = ("type", "author")


def moment(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]  # year, month, day


@pytest.mark.parametrize(
    ("typed", "clause"),
    [
        ("notice period", Terms("notice period")),
        ('"notice period"', Phrase("notice period")),
        ("„notice period“", Phrase("notice period")),
        ("a AND b", And((Terms("a"), Terms("b")))),
        ("a OR b c", Or((Terms("a"), Terms("b c")))),
        ("a AND (b OR c)", And((Terms("a"), Or((Terms("b"), Terms("c")))))),
        ("supplier -draft", And((Terms("supplier"), Not(Terms("draft"))))),
        ("supplier NOT (draft copy)", And((Terms("supplier"), Not(Terms("draft copy"))))),
        ('supplier -"first draft"', And((Terms("supplier"), Not(Phrase("first draft"))))),
        ("a OR -b", Or((Terms("a"), And((Not(Terms("b")),))))),
        ("NOT NOT a", Terms("a")),
        ("-a", And((Not(Terms("a")),))),
        ("self-service and more", Terms("self-service and more")),
        ("(notice period) supplier", Terms("notice period supplier")),
        ('Acme Ltd. ("Supplier")', Terms("Acme Ltd. Supplier")),
        ("fees of the SALES AND MARKETING AGREEMENT", Terms("fees of the SALES AND MARKETING AGREEMENT")),
        ("DO I GET LEAVE OR PAY", Terms("DO I GET LEAVE OR PAY")),
    ],
)
def test_what_is_typed_is_read(typed: str, clause: Clause) -> None:
    assert parse(typed, FIELDS).clause == clause


@pytest.mark.parametrize("typed", ["", "  ", "()", "AND", '"', '""', "-", "NOT", ")(", "( OR )", "...", "\0"])
def test_what_has_no_words_asks_nothing(typed: str) -> None:
    assert parse(typed, FIELDS).clause is None


def test_words_rank_where_a_phrase_must_hold() -> None:
    phrase, words = Phrase("notice period"), Terms("supplier")
    asked = parse('"notice period" supplier')
    assert asked.clause == Or((And((phrase, words)), phrase))
    assert (asked.strict, asked.words) == (True, "notice period supplier")


def test_in_prose_quoted_words_rank_and_need_not_be_there() -> None:
    asked = parse(
        'Is there any clause that obliges the buyer to procure all of its "requirements" from the seller alone?'
    )
    assert not asked.strict
    assert isinstance(asked.clause, Or)
    assert isinstance(asked.clause.parts[1], Terms)
    assert any("need not be there" in note for note in asked.notes)


def test_ruled_out_words_are_neither_embedded_nor_marked() -> None:
    assert parse('supplier -draft NOT "old copy"').words == "supplier"


def test_fields_leave_the_question() -> None:
    asked = parse('leave type:pdf author:"Anna Berg" -type:docx see:below', FIELDS)
    assert asked.fields == (
        Field("type", "pdf", False),
        Field("author", "Anna Berg", False),
        Field("type", "docx", True),
    )
    assert asked.clause == Terms("leave see:below")


@pytest.mark.parametrize(
    ("typed", "since", "last"),
    [
        ("x after:2024", moment(2024, 1, 1), None),
        ("x after:2024-02-29", moment(2024, 2, 29), None),
        ("x before:2024-03", None, moment(2024, 3, 1)),
        ("x date:2024-12", moment(2024, 12, 1), moment(2025, 1, 1)),
        ("x 2023..2024", moment(2023, 1, 1), moment(2025, 1, 1)),
        ("x ..2024-02", None, moment(2024, 3, 1)),
        ("x 2024-05-31..", moment(2024, 5, 31), None),
        ("x after:31.05.2024", moment(2024, 5, 31), None),
        ("x after:2023 2022..2024", moment(2023, 1, 1), moment(2025, 1, 1)),
    ],
)
def test_dates_become_bounds(typed: str, since: float | None, last: float | None) -> None:
    asked = parse(typed)
    assert asked.bounds.since == since
    assert (asked.bounds.until is None) == (last is None)
    if last is not None and asked.bounds.until is not None:
        assert last - 0.001 < asked.bounds.until < last
    assert asked.clause == Terms("x")


@pytest.mark.parametrize("typed", ["after:yesterday", "before:2024-13", "5..10", "date:2023-02-29", "..", "1..2..3"])
def test_what_is_no_date_is_words(typed: str) -> None:
    asked = parse(typed)
    assert asked.bounds == (None, None)
    if ":" in typed:
        assert asked.notes
        assert asked.clause == Terms(typed)


@pytest.mark.parametrize("typed", ['a "b', "(a OR b", "a) b", "a OR", "NOT", "a AND NOT"])
def test_what_was_repaired_is_said(typed: str) -> None:
    assert parse(typed).notes


def words_of(clause: Clause | None) -> str:
    if clause is None:
        return ""
    if isinstance(clause, Terms | Phrase):
        return clause.text
    parts = (clause.part,) if isinstance(clause, Not) else clause.parts
    return " ".join(words_of(part) for part in parts)


def nots_are_inside_and(clause: Clause | None, inside: bool = False) -> bool:
    if isinstance(clause, Not):
        return inside and nots_are_inside_and(clause.part)
    if isinstance(clause, And | Or):
        return bool(clause.parts) and all(nots_are_inside_and(part, isinstance(clause, And)) for part in clause.parts)
    return True


PIECES = st.sampled_from(
    [
        "a",
        "Leave",
        "AND",
        "OR",
        "NOT",
        "-",
        "(",
        ")",
        '"',
        " ",
        "type:",
        "after:",
        "2024",
        "..",
        ":",
        "x-y",
        "“",
        "é",
        "\n",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=30).map(" ".join), st.lists(PIECES).map("".join)))
def test_nothing_that_can_be_typed_raises(typed: str) -> None:
    asked = parse(typed, FIELDS)
    assert nots_are_inside_and(asked.clause)
    assert asked.clause is None or any(character.isalnum() for character in words_of(asked.clause))


def test_deep_parentheses_are_left_out() -> None:
    asked = parse("(" * 500 + "a OR b" + ")" * 500)
    assert asked.clause == Or((Terms("a"), Terms("b")))
    assert any("deep" in note for note in asked.notes)


def test_a_question_is_read_up_to_a_limit() -> None:
    asked = parse("word " * 10_000)
    assert len(asked.words) <= 4_000
    assert any("Only the first" in note for note in asked.notes)
