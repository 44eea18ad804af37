"""The functions that a sync carries out on each document, its limits, and what it reports."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rightsized.apps.search.protocols import Parser
from rightsized.apps.search.types import Passage
from rightsized.core.errors import MissingExtraError
from rightsized.core.frozen import Frozen
from rightsized.engines.language import LanguageDetector
from rightsized.parsers.types import Parsed

DEFAULT_LANGUAGE = "en"


def guessed(path: Path, name: str) -> str:
    """The media type that a name suggests; the file is not looked at."""
    return mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"


def assumed(text: str) -> str:
    """No language is told: the collection's default holds."""
    return ""


def detector() -> Callable[[str], str]:
    """The installed identifier of languages, or `assumed` where there is none (extra `language`)."""
    try:
        return LanguageDetector()
    except MissingExtraError:
        return assumed


def never() -> bool:
    """Work that nobody stops."""
    return False


class Steps(NamedTuple):
    """What is done to a document.

    `recipe` names parser and chunker in their versions: where it differs from the one that a document was read with,
    the document is read anew, and passages that stay the same keep their vectors.
    """

    parse: Parser
    chunk: Callable[[Parsed], Sequence[Passage]]
    recipe: str
    media_type: Callable[[Path, str], str] = guessed
    language: Callable[[str], str] = assumed


class Limits(Frozen, frozen=True):
    """How much a sync does at once.

    `threads` encode; `batch` passages are committed together; `depth` is how far attachments in attachments are
    followed; `retry` tries again what could not be read before; `emptied` believes a source that lists nothing where it
    had documents.
    """

    threads: int = 2
    batch: int = 256
    depth: int = 8
    retry: bool = False
    emptied: bool = False
    language: str = DEFAULT_LANGUAGE


class SyncReport(Frozen, frozen=True):
    """What a sync did, in documents unless it says passages; `seconds` of wall-clock time.

    `problems`: rules of access that cannot be understood; what is beneath them is visible to nobody.
    """

    source: str
    listed: int = 0
    unchanged: int = 0
    added: int = 0
    changed: int = 0
    moved: int = 0
    relabelled: int = 0
    deleted: int = 0
    failed: int = 0
    passages: int = 0
    encoded: int = 0
    seconds: float = 0.0
    cancelled: bool = False
    problems: tuple[str, ...] = ()
