"""Encoders on ONNX Runtime: a text becomes a unit vector that depends on nothing but the text.

One sequence a call, because dynamic INT8 scales activations over the whole batch: neighbours would change the
answer. Concurrency comes from threads that call one session, which runs each call in the caller's own thread;
the weights are in memory once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from rightsized.core.config import EngineConfig
from rightsized.core.errors import BusyError, IntegrityError, NotFoundError
from rightsized.core.protocols import Encoded, Encodings, Progress, no_progress
from rightsized.engines.cpu import cores, instruction_set
from rightsized.engines.pool import Pool
from rightsized.engines.tokens import TextTokenizer, Tokens
from rightsized.store import cards
from rightsized.store.cards import Card
from rightsized.store.models import repair

TOKENIZER_FILE = "tokenizer.json"
_LATELY = 64  # texts whose vectors are at hand for a moment: who asks next needs no second pass
_CHUNK = 32  # texts handed to a thread at a time while fitting


class OnnxEncoder:
    """An installed encoder, open. Implements `core.protocols.Encoder`."""

    def __init__(self, folder: Path, card: Card, *, variant: str = "", config: EngineConfig | None = None) -> None:
        """Open a model folder; every file is hashed as it is read.

        Args:
            folder: an installed model, as `ModelStore.folder` gives it.
            card: its card.
            variant: `int8`, `fp32`; the card's default where empty.
            config: sessions = threads (0 = one a core), queue = texts that may wait, max_text_chars.
        Raises:
            NotFoundError: no such variant.
            IntegrityError: a file is not what the card says.
        """
        config = config or EngineConfig()
        self.card = card
        self.variant = variant or card.default_variant
        if self.variant not in card.variants:
            known = ", ".join(sorted(card.variants))
            raise NotFoundError(f"The model {card.name!r} has no variant {self.variant!r}. It has: {known}.")
        weights = card.variants[self.variant].file
        self.threads = config.sessions or cores()
        tokenizer = checked_file(folder, TOKENIZER_FILE, card).read_bytes()
        self._loaded: _Loaded | None = _Loaded(
            TextTokenizer(tokenizer, max_tokens=card.context, max_chars=config.max_text_chars),
            open_session(checked_file(folder, weights, card), card),
        )
        self._pool: Pool[Encoded] = Pool(
            self.encode_now, threads=self.threads, queue=config.queue, name=f"encoder-{card.name}", kept=_LATELY
        )
        parts = (card.files[weights].sha256, card.files[TOKENIZER_FILE].sha256, str(card.context), "sentence")
        self._digest = "sha256:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """`sha256:...` over the weights, the tokenizer and the most tokens read."""
        return self._digest

    @property
    def dimension(self) -> int:
        return self.card.dimension

    @property
    def max_tokens(self) -> int:
        """Most tokens read of one text, special ones included; `Encoded.truncated` says when there were more."""
        return self.card.context

    @property
    def runtime(self) -> str:
        """What else decides the last bits: the runtime's version and this processor's instruction set."""
        return runtime()

    @property
    def waiting(self) -> int:
        """Texts that wait for a thread now."""
        return self._pool.waiting

    @property
    def in_flight(self) -> int:
        """Texts taken and not answered yet, those that wait included."""
        return self._pool.in_flight

    def prepare(self, text: str) -> Tokens:
        """First phase, processor only: token ids."""
        return self._model().tokenize(text)

    def run(self, tokens: Tokens) -> NDArray[np.float32]:
        """Second phase, the model: float32 (1, dimension)."""
        session = self._model().session
        result: NDArray[np.float32] = session.run(["sentence"], {"input_ids": tokens.ids})[0]
        return result

    def finish(self, tokens: Tokens, output: NDArray[np.float32]) -> Encoded:
        """Third phase: the record."""
        return Encoded(output[0], tokens.total, tokens.truncated)

    def encode_now(self, text: str) -> Encoded:
        """Encode in the calling thread; bit-equal to `encode`. Raises BusyError once it is closed."""
        tokens = self.prepare(text)
        return self.finish(tokens, self.run(tokens))

    async def encode(self, text: str) -> Encoded:
        """Encode in the bounded pool. Raises BusyError when its queue is full, InputError for an unusable text."""
        return await self._pool.submit(text)

    def lately(self, text: str) -> Encoded | None:
        """What `encode` gave for this text, where that was just now. Computes nothing."""
        return self._pool.lately(text)

    def encode_all_now(self, texts: Sequence[str], *, progress: Progress = no_progress, threads: int = 0) -> Encodings:
        """Encode many texts with all threads, one sequence a call: each row is bit-equal to `encode_now`.

        Identical texts are computed once.
        """
        unique = list(dict.fromkeys(texts))
        position = {text: i for i, text in enumerate(unique)}
        vectors = np.empty((len(unique), self.dimension), dtype=np.float32)
        tokens = np.empty(len(unique), dtype=np.int32)
        truncated = np.empty(len(unique), dtype=np.bool_)
        progress("embed", 0, len(unique))
        for done, (vector, count, cut) in enumerate(self._each(unique, threads or self.threads)):
            vectors[done], tokens[done], truncated[done] = vector, count, cut
            if (done + 1) % _CHUNK == 0 or done + 1 == len(unique):
                progress("embed", done + 1, len(unique))
        order = np.array([position[text] for text in texts], dtype=np.intp)
        return Encodings(vectors[order], tokens[order], truncated[order])

    def _each(self, texts: list[str], threads: int) -> Iterator[Encoded]:
        if threads == 1:
            yield from map(self.encode_now, texts)
            return
        chunks = [texts[i : i + _CHUNK] for i in range(0, len(texts), _CHUNK)]
        with ThreadPoolExecutor(threads, thread_name_prefix="embed") as pool:
            for chunk in pool.map(lambda part: [self.encode_now(text) for text in part], chunks):
                yield from chunk

    def close(self) -> None:
        """Finish what was taken, end the threads, and let go of the model, whoever still holds this object.

        Weights and tokenizer are tens of megabytes of which Python's collector of cycles sees a few objects.
        """
        self._pool.close()
        self._loaded = None

    def _model(self) -> _Loaded:
        if self._loaded is None:
            raise BusyError(f"The model {self.card.name!r} was closed and takes no more texts.")
        return self._loaded


class _Loaded(NamedTuple):
    tokenize: TextTokenizer
    session: onnxruntime.InferenceSession


def runtime() -> str:
    """Such as `onnxruntime 1.20.0, x86_64 avx avx2 fma`."""
    return f"onnxruntime {onnxruntime.__version__}, {instruction_set()}"


def open_encoder(folder: Path, card: Card, *, variant: str = "", config: EngineConfig | None = None) -> OnnxEncoder:
    """The factory registered as `onnx` in `rightsized.encoders`."""
    return OnnxEncoder(folder, card, variant=variant, config=config)


def checked_file(folder: Path, name: str, card: Card) -> Path:
    """The path of a file whose content is what the card says."""
    path = folder / name
    fact = card.files.get(name)
    if fact is None:
        raise IntegrityError(f"The card of {card.name!r} does not list {name}.", fix=repair(card.name))
    try:
        found = cards.describe(path)
    except FileNotFoundError:
        raise IntegrityError(f"{path} is missing.", fix=repair(card.name)) from None
    if found.size != fact.size:
        raise IntegrityError(f"{path} has {found.size} bytes instead of {fact.size}.", fix=repair(card.name))
    if found.sha256 != fact.sha256:
        raise IntegrityError(f"{path} was altered: its sha256 is not the one on its card.", fix=repair(card.name))
    return path


def open_session(model: Path, card: Card) -> onnxruntime.InferenceSession:
    """A session that runs each call in its caller's own thread, so that many at once stay bit-equal to one alone."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a call runs in its caller's thread: many at once, each deterministic
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:  # by path: given bytes, the library would keep them for as long as the session lives
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the library's exceptions share no base of their own
        raise IntegrityError(f"ONNX Runtime cannot load {card.name!r}: {error}.", fix=repair(card.name)) from None
