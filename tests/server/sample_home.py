"""A home with a few of the sample documents in a collection `company`, under the samples' own rules of access."""

from __future__ import annotations

import shutil
from pathlib import Path

from test_search_api import Counting

from rightsized import data
from rightsized.apps.search.collections import Collections
from rightsized.core.egress import Egress
from rightsized.store.home import Home

FILES = ("policies/annual-leave.pdf", "policies/remote-work.html", "hr/salary-bands-2026.xlsx")


def sample_home(root: Path) -> Path:
    """The home's folder, below `root`."""
    samples = data.folder("documents")
    for name in FILES:
        (root / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / name, root / "documents" / name)
    Path(shutil.copy(samples / ".rightsized-access.toml", root / "documents")).chmod(0o644)
    home = Home(root / "home").ensure()
    collections = Collections(home, Counting)
    collections.take_in("company", [str(root / "documents")], Egress.at(str(home.path), ()))
    collections.close()
    return home.path
