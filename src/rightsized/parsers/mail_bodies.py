"""Which parts of a message are its text, and that text: of alternatives the plain one, unless it only says to look at
the other; texts beside each other one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rightsized.parsers import mail_headers
from rightsized.parsers.encodings import decode
from rightsized.parsers.flowed import unflowed
from rightsized.parsers.mime import Leaf
from rightsized.parsers.text import text_blocks
from rightsized.parsers.types import Block, Parsed

TEXTS = ("text/plain", "text/html")
STUB_CHARS = 300  # a plain alternative shorter than this ...
STUB_SHARE = 4  # ... is passed over where the HTML one holds so many times as much
LARGEST_HTML = 8 << 20  # bytes of HTML that are read of one part


class Body(NamedTuple):
    """A part that may be text of the message: its headers, its content, and where it stands (see `mime.Leaf`)."""

    leaf: Leaf
    data: bytes


def is_text(leaf: Leaf) -> bool:
    """Whether a leaf is shown with the message rather than attached to it."""
    if leaf.kind not in TEXTS:
        return False
    return leaf.headers.get_content_disposition() != "attachment" and not mail_headers.filename(leaf.headers)


def read_bodies(bodies: Sequence[Body], name: str, note: Callable[[str], None]) -> Parsed:
    """The text of a message with its blocks. `note` is told what was not read."""
    found = [one for group in _groups(bodies) for one in _chosen(group, name, note) if one.text.strip()]
    return _joined(found)


def _groups(bodies: Sequence[Body]) -> Iterator[list[Body]]:
    """Bodies that stand for each other, in the order of the message."""
    groups: dict[int, list[Body]] = {}
    for number, one in enumerate(bodies, 1):
        groups.setdefault(one.leaf.group or -number, []).append(one)
    yield from groups.values()


def _chosen(group: list[Body], name: str, note: Callable[[str], None]) -> list[Parsed]:
    plain = [_plain(one) for one in group if one.leaf.kind == "text/plain"]
    size = sum(len(one.text.strip()) for one in plain)
    marked = [one for one in group if one.leaf.kind == "text/html"]
    if not marked or size >= STUB_CHARS:
        return plain
    shown = [_html(one, name, note) for one in marked]
    if not size or sum(len(one.text) for one in shown) > STUB_SHARE * size:
        return shown if any(one.text.strip() for one in shown) else plain
    return plain


def _plain(body: Body) -> Parsed:
    headers = body.leaf.headers
    text = decode(body.data, mail_headers.charset(headers)).text.replace("\r\n", "\n").replace("\r", "\n")
    if mail_headers.parameter(headers, "format") == "flowed":
        text = unflowed(text, delete_space=mail_headers.parameter(headers, "delsp") == "yes")
    text = text.strip("\n")
    return Parsed(text=text, blocks=tuple(_mail_blocks(text)))


def _html(body: Body, name: str, note: Callable[[str], None]) -> Parsed:
    from rightsized.parsers.html import decode_html, html_parsed  # an extra, which plain text does not need

    if len(body.data) > LARGEST_HTML:
        note(f"HTML beyond {LARGEST_HTML:,} bytes was not read.")
    parsed = html_parsed(decode_html(body.data[:LARGEST_HTML], mail_headers.charset(body.leaf.headers)), name)
    for said in parsed.notes:
        note(said)
    return parsed


def _mail_blocks(text: str) -> Iterator[Block]:
    """Those of a plain text, quoted lines as quotes; a mail's short lines are no headings."""
    for block in text_blocks(text):
        kind = "quote" if text.startswith(">", block.start) else block.kind
        yield Block(
            "paragraph" if kind == "heading" else kind, block.start, block.end, block.level, number=block.number
        )


def _joined(found: Sequence[Parsed]) -> Parsed:
    if len(found) == 1:
        return found[0]
    blocks, texts, at = list[Block](), list[str](), 0
    for one in found:
        blocks.extend(moved(block, at) for block in one.blocks)
        texts.append(one.text)
        at += len(one.text) + 2
    return Parsed(text="\n\n".join(texts), blocks=tuple(blocks))


def moved(block: Block, offset: int) -> Block:
    """The same block of a text with so many characters in front."""
    start, end = block.header
    header = (start + offset, end + offset) if end else (0, 0)
    return Block(block.kind, block.start + offset, block.end + offset, block.level, block.page, header, block.number)
