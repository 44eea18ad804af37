"""Values between both processes: what is packed comes back, and what nobody packed makes nothing but an error."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsized.engines.testrun.wire import LONGEST, WireError, pack, receive, send, unpack

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=20)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.frozensets(st.integers() | st.text(max_size=3), max_size=3)
    ),
    max_leaves=12,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "i",
                    "l",
                    "t",
                    "s",
                    "z",
                    "q",
                    "d",
                    "O",
                    "C",
                    "b",
                    "y",
                    "c",
                    "r",
                    "D",
                    "F",
                    "T",
                    "A",
                    "M",
                    "L",
                    "N",
                    "E",
                    "n",
                    "o",
                    "x",
                ]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=10,
)


def no_object(told: Any) -> Any:
    raise WireError(f"there is no object {told}")


def over(message: Any) -> Any:
    """A message through a pipe."""
    reading, writing = os.pipe()
    try:
        send(writing, message)
        return receive(reading)
    finally:
        os.close(reading)
        os.close(writing)


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_what_is_packed_comes_back(value: Any) -> None:
    back = unpack(over(pack(value, no_object)), no_object)
    assert back == value
    assert type(back) is type(value)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_what_nobody_packed_is_a_value_or_an_error(message: Any) -> None:
    try:
        found = unpack(message, no_object)
    except WireError:
        return
    assert type(found).__module__ in ("builtins", "collections", "datetime", "decimal", "fractions") or hasattr(
        found, "_fields"
    )


def test_numbers_that_json_does_not_know() -> None:
    assert math.isnan(unpack(over(pack(math.nan, no_object)), no_object))
    assert unpack(over(pack([math.inf, -0.0, 10**5000], no_object)), no_object)[2] == 10**5000


def test_too_deep_and_too_long() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(WireError, match="deep"):
        pack(deep, no_object)
    with pytest.raises(WireError, match="deep"):
        unpack(_nested(100), no_object)
    with pytest.raises(WireError, match="long"):
        send(1, "x" * LONGEST)


def _nested(levels: int) -> Any:
    return {"l": [_nested(levels - 1)]} if levels else None


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\xff\xff\xff\xff", b"\0\0\0\2{}x"[:5], b"\0\0\0\1{"])
def test_a_frame_that_is_none(data: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    with pytest.raises(WireError):
        receive(reading)
    os.close(reading)
