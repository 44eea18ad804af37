"""Fill-in-the-middle prompts: the text before and after, between the marks that the model was trained with.

The marks are the token ids that a GGUF file names under `tokenizer.ggml.fim_*` (older files: `prefix_token_id` and
its kin). Both texts are turned into tokens with their special tokens read as plain text, so that source code which
holds such a mark cannot move the hole. llama.cpp's own infill route is not used: it drops, without a word, what goes
beyond one pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rightsized.core.errors import InputError, UnsupportedError
from rightsized.store.gguf import Header

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
_KEYS = "tokenizer.ggml."


class Marks(NamedTuple):
    """Token ids that stand before the prefix, the suffix and the middle; `start` opens a text (or None)."""

    prefix: int
    suffix: int
    middle: int
    start: int | None


def marks_of(header: Header) -> Marks | None:
    """The marks a GGUF file names; None where it does not name all three."""
    found = [_first(header, names) for names in (("fim_pre", "prefix"), ("fim_suf", "suffix"), ("fim_mid", "middle"))]
    prefix, suffix, middle = found
    if prefix is None or suffix is None or middle is None:
        return None
    opens = header.metadata.get(f"{_KEYS}add_bos_token")
    return Marks(prefix, suffix, middle, _first(header, ("bos",)) if opens else None)


async def fim_prompt(ask: Ask, marks: Marks | None, prompt: Any, suffix: Any) -> list[int]:
    """Token ids of a prompt that asks for what stands between `prompt` and `suffix`.

    Raises UnsupportedError where the model has no marks, InputError where the two are no texts.
    """
    if marks is None:
        raise UnsupportedError(
            "This model was not trained to fill in the middle: its GGUF file names no such tokens.",
            fix="Leave out `suffix`, or use a code model such as StarCoder2, Qwen2.5-Coder or CodeGemma.",
        )
    if not isinstance(prompt, str) or not isinstance(suffix, str):
        raise InputError("`suffix` goes with a `prompt` that is a text.")
    before, after = [await _tokens(ask, text) for text in (prompt, suffix)]
    start = [] if marks.start is None else [marks.start]
    return [*start, marks.prefix, *before, marks.suffix, *after, marks.middle]


async def _tokens(ask: Ask, text: str) -> list[int]:
    answer = await ask("/tokenize", {"content": text, "add_special": False, "parse_special": False})
    return [int(token) for token in answer["tokens"]]


def _first(header: Header, names: tuple[str, ...]) -> int | None:
    for name in names:
        value = header.metadata.get(f"{_KEYS}{name}_token_id")
        if isinstance(value, int):
            return value
    return None
