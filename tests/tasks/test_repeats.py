"""Repeated and contradictory training rows are named with their row numbers."""

from __future__ import annotations

from rightsized.tasks.dataset import Columns, from_lists
from rightsized.tasks.repeats import repeats


def test_repeats_and_conflicts_are_named() -> None:
    texts = ["Where is it?", "where is  it", "Refund please", "WHERE IS IT!", "refund, please", "Hello"]
    labels = ["delivery", "delivery", "returns", "orders", "billing", "orders"]
    repeat, conflict = repeats(from_lists(texts, labels, Columns()))
    assert (repeat.kind, repeat.rows) == ("repeat", (2, 4, 5))
    assert repeat.message == "3 train rows repeat the text of an earlier row."
    assert (conflict.kind, conflict.rows) == ("conflict", (1, 2, 3, 4, 5))
    assert conflict.message.startswith("2 texts carry different labels (delivery or orders; billing or returns).")


def test_row_numbers_are_those_of_the_file() -> None:
    data = from_lists(["a", "b", "b"], ["x", "y", "y"], Columns()).take([0, 1, 2])
    data.rows = [7, 8, 12]
    (repeat,) = repeats(data)
    assert repeat.rows == (12,) and repeat.message == "1 train row repeats the text of an earlier row."


def test_clean_rows_say_nothing() -> None:
    assert repeats(from_lists(["a", "b"], ["x", "y"], Columns())) == []
