"""Chunks known by their bytes: the same pieces come out as by parsing each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upstream import ask, chunk, collect, engine, events, serving, streamed

from rightsized.core.generation import Burst, Delta
from rightsized.engines.remote.repeats import MAX_BYTES, TRIES, Repeats


def piece(text: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return {"id": "c", "model": "small", "note": {"content": "of the server"}, "choices": [choice], **more}


def remembered(chunk: dict[str, Any], **written: Any) -> tuple[Repeats, bytes]:
    repeats, data = Repeats(), json.dumps(chunk, **written).encode()
    repeats.remember(data, chunk)
    return repeats, data


@given(st.text(), st.text(), st.booleans(), st.booleans())
def test_a_chunk_with_another_text_is_known(first: str, second: str, ascii_only: bool, spaces: bool) -> None:
    first, second = (t.encode("utf-8", "ignore").decode() for t in (first, second))
    written: dict[str, Any] = {"ensure_ascii": ascii_only, "separators": (", ", ": ") if spaces else (",", ":")}
    chunk = {name: value for name, value in piece(first).items() if name != "note"}
    repeats, _ = remembered(chunk, **written)
    other = {**chunk, "choices": [{**chunk["choices"][0], "delta": {"content": second}}]}
    assert repeats.text(json.dumps(other, **written).encode()) == second
    assert repeats.body(second) == other


@pytest.mark.parametrize(
    "other",
    [
        piece("b", id="d"),
        piece("b", usage={"prompt_tokens": 1}),
        {**piece("b"), "choices": [{"index": 0, "delta": {"content": "b", "role": "assistant"}}]},
        {**piece("b"), "choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]},
        {**piece("b"), "choices": [{"index": 0, "delta": {"content": None}, "finish_reason": None}]},
        {**piece("b"), "error": "out of memory"},
    ],
)
def test_any_other_chunk_is_not(other: dict[str, Any]) -> None:
    plain = {name: value for name, value in piece("a").items() if name != "note"}
    repeats, data = remembered(plain)
    assert repeats.text(data) == "a"
    assert repeats.text(json.dumps({k: v for k, v in other.items() if k != "note"}).encode()) is None


def test_two_strings_where_one_was_are_not() -> None:
    plain = {name: value for name, value in piece("a").items() if name != "note"}
    repeats, data = remembered(plain)
    for middle in (b'"b", "content": "c"', b'"b"}, "more": {"x": "c"', b"1", b"null", b'"\xff"', b'"b', b""):
        assert repeats.text(data.replace(b'"a"', middle)) is None, middle


def test_a_text_that_stands_twice_is_parsed() -> None:
    """The first `content` in the bytes is not the choice's: nothing is remembered, and nothing confused."""
    repeats, data = remembered(piece("a"))
    assert repeats.text(data) is None


def test_long_chunks_are_parsed() -> None:
    repeats, data = remembered({"choices": [{"index": 0, "delta": {"content": "x" * MAX_BYTES}}]})
    assert repeats.text(data) is None


def test_a_server_whose_chunks_all_differ_is_let_be() -> None:
    repeats = Repeats()
    for number in range(TRIES + 1):
        plain = {"id": str(number), "choices": [{"index": 0, "delta": {"content": "a"}}]}
        data = json.dumps(plain).encode()
        assert repeats.text(data) is None
        repeats.remember(data, plain)
    assert repeats.text(data) is None


async def test_pieces_that_came_together_go_on_together() -> None:
    words = ["Well, ", 'it "is" ', "", "räining \U0001f327", "\n", "now."]
    sent = [chunk("", role="assistant"), *map(chunk, words), chunk(finish="stop")]
    async with serving(streamed(events(*sent))) as up, engine(up.url) as tier:
        pieces = [found async for found in tier.stream(ask(stream=True))]
        deltas, whole = await collect(tier, ask(stream=True))
    assert isinstance(pieces[0], Burst)
    assert list(pieces[0]) == deltas
    assert [delta.body for delta in deltas] == sent
    assert whole.text == "".join(words)
    assert whole.body["choices"][0]["message"]["content"] == whole.text
    assert any(delta.alike for delta in deltas)
    before: Delta | None = None
    for delta in deltas:
        if delta.alike:
            assert before is not None
            assert json.dumps(before.body).replace(json.dumps(before.text), "") == json.dumps(delta.body).replace(
                json.dumps(delta.text), ""
            )
        before = delta


async def test_what_came_before_a_failure_is_still_passed_on() -> None:
    broken = events(chunk("Hel", role="assistant"), chunk("lo"), done=False) + b"data: {nonsense\n\n"
    got: list[str] = []
    async with serving(streamed(broken)) as up, engine(up.url) as tier:
        with pytest.raises(Exception, match="not JSON"):
            async for found in tier.stream(ask(stream=True)):
                assert isinstance(found, Burst)
                got += [delta.text for delta in found]
    assert got == ["Hel", "lo"]
