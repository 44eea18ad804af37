"""Server-sent events: the same events come out wherever the bytes were cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.engines.remote.events import Event, EventParser, EventTooLongError

LIMIT = 10_000
STREAM = (
    b"\xef\xbb\xbf: keep-alive\r\n\r\n"
    b'data: {"a": 1}\r\n\r\n'
    b'data:{"b":"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x87"}\n\n'
    b":\n\n"
    b"event: error\nid: 7\nretry: 100\ndata: one\ndata:  two\n\n"
    b"data\n\n"
    b"data: carriage\r\r"
    b"event: lost\n\n"
    b"data: [DONE]\n\n"
)
EXPECTED = [
    Event("", b'{"a": 1}'),
    Event("", '{"b":"ä€🐇"}'.encode()),
    Event("error", b"one\n two"),
    Event("", b""),
    Event("", b"carriage"),
    Event("", b"[DONE]"),
]


def parse(pieces: list[bytes], limit: int = LIMIT) -> tuple[list[Event], Event | None]:
    parser = EventParser(limit)
    found = [event for piece in pieces for event in parser.feed(piece)]
    return found, parser.end()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def test_every_place_to_cut_once() -> None:
    for place in range(len(STREAM) + 1):
        assert parse(cut(STREAM, [place])) == (EXPECTED, None), place


def test_byte_by_byte() -> None:
    assert parse([STREAM[i : i + 1] for i in range(len(STREAM))]) == (EXPECTED, None)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_places_to_cut(places: list[int]) -> None:
    assert parse(cut(STREAM, places)) == (EXPECTED, None)


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), min_size=1), min_size=1),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["data: ", "data:"]),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_any_data_any_ending(texts: list[str], ending: str, field: str, places: list[int]) -> None:
    texts = [text for text in texts if not (field == "data:" and text.startswith(" "))] or ["x"]
    stream = "".join(f"{field}{text}{ending}{ending}" for text in texts).encode()
    found, rest = parse(cut(stream, [min(p, len(stream)) for p in places]))
    if ending == "\r" and rest is None and len(found) == len(texts) - 1:
        pytest.fail("the last event was lost")
    events = found if rest is None else [*found, rest]
    assert [event.data.decode() for event in events] == texts


@pytest.mark.parametrize("tail", [b"data: half", b"data: half\n", b'data: {"x": 1}\r\n'])
def test_what_was_begun_is_reported(tail: bytes) -> None:
    found, rest = parse([STREAM + tail])
    assert found == EXPECTED
    assert rest is not None


def test_nothing_begun() -> None:
    assert parse([]) == ([], None)
    assert parse([b": only a remark"]) == ([], None)


@pytest.mark.parametrize("step", [1, 7, 5000])
def test_a_line_without_end_is_cut_off(step: int) -> None:
    endless = b"data: " + b"x" * 300
    with pytest.raises(EventTooLongError):
        parse([endless[i : i + step] for i in range(0, len(endless), step)], limit=100)


def test_an_event_of_many_lines_is_cut_off() -> None:
    with pytest.raises(EventTooLongError):
        parse([b"data: 123456789\n"] * 11, limit=100)


def test_many_short_events_in_one_piece_are_no_long_line() -> None:
    found, _ = parse([b"data: 123456789\n\n" * 100], limit=100)
    assert len(found) == 100
