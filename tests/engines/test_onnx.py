"""The ONNX engine: a vector is a function of the text alone, whatever else goes on."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rightsized.compress.encoder import build_variants
from rightsized.compress.probes import PROBES
from rightsized.core.config import EngineConfig
from rightsized.core.errors import BusyError, InputError, IntegrityError, NotFoundError
from rightsized.core.protocols import Encoded, Encoder
from rightsized.engines.onnx import OnnxEncoder, open_encoder, runtime
from rightsized.engines.tokens import Tokens
from rightsized.store import cards
from rightsized.store.cards import Card
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.store.sources.source import Fetched
from rightsized.tasks import encoders
from tiny_encoder import write_tiny_encoder

Model = tuple[Path, Card]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    raw = write_tiny_encoder(tmp_path_factory.mktemp("raw"))
    built = tmp_path_factory.mktemp("built")
    return built, build_variants(raw, built, name="tiny", fetched=Fetched(str(raw), "local:tiny"), created=0.0)


def _open(model: Model, *, variant: str = "", **settings: int) -> OnnxEncoder:
    return open_encoder(*model, variant=variant, config=EngineConfig(**settings))


def test_vector_is_a_unit_vector_of_the_named_type(model: Model) -> None:
    encoder: Encoder = _open(model)
    encoded = encoder.encode_now("abc")
    assert encoded.vector.dtype == np.float32
    assert encoded.vector.shape == (encoder.dimension,) == (32,)
    assert np.linalg.norm(encoded.vector) == pytest.approx(1, abs=1e-6)
    assert (encoded.tokens, encoded.truncated) == (5, False)  # [CLS] a b c [SEP]


@pytest.mark.parametrize("variant", ["int8", "fp32"])
def test_bit_equal_alone_and_under_load(model: Model, variant: str) -> None:
    encoder = _open(model, variant=variant, sessions=4, queue=4096)
    texts = [
        "",
        "a",
        "abc def",
        "zzz " * 5,
        "hello there",
        "a long text that is cut somewhere",
        *map(chr, range(97, 123)),
    ]
    alone = {text: encoder.encode_now(text).vector.tobytes() for text in texts}

    async def client(number: int) -> None:
        order = np.random.default_rng(number).permutation(len(texts))
        for i in order:
            encoded = await encoder.encode(texts[i])
            assert encoded.vector.tobytes() == alone[texts[i]]

    async def load() -> None:
        await asyncio.gather(*(client(number) for number in range(64)))

    asyncio.run(load())
    encoder.close()


@pytest.mark.needs_encoder
def test_minilm_is_bit_equal_alone_and_under_load(encoder_home: Path) -> None:
    encoder = encoders.open_encoder("minilm", ModelStore(Home(encoder_home)), EngineConfig(sessions=4))
    alone = [encoder.encode_now(text).vector.tobytes() for text in PROBES]

    async def load() -> list[list[Encoded]]:
        clients = (asyncio.gather(*map(encoder.encode, PROBES[i % 5 :: 5])) for i in range(64))
        return await asyncio.gather(*clients)

    for i, replies in enumerate(asyncio.run(load())):
        assert [r.vector.tobytes() for r in replies] == alone[i % 5 :: 5]
    encoder.close()


def test_fitting_embeds_as_serving_does(model: Model) -> None:
    encoder = _open(model, sessions=3)
    texts = [f"text {'abc'[i % 3] * (i % 9)}" for i in range(150)] + ["", ""]
    steps: list[tuple[str, int, int]] = []
    many = encoder.encode_all_now(texts, progress=lambda *step: steps.append(step))
    assert many.vectors.shape == (152, 32)
    for text, vector, tokens, truncated in zip(texts, *many, strict=True):
        one = encoder.encode_now(text)
        assert vector.tobytes() == one.vector.tobytes()
        assert (tokens, truncated) == (one.tokens, one.truncated)
    single = encoder.encode_all_now(texts, threads=1)
    assert single.vectors.tobytes() == many.vectors.tobytes()
    unique = len(set(texts))
    assert steps[0] == ("embed", 0, unique)
    assert steps[-1] == ("embed", unique, unique)
    assert encoder.encode_all_now([]).vectors.shape == (0, 32)


def test_truncation_is_reported_and_keeps_the_last_special_token(model: Model) -> None:
    encoder = _open(model)
    assert encoder.max_tokens == 16
    fits, over = "a " * 14, "a " * 15
    assert encoder.encode_now(fits)[1:] == (16, False)
    assert encoder.encode_now(over)[1:] == (17, True)
    tokens = encoder.prepare(over)
    assert tokens.ids.shape == (1, 16)
    assert tokens.ids[0, -1] == encoder.prepare("")[0][0, -1]
    # What is cut has no influence, what is kept has.
    assert encoder.encode_now(over + "zzz").vector.tobytes() == encoder.encode_now(over).vector.tobytes()
    assert encoder.encode_now("b " + over).vector.tobytes() != encoder.encode_now(over).vector.tobytes()
    assert asyncio.run(encoder.encode(over)).truncated


def test_no_padding_and_no_cut_from_the_tokenizer_file(model: Model) -> None:
    assert _open(model).prepare("abcdef").ids.shape == (1, 8)  # the file asks for a cut at 4 and padding to 8
    assert _open(model).prepare("").ids.shape == (1, 2)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00", "\u200b"])
def test_empty_texts_have_a_vector(model: Model, text: str) -> None:
    encoded = _open(model).encode_now(text)
    assert np.linalg.norm(encoded.vector) == pytest.approx(1, abs=1e-6)
    assert not encoded.truncated


def test_unusable_texts(model: Model) -> None:
    encoder = _open(model, max_text_chars=100)
    with pytest.raises(InputError, match=r"101 characters; the longest taken has 100"):
        encoder.encode_now("x" * 101)
    with pytest.raises(InputError, match="not valid Unicode"):
        encoder.encode_now("\ud800")
    with pytest.raises(InputError, match="not valid Unicode"):
        asyncio.run(encoder.encode("\ud800"))
    assert asyncio.run(encoder.encode("fine")).tokens == 6


class _Gate(OnnxEncoder):
    """An encoder whose model waits until it is let go."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self.entered, self.open = threading.Event(), threading.Event()
        self.ran: list[int] = []

    def run(self, tokens: Tokens) -> np.ndarray:
        self.entered.set()
        assert self.open.wait(30)
        self.ran.append(tokens.ids.shape[1])
        return super().run(tokens)


