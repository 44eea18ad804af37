"""The cache of vectors: to the last bit what the encoder gives, and only where it would give it here and now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rightsized.core.egress import Egress
from rightsized.core.errors import InputError
from rightsized.core.protocols import Encoded, Encoder
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.embeddings import Embedder, embed
from rightsized.tasks.encoders import open_encoder, pull_encoder
from tiny_encoder import write_tiny_encoder

TEXTS = ["a card", "", "refund", "a card", "ø", "one two three four five six seven eight nine"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnnxEncoder]:
    folder = tmp_path_factory.mktemp("encoder")
    store = ModelStore(Home(folder / "home").ensure())
    pull_encoder(str(write_tiny_encoder(folder / "given")), store=store, egress=Egress(), name="tiny")
    opened = open_encoder("tiny", store)
    yield opened
    opened.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def same(found: Encoded, expected: Encoded) -> bool:
    return found.vector.tobytes() == expected.vector.tobytes() and found[1:] == expected[1:]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the encoder itself reads from now on."""
    read: list[str] = []
    plain = OnnxEncoder.encode_now

    def noted(self: OnnxEncoder, text: str) -> Encoded:
        read.append(text)
        return plain(self, text)

    monkeypatch.setattr(OnnxEncoder, "encode_now", noted)
    return read


def test_what_is_found_is_bit_equal_and_read_once(
    encoder: OnnxEncoder, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = counted(monkeypatch)
    first, second = embed(home, encoder, TEXTS), embed(home, encoder, [*TEXTS, "new"])
    assert sorted(read) == sorted({*TEXTS, "new"})
    expected = np.stack([encoder.encode_now(text).vector for text in TEXTS])
    assert first.tobytes() == expected.tobytes() == second[:-1].tobytes()
    found = Embedder(home, encoder).get(TEXTS)
    assert all(same(found[text], encoder.encode_now(text)) for text in TEXTS)
    assert [found[text].truncated for text in TEXTS] == [False, False, False, False, False, True]


async def asked(encoder: Encoder, texts: Sequence[str]) -> list[Encoded]:
    return [await encoder.encode(text) for text in texts]


def test_it_stands_in_for_the_encoder(encoder: OnnxEncoder, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    embedder = Embedder(home, encoder)
    assert isinstance(embedder, Encoder)
    described = (embedder.digest, embedder.dimension, embedder.max_tokens)
    assert described == (encoder.digest, encoder.dimension, encoder.max_tokens)
    embedder.prepare(TEXTS)
    read = counted(monkeypatch)
    ready = asyncio.run(asked(embedder, TEXTS)) + [embedder.encode_now(text) for text in TEXTS]
    assert read == []
    unprepared = asyncio.run(asked(embedder, ["another"]))[0]
    assert same(unprepared, encoder.encode_now("another"))
    assert all(same(one, encoder.encode_now(text)) for one, text in zip(ready, TEXTS * 2, strict=True))


def test_another_runtime_finds_nothing(encoder: OnnxEncoder, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    embed(home, encoder, TEXTS)
    assert len(Embedder(home, encoder).known(TEXTS)) == len(set(TEXTS))
    monkeypatch.setattr(OnnxEncoder, "runtime", "onnxruntime 99.0.0, x86_64")
    assert Embedder(home, encoder).known(TEXTS) == {}


def test_what_was_given_elsewhere_can_be_kept(encoder: OnnxEncoder, home: Home) -> None:
    embedder, given = Embedder(home, encoder), encoder.encode_now("elsewhere")
    embedder.keep({"elsewhere": given})
    found = embedder.known(["elsewhere", "absent"])
    assert list(found) == ["elsewhere"]
    assert same(found["elsewhere"], given)


def test_a_damaged_cache_is_made_anew(encoder: OnnxEncoder, home: Home) -> None:
    expected = embed(home, encoder, TEXTS)
    (path,) = (home.path / "cache").glob("*.sqlite")
    for rest in path.parent.glob("*"):
        rest.unlink()
    path.write_bytes(b"no database at all" * 100)
    assert embed(home, encoder, TEXTS).tobytes() == expected.tobytes()
    with sqlite3.connect(path) as cache:
        assert cache.execute("SELECT COUNT(*) FROM vectors").fetchone() == (len(set(TEXTS)),)
        cache.execute("UPDATE vectors SET vector = ?", (b"short",))
    cache.close()
    assert embed(home, encoder, TEXTS).tobytes() == expected.tobytes()


def test_a_text_that_is_no_unicode_is_refused(encoder: OnnxEncoder, home: Home) -> None:
    with pytest.raises(InputError, match="not valid Unicode"):
        embed(home, encoder, ["\ud800"])
