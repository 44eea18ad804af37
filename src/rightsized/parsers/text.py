"""Plain text: as it was written, with paragraphs, items, numbered clauses and what looks like a heading found in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rightsized.core.errors import DocumentError
from rightsized.parsers.encodings import Decoded, decode
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.numbers import number_of
from rightsized.parsers.types import Block, Parsed

LONGEST_HEADING = 90  # characters
_BULLET = re.compile(r"[ \t]*(?:[-*•‣◦▪–·●○]|o(?= {2,}))[ \t]+(?=\S)")
_UNDERLINE = re.compile(r"[ \t]*([=\-~_*])\1{2,}[ \t]*$")
_ENDS = re.compile(r"[.!?;,:…]\W*$")
_LINE = re.compile(r"[^\r\n\x0b\x0c\x85\u2028\u2029]*")
_BREAK = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")


def parse_text(path: Path, name: str) -> Parsed:
    """Read a plain text in any encoding. Raises DocumentError (`too-large`)."""
    decoded = read_text(path, name)
    blocks = tuple(text_blocks(decoded.text))
    first = next((block for block in blocks if block.kind == "heading"), None)
    title = decoded.text[first.start : first.end] if first is not None and first is blocks[0] else ""
    return Parsed(text=decoded.text, title=title, blocks=blocks, metadata=encoding_of(decoded), notes=losses(decoded))


def read_text(path: Path, name: str, declared: str = "") -> Decoded:
    """The decoded text of a file. Raises DocumentError (`too-large`) before it is decoded."""
    most = LIMITS.get().characters
    if path.stat().st_size > 4 * most:
        raise DocumentError(f"{name} holds more than {most:,} characters of text.", reason="too-large", fix="Split it.")
    return decode(path.read_bytes(), declared)


def encoding_of(decoded: Decoded) -> dict[str, str]:
    """As metadata; nothing for what is usual."""
    return {} if decoded.encoding == "utf-8" else {"encoding": decoded.encoding}


def losses(decoded: Decoded) -> tuple[str, ...]:
    """As notes."""
    return (f"Some bytes are not {decoded.encoding} and stand as U+FFFD.",) if decoded.lossy else ()


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends, its break left out."""
    at = 0
    while at < len(text):
        match = _LINE.match(text, at)
        end = match.end() if match else at
        yield at, end
        found = _BREAK.match(text, end)
        at = found.end() if found else end + 1


def text_blocks(text: str) -> Iterator[Block]:
    """The structure of a text without markup."""
    lines = [(start, end, text[start:end]) for start, end in lines_of(text)]
    run: list[tuple[int, int]] = []  # lines of the paragraph that is being read
    for at, (start, end, line) in enumerate(lines):
        following = lines[at + 1][2] if at + 1 < len(lines) else ""
        if not line.strip() or _UNDERLINE.match(line):
            yield from _closed(text, run)
            run = []
            continue
        underlined = bool(_UNDERLINE.match(following)) and len(line.strip()) <= LONGEST_HEADING
        if not run and (underlined or _is_heading(line, following)):
            yield _heading(text, start, end)
            continue
        if run and _begins(text, run, line):
            yield from _closed(text, run)
            run = []
        run.append((start, end))
    yield from _closed(text, run)


def _begins(text: str, run: list[tuple[int, int]], line: str) -> bool:
    """Whether a line that no empty one precedes begins a block: an item, or a clause after the end of a sentence."""
    if _BULLET.match(line):
        return True
    if not number_of(line.strip()):
        return False
    first, last = text[slice(*run[0])], text[slice(*run[-1])]
    return bool(_ENDS.search(last) or number_of(first.strip()) or len(last.strip()) < LONGEST_HEADING // 2)


def _closed(text: str, run: list[tuple[int, int]]) -> Iterator[Block]:
    if not run:
        return
    start, end = run[0][0], run[-1][1]
    bullet = _BULLET.match(text, start, end)
    if bullet:
        indent = len(text[start:end]) - len(text[start:end].lstrip())
        yield Block("item", bullet.end(), end, level=1 + indent // 2)
        return
    start += len(text[start:end]) - len(text[start:end].lstrip())
    yield Block("paragraph", start, start + len(text[start:end].rstrip()), number=number_of(text[start:end]))


def _is_heading(line: str, following: str) -> bool:
    """A short line on its own that is in capitals, or numbered and no sentence."""
    words = line.strip()
    if following.strip() or len(words) > LONGEST_HEADING or not any(map(str.isalpha, words)):
        return False
    if words.isupper() and sum(map(str.isalpha, words)) > 3:
        return True
    number = number_of(words)
    rest = words[len(number) :].strip(" .:-–—")
    return bool(number) and not number.startswith("(") and not _ENDS.search(words) and rest[:1].isupper()


def _heading(text: str, start: int, end: int) -> Block:
    start += len(text[start:end]) - len(text[start:end].lstrip())
    end = start + len(text[start:end].rstrip())
    number = number_of(text[start:end])
    return Block("heading", start, end, level=depth_of(number), number=number)


def depth_of(number: str) -> int:
    """The level of a heading by its number: 1 for "2" and "Article 2", 2 for "2.1"."""
    digits = re.search(r"\d+(?:\.\d+)*", number)
    return digits[0].count(".") + 1 if digits else 1
