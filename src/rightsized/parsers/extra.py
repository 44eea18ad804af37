"""Names the pip command where a parser's library is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rightsized.core.errors import MissingExtraError


@contextmanager
def needed(package: str, extra: str = "documents") -> Iterator[None]:
    """Around the imports of a library. Raises MissingExtraError."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f"Reading this format needs {package} ({error}).", extra=extra) from None
