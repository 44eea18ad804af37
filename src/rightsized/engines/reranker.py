"""Cross-encoders on ONNX Runtime: a question and a passage become one score that depends on nothing but the two.

One pair a call, as encoders read one text a call, so that a score does not depend on its neighbours. Where a pair is
longer than the model reads, the passage is cut, and the question only where it fills more than half.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

from rightsized.core.config import EngineConfig
from rightsized.core.errors import BusyError, InputError, IntegrityError, NotFoundError
from rightsized.engines.cpu import cores
from rightsized.engines.onnx import TOKENIZER_FILE, checked_file, open_session
from rightsized.engines.pool import Pool
from rightsized.store.cards import Card

ENGINE = "reranker"
_TYPES_INPUT = "token_types"
_BETWEEN = "\x1f"  # joins the two texts into the pool's one; cut out of questions


class Pair(NamedTuple):
    """ids and types: int64 (1, tokens), types 0 for the question and 1 for the passage."""

    ids: NDArray[np.int64]
    types: NDArray[np.int64]


class PairTokenizer:
    """A `tokenizer.json` that frames two texts, cut to `max_tokens`.

    Raises:
        IntegrityError: the content is no tokenizer, or frames no pair with special tokens.
    """

    def __init__(self, definition: bytes, *, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(definition.decode("utf-8"))
            framed = self._tokenizer.encode("a", "a")
        except Exception as error:  # noqa: BLE001 - the library raises bare Exception
            raise IntegrityError(f"The tokenizer cannot be read: {error}.") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._max_tokens = max_tokens
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        if not framed.special_tokens_mask or not framed.special_tokens_mask[0]:
            raise IntegrityError("The tokenizer puts no special tokens around a pair of texts.")

    def __call__(self, question: str, passage: str) -> Pair:
        """Ids and types of a pair. Raises InputError for a text that is not valid Unicode."""
        try:
            asked = self._tokenizer.encode(question, add_special_tokens=False)
            read = self._tokenizer.encode(passage, add_special_tokens=False)
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(f"The text is not valid Unicode: {error}.") from None
        room = self._max_tokens - self._special
        kept = min(len(asked.ids), max(room // 2, room - len(read.ids)))
        asked.truncate(kept)
        read.truncate(room - kept)
        joined = self._tokenizer.post_process(asked, read)
        return Pair(np.array([joined.ids], np.int64), np.array([joined.type_ids], np.int64))


class OnnxReranker:
    """An installed cross-encoder, open. Implements `apps.search.protocols.Reranker`."""

    def __init__(self, folder: Path, card: Card, *, variant: str = "", config: EngineConfig | None = None) -> None:
        """Open a model folder; every file is hashed as it is read.

        Args:
            folder: an installed model, as `ModelStore.folder` gives it.
            card: its card; its engine is `reranker`.
            variant: `int8`, `fp32`; the card's default where empty.
            config: sessions = threads (0 = one a core), queue = pairs that may wait, max_text_chars.
        Raises:
            NotFoundError: it is no reranker, or has no such variant.
            IntegrityError: a file is not what the card says.
        """
        config = config or EngineConfig()
        variant = variant or card.default_variant
        if card.engine != ENGINE:
            raise NotFoundError(f"The model {card.name!r} is no reranker but of the engine {card.engine!r}.")
        if variant not in card.variants:
            known = ", ".join(sorted(card.variants))
            raise NotFoundError(f"The model {card.name!r} has no variant {variant!r}. It has: {known}.")
        weights = card.variants[variant].file
        definition = checked_file(folder, TOKENIZER_FILE, card).read_bytes()
        self.card, self._most = card, config.max_text_chars
        self._tokenize = PairTokenizer(definition, max_tokens=card.context)
        session = open_session(checked_file(folder, weights, card), card)
        self._session: InferenceSession | None = session
        self._typed = any(one.name == _TYPES_INPUT for one in session.get_inputs())
        self._pool: Pool[float] = Pool(
            self._joined, threads=config.sessions or cores(), queue=config.queue, name=f"reranker-{card.name}"
        )
        parts = (card.files[weights].sha256, card.files[TOKENIZER_FILE].sha256, str(card.context), "score")
        self._digest = "sha256:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def model(self) -> str:
        """`sha256:...` over the weights, the tokenizer and the most tokens read."""
        return self._digest

    def score_now(self, question: str, passage: str) -> float:
        """Score one pair in the calling thread: the logit. Raises InputError for an unusable text, BusyError once it is
        closed."""
        if self._session is None:
            raise BusyError(f"The model {self.card.name!r} was closed and takes no more texts.")
        if max(len(question), len(passage)) > self._most:
            raise InputError(f"The text has more than {self._most:,} characters.", fix="Raise [engine] max_text_chars.")
        pair = self._tokenize(question, passage)
        feed = {"input_ids": pair.ids} | ({_TYPES_INPUT: pair.types} if self._typed else {})
        return float(self._session.run(["score"], feed)[0][0])

    async def scores(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n,): logits, the greater the better; computed in the bounded pool.

        Raises:
            BusyError: more pairs wait than the pool takes.
            InputError: a text cannot be used.
        """
        asked = question.replace(_BETWEEN, " ")
        found = await asyncio.gather(*(self._pool.submit(f"{asked}{_BETWEEN}{passage}") for passage in passages))
        return np.array(found, np.float32)

    def close(self) -> None:
        """Finish what was taken, end the threads, and let go of the weights."""
        self._pool.close()
        self._session = None

    def _joined(self, text: str) -> float:
        question, _, passage = text.partition(_BETWEEN)
        return self.score_now(question, passage)