def _gated(model: Model, **settings: int) -> _Gate:
    return _Gate(*model, config=EngineConfig(**settings))


def test_full_queue_is_a_busy_error(model: Model) -> None:
    encoder = _gated(model, sessions=1, queue=3)

    async def crowd() -> None:
        first = asyncio.create_task(encoder.encode("running"))
        assert await asyncio.to_thread(encoder.entered.wait, 30)
        waiting = [asyncio.create_task(encoder.encode(f"waits {i}")) for i in range(3)]
        await asyncio.sleep(0)
        assert (encoder.waiting, encoder.in_flight) == (3, 4)
        with pytest.raises(BusyError, match="3 texts already wait") as caught:
            await encoder.encode("one too many")
        assert caught.value.retryable
        joined = asyncio.create_task(encoder.encode("waits 0"))  # the same text again costs no place
        await asyncio.sleep(0)
        encoder.open.set()
        results = await asyncio.gather(first, *waiting, joined)
        assert results[1].vector is results[4].vector
        assert (await encoder.encode("one too many")).tokens > 2  # room again

    asyncio.run(crowd())
    encoder.close()


def test_identical_texts_in_flight_are_computed_once(model: Model) -> None:
    encoder = _gated(model, sessions=2)

    async def crowd() -> list[Encoded]:
        tasks = [asyncio.create_task(encoder.encode("same")) for _ in range(50)]
        await asyncio.sleep(0)
        encoder.open.set()
        return await asyncio.gather(*tasks)

    results = asyncio.run(crowd())
    assert len(encoder.ran) == 1
    assert {r.vector.tobytes() for r in results} == {encoder.encode_now("same").vector.tobytes()}
    encoder.close()


