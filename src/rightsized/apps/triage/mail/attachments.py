"""The files that came with a message: what each is called, its size and digest; its text where that is asked for.

Content is decoded a few megabytes at a time. Text is read by `parsers.sandbox`, in a process that can be killed.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from rightsized.apps.triage.mail.visible import visible
from rightsized.apps.triage.records import Attachment
from rightsized.core.errors import DocumentError, MissingExtraError
from rightsized.parsers import mime
from rightsized.parsers.limits import Limits
from rightsized.parsers.mail import part_name

MOST_LISTED = 500
MOST_READ = 20  # attachments of a message whose text is read
MOST_CHARS = 50_000  # characters kept of an attachment's text
LARGEST_READ = 20 << 20  # bytes
LIMITS = Limits(wall_seconds=30.0, cpu_seconds=25.0, memory_mb=1000.0, pages=200)

Reader = Callable[[Path, str], str]  # file, name -> text; raises DocumentError


def text_of(path: Path, name: str) -> str:
    """The text of a file, read in a process of its own. Raises DocumentError, StoreError."""
    from rightsized.parsers import sandbox

    return sandbox.parse(path, name, limits=LIMITS).text


def describe(data: bytes, leaf: mime.Leaf, number: int) -> Attachment:
    """An attachment as it is listed, without its text."""
    digest, size = hashlib.sha256(), 0
    for piece in mime.pieces(data, leaf):
        digest.update(piece)
        size += len(piece)
    head = data[leaf.start : min(leaf.end, leaf.start + mime.MOST_HEAD)] if leaf.kind == "message/rfc822" else b""
    return Attachment(visible(part_name(leaf, head, number)), leaf.kind, size, digest.hexdigest())


def with_text(data: bytes, leaf: mime.Leaf, listed: Attachment, read: Reader) -> Attachment:
    """The same with its text, or with a note why that was not read."""
    if listed.size > LARGEST_READ:
        return replace(listed, note=f"Not read: it is larger than {LARGEST_READ >> 20} MiB.")
    with tempfile.TemporaryDirectory(prefix="rightsized-") as folder:
        path = Path(folder) / "attachment"
        with path.open("wb") as file:
            for piece in mime.pieces(data, leaf):
                file.write(piece)
        try:
            text = read(path, listed.name)
        except DocumentError as error:
            return replace(listed, note=f"Not read ({error.reason}): {error.own_words}")
        except MissingExtraError as error:
            return replace(listed, note=f"Not read: {error}")
    if len(text) > MOST_CHARS:
        return replace(listed, text=text[:MOST_CHARS], note=f"Only the first {MOST_CHARS:,} characters were kept.")
    return replace(listed, text=text)
