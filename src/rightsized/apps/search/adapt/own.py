"""Which encoder a collection has of its own, in its folder: `encoder.json`.

What serves is decided by the store alone: the collection's own encoder where the vectors that serve are by it, and that
of the settings everywhere else. So a swap that was cut off leaves a collection that is searched as before.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec

from rightsized.apps.search.adapt.records import Adapted
from rightsized.apps.search.index import database
from rightsized.apps.search.index.reader import Reader
from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.store import atomic

FILE = "encoder.json"
NO_STAMP = (0, 0)  # of a collection without the file


class Own(Frozen, frozen=True):
    """`model` is a name in the store, `digest` that of the encoder opened. `before` is what served until then."""

    model: str
    digest: str
    before: str
    created: float
    report: Adapted | None = None


def write_own(folder: Path, own: Own) -> None:
    """Write it, or write it again: whoever has the collection open looks at it when the file changes."""
    atomic.write(folder / FILE, msgspec.json.encode(own))


def read_own(folder: Path) -> Own | None:
    """What is written; None where there is nothing. Raises IntegrityError where it cannot be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Own)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        fix = (
            f"Remove the file to go back to the encoder of the settings, then run: rightsized search sync {folder.name}"
        )
        raise IntegrityError(f"{folder / FILE} cannot be read: {error}.", fix=fix) from None


def forget_own(folder: Path) -> None:
    """The encoder of the settings is to serve again, once its vectors do."""
    (folder / FILE).unlink(missing_ok=True)


def serving_own(folder: Path) -> Own | None:
    """The collection's own encoder, where its vectors serve."""
    own = read_own(folder)
    if own is None:
        return None
    with closing(Reader(folder / database.FILE)) as reader:
        return own if reader.state().serving == own.digest else None


def stamp(folder: Path) -> tuple[int, int]:
    """Changes whenever the file does."""
    try:
        found = (folder / FILE).stat()
    except OSError:
        return NO_STAMP
    return found.st_mtime_ns, found.st_ino
