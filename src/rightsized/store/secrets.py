"""A folder of small secret files: mode 0600, written whole or not at all, durable once written.

What a secret is for is the business of whoever names it.
"""

from __future__ import annotations

from pathlib import Path

from rightsized.core.errors import StoreError
from rightsized.store import atomic


class SecretFolder:
    """Secrets by name.

    Args:
        folder: made at the first `create`, readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Names of the secrets there are, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.is_file() and not path.name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """A secret; None where there is none of that name."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, name: str, value: bytes) -> bool:
        """Write a secret; False where the name is taken. Raises DiskFullError, StoreError."""
        path = self._path(name)
        with atomic.disk_errors(path):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return atomic.create(path, value, mode=atomic.PRIVATE)

    def _path(self, name: str) -> Path:
        if not name or Path(name).name != name or name.startswith("."):
            raise StoreError(f"{name!r} cannot name a secret; use letters, digits and dashes.")
        return self.folder / name
