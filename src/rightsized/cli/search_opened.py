"""Opens the collections of a home for a command, with the encoder of the settings when it is first needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rightsized.apps.search.collections import Collections
    from rightsized.core.config import Config


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Collections]:
    """The collections, closed at the end."""
    from rightsized.apps.search.collections import Collections
    from rightsized.store.home import Home
    from rightsized.tasks.opened import Encoders

    encoders = Encoders(config)
    collections = Collections(Home(config.home), lambda: encoders.get(config.search.encoder))
    try:
        yield collections
    finally:
        collections.close()
        encoders.close()
