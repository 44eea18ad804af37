"""What tests of parsers share: documents made on the spot, and what must hold of whatever was read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rightsized.core import registry
from rightsized.parsers.limits import LIMITS, Limits, begin
from rightsized.parsers.media_types import media_type
from rightsized.parsers.types import Block, Parsed


def read(path: Path, name: str = "") -> Parsed:
    """Parse in this process, as a worker does: for documents that the test wrote itself."""
    begin(LIMITS.get())
    parsed: Parsed = registry.resolve("rightsized.parsers", media_type(path, name or path.name))(
        path, name or path.name
    )
    check(parsed)
    return parsed


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Parsers inside the block are held to these limits."""
    begin(limits)
    try:
        yield
    finally:
        begin(Limits())


def check(parsed: Parsed) -> None:
    """Spans are within the text, in order, and never overlap; headers are rows before; lines stand on their pages."""
    reach = 0
    for block in parsed.blocks:
        assert reach <= block.start < block.end <= len(parsed.text), block
        assert parsed.text[block.start : block.end].strip(), block
        assert block.header == (0, 0) or block.header[0] < block.header[1] <= block.start, block
        assert parsed.pages == 0 or 1 <= block.page <= parsed.pages, block
        reach = block.end
    for line in parsed.lines:
        assert 0 <= line.start < line.end <= len(parsed.text), line
        assert 1 <= line.box.page <= parsed.pages, line
        assert line.box.left <= line.box.right, line
        assert line.box.top <= line.box.bottom, line
    assert "\x00" not in parsed.text
    parsed.text.encode("utf-8")


def shown(parsed: Parsed, *kinds: str) -> list[str]:
    """The texts of blocks of these kinds."""
    return [words(parsed, block) for block in parsed.blocks if block.kind in kinds]


def words(parsed: Parsed, block: Block) -> str:
    """The text of a block."""
    return parsed.text[block.start : block.end]


def bare(texts: Sequence[str] | str) -> list[str]:
    """Words in small letters, without marks."""
    return re.findall(r"\w+", (texts if isinstance(texts, str) else " ".join(texts)).lower())
