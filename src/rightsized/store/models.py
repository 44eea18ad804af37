"""Installed models: look up, check, install and remove. One folder a model; a folder is whole or absent.

Fetching is the sources' work, building the graph that of `compress`.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rightsized.core.errors import IntegrityError, NotFoundError, StoreError
from rightsized.store import atomic, cards
from rightsized.store.cards import Card
from rightsized.store.home import Home
from rightsized.store.locks import one_at_a_time

PULLED_BY_NAME = ("minilm",)  # any other model is pulled from a source that only the user knows
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """The name itself. Raises StoreError where it could not be a folder's name everywhere."""
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"{name!r} cannot name a model.",
            fix="Use up to 100 lower-case letters, digits, dots, dashes and underscores.",
        )
    return name


def _where_from(name: str) -> str:
    if name in PULLED_BY_NAME:
        return f"Run: rightsized models pull {name}"
    return f"See: rightsized models list; or install it: rightsized models pull SOURCE --name {name}"


class ModelStore:
    """Models under `home.models`, by name or digest."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._work = home.models / ".work"  # same file system as the models: installing is a rename

    def list(self) -> list[Card]:
        """Cards of all installed models, by name. A folder with a broken card raises IntegrityError."""
        if not self.home.models.exists():
            return []
        folders = sorted(p for p in self.home.models.iterdir() if p.is_dir() and not p.name.startswith("."))
        return [cards.read(folder) for folder in folders]

    def has(self, name: str) -> bool:
        """True where a model of that name is installed."""
        return self._place(name).exists()

    def card(self, name: str) -> Card:
        """The card of a model, by name or by `sha256:...` digest.

        Raises:
            NotFoundError: not installed; names the command that pulls it.
            IntegrityError: its card cannot be read.
        """
        if name.startswith("sha256:"):
            found = next((card for card in self.list() if card.digest == name), None)
            if found is None:
                raise NotFoundError(f"No installed model has the digest {name}.", fix="Run: rightsized models list")
            return found
        place = self._place(name)
        if not place.exists():
            raise NotFoundError(f"The model {name!r} is not installed.", fix=_where_from(name))
        return cards.read(place)

    def folder(self, name: str) -> Path:
        """The folder of a model whose files are all there with the right sizes.

        Raises:
            NotFoundError: not installed.
            IntegrityError: a file is missing or has another size. Contents are checked when a file is opened.
        """
        card = self.card(name)
        folder = self.home.models / card.name
        for relative, fact in card.files.items():
            path = folder / relative
            size = path.stat().st_size if path.is_file() else None
            if size != fact.size:
                state = "is missing" if size is None else f"has {size} bytes instead of {fact.size}"
                raise IntegrityError(f"{path} {state}.", fix=repair(card.name))
        return folder

    def path(self, name: str) -> str:
        """`folder` as text: the `core.protocols.Store` surface."""
        return str(self.folder(name))

    def verify(self, name: str) -> Sequence[str]:
        """Read every file of a model again and list what is wrong; empty means all is as installed."""
        card = self.card(name)
        folder = self.home.models / card.name
        found = cards.describe_folder(folder)
        problems = [f"{relative} is missing" for relative in card.files if relative not in found]
        for relative, fact in found.items():
            expected = card.files.get(relative)
            if expected is None:
                problems.append(f"{relative} does not belong to the model")
            elif fact.size != expected.size:
                problems.append(f"{relative} has {fact.size} bytes instead of {expected.size}")
            elif fact.sha256 != expected.sha256:
                problems.append(f"{relative} has sha256 {fact.sha256} instead of {expected.sha256}")
        return sorted(problems)

    def remove(self, name: str) -> None:
        """Uninstall a model; readers that have it open keep it until they close it. Works on broken ones too."""
        place = self._place(name)
        if not place.exists():
            raise NotFoundError(f"The model {name!r} is not installed.", fix="Run: rightsized models list")
        with self._locked(name):
            gone = Path(tempfile.mkdtemp(prefix=f"{name}@", dir=self._work)) / "removed"
            place.rename(gone)  # at once: a killed removal leaves no half
            shutil.rmtree(gone.parent)

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """An empty folder to build a model in, with the right to install it; a second caller waits for the first.

        Whatever a killed process left in staging is removed; so is this folder at the end.
        """
        check_name(name)
        with self._locked(name), atomic.disk_errors(self._work / name):
            folder = Path(tempfile.mkdtemp(prefix=f"{name}@", dir=self._work))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def install(self, staged: Path, card: Card) -> Card:
        """Write the card into a staged folder and put the folder in place by one rename."""
        atomic.write(staged / cards.CARD_FILE, cards.encode(card))
        staged.chmod(0o755)
        final = self.home.models / check_name(card.name)
        atomic.install_folder(staged, final, aside=self._aside(card.name))
        return card

    def annotate(self, card: Card) -> Card:
        """Replace the card of an installed model by one that says more of the same files.

        Raises:
            IntegrityError: the files it lists are not those that are installed.
        """
        with self._locked(card.name):
            if cards.read(self.home.models / card.name).digest != cards.digest_files(card.files):
                raise IntegrityError(f"The model {card.name!r} was replaced meanwhile; its card stays as it is.")
            atomic.write(self.home.models / card.name / cards.CARD_FILE, cards.encode(card))
        return card

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        self.home.ensure()
        with one_at_a_time(self._work / f"{name}+lock"):
            atomic.restore_folder(self.home.models / name, aside=self._aside(name))
            for stale in self._work.glob(f"{name}@*"):  # "@" and "+" are in no name, so none is another model's
                shutil.rmtree(stale, ignore_errors=True)
            yield

    def _aside(self, name: str) -> Path:
        return self._work / f"{name}+replaced"

    def _place(self, name: str) -> Path:
        place = self.home.models / check_name(name)
        if not place.exists() and self._aside(name).exists():
            with self._locked(name):  # an install was killed, or is between its two renames: wait, then mend
                pass
        return place


def repair(name: str) -> str:
    """The command that mends a damaged model."""
    return f"Run: rightsized models remove {name} && rightsized models pull {name}"
