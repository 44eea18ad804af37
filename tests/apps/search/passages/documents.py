"""Parsed documents for tests of passages: from a list of blocks, or at random."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from rightsized.parsers.types import Block, Parsed

Written = tuple[Any, ...]  # (kind, text) or (kind, text, fields of Block); a row with head=True names the columns


def count(text: str) -> int:
    """Words and signs, and two marks around them: what a word-piece tokenizer would count, without its file."""
    return len(re.findall(r"\w+|[^\w\s]", text)) + 2


def document(written: list[Written], title: str = "", parted: str = "\n", pages: int = 0) -> Parsed:
    """A document of these blocks."""
    text, blocks, header = "", [], (0, 0)
    for kind, words, *more in written:
        fields = dict(more[0]) if more else {}
        start, end = len(text), len(text) + len(words)
        if kind == "row":
            header = (start, end) if fields.pop("head", False) else header
            fields["header"] = header if header != (start, end) else (0, 0)
        else:
            header = (0, 0)
        blocks.append(Block(kind, start, end, **fields))
        text += words + parted
    return Parsed(text=text, title=title, blocks=tuple(blocks), pages=pages)


_WORDS = st.sampled_from(
    ["shall", "12.3", "Mr. Ash", "U.S.", "pays.", "Why?", "end;", "list:", "数据保护。", "الطرف", "الأول.", "é",
     "x" * 90, "\U0001f469\u200d\U0001f527", "—", "\n", "\t", "(a)", "ก็", "e.g."]
)  # fmt: skip
texts = st.lists(_WORDS, max_size=60).map(" ".join)
_NUMBERS = st.sampled_from(["", "", "1", "1.2", "12.3.4", "(a)", "(b)", "(i)", "(A)", "(1)", "Article 5", "§ 3"])


@st.composite
def parsed(draw: st.DrawFn) -> Parsed:
    """A document of random blocks with random gaps between them, some of which hold text that no block has."""
    text, blocks, page = draw(texts), [], 0
    paged = draw(st.booleans())
    header = (0, 0)
    for _ in range(draw(st.integers(0, 25))):
        text += draw(st.sampled_from(["", "\n", "\n\n", " stray words. "]))
        start = len(text)
        text += draw(texts)
        kind = draw(st.sampled_from(["heading", "paragraph", "item", "row", "row", "code", "quote"]))
        page += draw(st.integers(0, 1)) if paged else 0
        header = draw(st.sampled_from([header, (start, len(text)), (0, 0)])) if kind == "row" else (0, 0)
        own = (0, 0) if header == (start, len(text)) else header
        blocks.append(Block(kind, start, len(text), draw(st.integers(0, 3)), page, own, draw(_NUMBERS)))  # type: ignore[arg-type]  # drawn from the literal's values
    return Parsed(text + draw(texts), draw(texts)[:80], tuple(blocks), pages=page)
