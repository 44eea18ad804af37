"""Text to token ids, cut to what the encoder reads; says how many tokens there were and whether some were cut."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rightsized.core.errors import InputError, IntegrityError


class Tokens(NamedTuple):
    """ids: int64, shape (1, kept); total: tokens before cutting, special ones included."""

    ids: NDArray[np.int64]
    total: int

    @property
    def truncated(self) -> bool:
        return bool(self.total > self.ids.shape[1])


class TextTokenizer:
    """A `tokenizer.json` without padding, cut to `max_tokens` from the end of the text.

    Args:
        definition: the file's content.
        max_tokens: most ids passed on, the special ones at both ends included.
        max_chars: longest text taken.
    Raises:
        IntegrityError: the content is no tokenizer, or one that frames no text with special tokens.
    """

    def __init__(self, definition: bytes, *, max_tokens: int, max_chars: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(definition.decode("utf-8"))
        except Exception as error:  # noqa: BLE001 - the library raises bare Exception
            raise IntegrityError(f"The tokenizer cannot be read: {error}.") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._max_tokens = max_tokens
        self._max_chars = max_chars
        framed = self._tokenizer.encode("a")
        marks = framed.special_tokens_mask
        if not marks or not marks[0] or not marks[-1]:
            raise IntegrityError("The tokenizer puts no special tokens around a text, so an empty one has no tokens.")
        self._tail = list(reversed(marks)).index(0) if 0 in marks else 1  # special tokens that end a text

    def __call__(self, text: str) -> Tokens:
        """Token ids of a text; of an empty one, just the special tokens.

        Raises:
            InputError: the text is too long, or is not valid Unicode.
        """
        if len(text) > self._max_chars:
            raise InputError(
                f"The text has {len(text):,} characters; the longest taken has {self._max_chars:,}.",
                fix="Shorten it, or raise [engine] max_text_chars.",
            )
        try:
            ids = self._tokenizer.encode(text).ids
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(f"The text is not valid Unicode: {error}.") from None
        total = len(ids)
        if total > self._max_tokens:
            ids = ids[: self._max_tokens - self._tail] + ids[total - self._tail :]
        return Tokens(np.array([ids], dtype=np.int64), total)
