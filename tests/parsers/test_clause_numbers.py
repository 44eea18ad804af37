"""Numbers of clauses and sections, and what only looks like one."""

from __future__ import annotations

import pytest

from rightsized.parsers.numbers import number_of
from rightsized.parsers.text import depth_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.3(a) The buyer pays.", "12.3(a)"),
        ("12.3 (a) The buyer pays.", "12.3 (a)"),
        ("4.1.2. Scope", "4.1.2"),
        ("1. Definitions", "1"),
        ("10) Notices", "10)"),
        ("2(b) It is counted by the day.", "2(b)"),
        ("Article 4: Scope", "Article 4"),
        ("ARTICLE IV", "ARTICLE IV"),
        ("Section 2.1 Prices", "Section 2.1"),
        ("Schedule A - Prices", "Schedule A"),
        ("§ 5 Kündigung", "§ 5"),
        ("§5a Frist", "§5a"),
        ("(a) the buyer", "(a)"),
        ("(iv) the seller", "(iv)"),
        ("(a)(ii) the seller", "(a)(ii)"),
        ("IV. General provisions", "IV"),
        ("A.1.2 Access control", "A.1.2"),
        ("Rule 8.2.1(3)(b) applies", "Rule 8.2.1(3)(b)"),
        ("Anhang 3 Preise", "Anhang 3"),
    ],
)
def test_numbers(text: str, number: str) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "1999 was a good year",
        "3.5 million people",
        "10.30 am at the office",
        "12.5% of the price",
        "01.02.2024 is the date",
        "24.12.2024 is the date",
        "5 days later",
        "2. january is the date",
        "(see above) the buyer",
        "Articles of association",
        "Section heads meet",
        "",
        "§",
    ],
)
def test_no_numbers(text: str) -> None:
    assert number_of(text) == ""


def test_depth() -> None:
    assert [depth_of(number) for number in ("", "2", "2.1", "2.1.3(a)", "Article 4", "IV")] == [1, 1, 2, 3, 1, 1]
