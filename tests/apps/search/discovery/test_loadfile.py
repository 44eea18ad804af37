"""Load files come back as they were written, and what is cut off or uneven is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.apps.search.discovery.loadfile import clean, csv_bytes, dat, read_csv, read_dat
from rightsized.core.errors import DataError

COLUMNS = ("BEGDOC", "TITLE")
ROWS = [
    {"BEGDOC": "RS1", "TITLE": 'Þór, "quoted"; þ ® ¶'},
    {"BEGDOC": "RS2", "TITLE": ""},
    {"BEGDOC": "", "TITLE": "þ"},
]


def test_the_bytes_are_those_of_concordance() -> None:
    assert dat(COLUMNS, ROWS[1:2]) == "\ufeffþBEGDOCþ\x14þTITLEþ\r\nþRS2þ\x14þþ\r\n".encode()


def test_values_come_back() -> None:
    assert read_dat(dat(COLUMNS, ROWS)) == (list(COLUMNS), ROWS)
    assert read_csv(csv_bytes(COLUMNS, ROWS)) == (list(COLUMNS), ROWS)


@given(st.lists(st.text(max_size=20), min_size=2, max_size=2))
def test_any_value_comes_back_clean(values: list[str]) -> None:
    row = dict(zip(COLUMNS, values, strict=True))
    expected = [{name: clean(value) for name, value in row.items()}]
    assert read_dat(dat(COLUMNS, [row]))[1] == expected
    assert read_csv(csv_bytes(COLUMNS, [row]))[1] == expected


def test_line_breaks_become_blanks() -> None:
    assert clean("a\r\nb\u2028c\x14d\n") == "a b c d"


@pytest.mark.parametrize(
    "data",
    [
        dat(COLUMNS, ROWS)[:-1],
        dat(COLUMNS, ROWS)[:-9],
        dat(COLUMNS, ROWS) + "þRS9þ\r\n".encode(),
        dat(COLUMNS, ROWS) + "RS9\x14þx\r\n".encode(),
        b"\xff\xfe",
        b"",
    ],
)
def test_what_is_not_whole_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        read_dat(data)


def test_a_table_that_was_cut_off_is_refused() -> None:
    with pytest.raises(DataError):
        read_csv(csv_bytes(COLUMNS, ROWS)[:-2])
