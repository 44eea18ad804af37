"""The records and frames between the process that asks and a worker: a length of 8 bytes, then MessagePack."""

from __future__ import annotations

import struct

import msgspec

from rightsized.core.frozen import Frozen
from rightsized.parsers.limits import Limits
from rightsized.parsers.types import Box, Parsed

LENGTH = struct.Struct(">Q")
FRAMING = 1 << 20  # bytes of an answer besides text and parts that are always allowed


class Ready(Frozen, frozen=True, tag="ready"):
    """A worker has started."""


class Page(Frozen, frozen=True):
    """A page to draw, from 1, with these boxes marked on it."""

    number: int
    boxes: tuple[Box, ...] = ()


class Request(Frozen, frozen=True):
    """Read the file at `path`, called `name`; or, where there is a `page`, draw that."""

    path: str
    name: str
    limits: Limits
    page: Page | None = None


class Success(Frozen, frozen=True, tag="success"):
    """What was read."""

    parsed: Parsed
    media_type: str


class PageImage(Frozen, frozen=True, tag="page"):
    """A page as a picture."""

    png: bytes


class Failure(Frozen, frozen=True, tag="failure"):
    """Why it was not read: the arguments of a DocumentError, or of a MissingExtraError where `extra` is set."""

    message: str
    reason: str
    fix: str = ""
    extra: str = ""


Answer = Ready | Success | PageImage | Failure


def frame(record: Frozen) -> bytes:
    """A record with its length before it."""
    data = msgspec.msgpack.encode(record)
    return LENGTH.pack(len(data)) + data


def longest_answer(limits: Limits) -> int:
    """Bytes of the longest answer that these limits allow: text in UTF-8, a block and a line every few characters."""
    return FRAMING + 24 * limits.characters + limits.part_bytes
