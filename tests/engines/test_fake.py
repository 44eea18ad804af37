"""The public stand-ins behave as the protocols say."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np

from rightsized.core.protocols import Encoder, Rung
from rightsized.core.types import Request
from rightsized.engines.fake import FakeAnswerer, FakeEncoder, FakeRung


def test_encoder_is_the_same_in_every_process() -> None:
    code = (
        "from rightsized.engines.fake import FakeEncoder; print(FakeEncoder().encode_now('a b').vector.tobytes().hex())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    encoder: Encoder = FakeEncoder()
    assert isinstance(encoder, Encoder)
    assert encoder.encode_now("a b").vector.tobytes().hex() == out.strip()
    assert asyncio.run(encoder.encode("a b")).vector.tobytes().hex() == out.strip()


def test_encoder_gives_unit_vectors_and_reports_truncation() -> None:
    encoder = FakeEncoder(dimension=8, max_tokens=3)
    for text in ("", "one", "one two three", "one two three four", "\ud800"):
        encoded = encoder.encode_now(text)
        assert encoded.vector.dtype == np.float32
        assert np.isclose(np.linalg.norm(encoded.vector), 1)
        assert encoded.truncated == (len(text.split()) > 3)
    assert (
        encoder.encode_now("one two three four").vector.tolist() == encoder.encode_now("one two three").vector.tolist()
    )
    vectors, tokens, truncated = encoder.encode_all_now(["one", "a b c d"])
    assert vectors.shape == (2, 8)
    assert tokens.tolist() == [1, 4]
    assert truncated.tolist() == [False, True]
    assert FakeEncoder(dimension=8).digest != encoder.digest


def test_rung_says_what_it_was_told() -> None:
    fake = FakeRung({"hi": ("greeting", 0.7)}, default=("other", 0.2), cost=0.01)
    rung: Rung = fake
    assert asyncio.run(rung.score("hi")).prediction.label == "greeting"
    assert asyncio.run(rung.score("bye")).score == 0.2
    assert fake.calls == ["hi", "bye"]
    by_function = FakeRung(lambda text: (text.upper(), 0.5), delay=0.001)
    assert asyncio.run(by_function.score("x")).prediction.label == "X"


def test_answerer_answers_or_abstains() -> None:
    answerer = FakeAnswerer(lambda request: "long" if len(request.text) > 3 else None)
    replies = asyncio.run(_both(answerer))
    assert [reply.status for reply in replies] == ["answered", "abstained"]
    assert [reply.label for reply in replies] == ["long", None]


async def _both(answerer: FakeAnswerer) -> list:
    return [await answerer.answer(Request(task="t", text=text)) for text in ("a text", "x")]