def test_leaving_does_not_disturb_others_and_spares_the_model(model: Model) -> None:
    encoder = _gated(model, sessions=1)

    async def crowd() -> None:
        running = asyncio.create_task(encoder.encode("running"))
        assert await asyncio.to_thread(encoder.entered.wait, 30)
        alone = asyncio.create_task(encoder.encode("nobody waits for this"))
        pair = [asyncio.create_task(encoder.encode("shared")) for _ in range(2)]
        await asyncio.sleep(0)
        alone.cancel()
        pair[0].cancel()
        await asyncio.sleep(0)
        encoder.open.set()
        assert (await running).tokens == 9
        assert (await pair[1]).tokens == 8
        assert len(encoder.ran) == 2

    asyncio.run(crowd())
    encoder.close()


def test_several_event_loops_share_one_encoder(model: Model) -> None:
    encoder = _open(model, sessions=2)
    expected = encoder.encode_now("shared text").vector.tobytes()

    def loop(_: int) -> bytes:
        return asyncio.run(encoder.encode("shared text")).vector.tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(loop, range(40))) == {expected}
    encoder.close()


def test_close_finishes_what_was_taken_and_takes_no_more(model: Model) -> None:
    encoder = _gated(model, sessions=1)

    async def crowd() -> None:
        tasks = [asyncio.create_task(encoder.encode(f"taken {i}")) for i in range(5)]
        await asyncio.sleep(0)
        encoder.open.set()
        await asyncio.to_thread(encoder.close)
        assert len(await asyncio.gather(*tasks)) == 5
        with pytest.raises(BusyError, match="shutting down"):
            await encoder.encode("late")

    asyncio.run(crowd())
    encoder.close()  # twice does no harm


def test_digest_follows_what_the_vector_depends_on(model: Model) -> None:
    folder, card = model
    exact, small = _open(model, variant="fp32"), _open(model, variant="int8")
    assert small.digest.startswith("sha256:")
    assert small.digest == _open(model, sessions=7, queue=9).digest
    assert exact.digest != small.digest
    shorter = OnnxEncoder(folder, msgspec.structs.replace(card, context=8))
    assert shorter.digest != small.digest
    assert "onnxruntime" in small.runtime
    assert small.runtime == runtime()


def test_altered_files_are_refused(model: Model, tmp_path: Path) -> None:
    folder, card = model
    for name in ("model.int8.onnx", "tokenizer.json"):
        copy = tmp_path / name
        copy.mkdir()
        for file in folder.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(bytes(content))
        with pytest.raises(IntegrityError, match="was altered") as caught:
            OnnxEncoder(copy, card)
        assert "models pull tiny" in caught.value.fix
        (copy / name).write_bytes(bytes(content[:-9]))
        with pytest.raises(IntegrityError, match="bytes instead of"):
            OnnxEncoder(copy, card)
        (copy / name).unlink()
        with pytest.raises(IntegrityError, match="is missing"):
            OnnxEncoder(copy, card)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("model.int8.onnx", b"not a model", "cannot load"), ("tokenizer.json", b"{}", "tokenizer cannot be read")],
)
def test_files_that_are_listed_but_unusable(
    model: Model, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    folder, card = model
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(content)
    files = {**card.files, name: cards.describe(tmp_path / name)}
    with pytest.raises(IntegrityError, match=message):
        OnnxEncoder(tmp_path, msgspec.structs.replace(card, files=files))


def test_unknown_variant_lists_the_known(model: Model) -> None:
    with pytest.raises(NotFoundError, match=r"no variant 'int4'. It has: fp32, int8"):
        _open(model, variant="int4")
