"""The addresses that the sources of a collection were opened by: a bucket's options are part of its address, not of its
name, so that the same documents under other options stay the same documents.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from rightsized.core.errors import StoreError
from rightsized.store import atomic

FILE = "addresses.json"


class Addresses:
    """Kept in the folder of a collection, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def of(self, source: str) -> str:
        """The address that a source was last opened by; its name, which is one too, where none was noted."""
        return self._read().get(source, source)

    def note(self, source: str, address: str) -> None:
        """Remember it. Raises StoreError, DiskFullError."""
        known = self._read()
        if known.get(source, source) == address:
            return
        atomic.write(self._path, msgspec.json.format(msgspec.json.encode({**known, source: address})), mode=0o600)

    def _read(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreError(
                f"{self._path} cannot be read: {error}.", fix="Remove it and add the sources again."
            ) from None
