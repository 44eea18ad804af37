"""A folder of this machine that a connector reads: its name as a source, and how it is opened. Lists nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from rightsized.apps.search.access.grounds import FOLDER
from rightsized.apps.search.connectors.files import as_key
from rightsized.core.errors import StoreError


class Root:
    """Base of connectors beneath a folder; `scheme` and `called` are theirs to set.

    Args:
        root: the folder. `source` is its path with all links resolved.
    """

    scheme: ClassVar[str] = ""
    called: ClassVar[str] = ""  # in errors, such as "folder"

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root.expanduser()))
        self._problems: list[str] = []

    @property
    def source(self) -> str:
        return f"{self.scheme}:{as_key(str(self._root))}"

    @property
    def address(self) -> str:
        return self.source

    @property
    def problems(self) -> tuple[str, ...]:
        """What the last listing found wrong with sidecars: the documents concerned are listed as visible to nobody."""
        return tuple(self._problems)

    def _open(self) -> int:
        """A descriptor of the folder. Raises StoreError."""
        try:
            return os.open(self._root, FOLDER)
        except OSError as error:
            raise StoreError(
                f"The {self.called} {self._root} cannot be opened: {error.strerror}.",
                fix="Nothing was removed from the collection. Mount or restore it, or remove the source.",
            ) from None
