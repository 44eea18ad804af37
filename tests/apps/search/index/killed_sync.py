"""Run as a program: syncs a folder of text files into a collection, again and again, until it is killed.

    python killed_sync.py HOME FOLDER JOURNAL

Each text that goes through the encoder is noted in JOURNAL, a line each. Prints `ready` when it is about to sync.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from index_samples import STEPS

sys.path.insert(0, str(Path(__file__).parents[4]))
from benchmarks.search_crash import Folder
from rightsized.apps.search.index.collection import open_collection
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Limits
from rightsized.core.protocols import Encoded
from rightsized.engines.fake import FakeEncoder


class NotedEncoder(FakeEncoder):
    """Appends what it encodes to a journal."""

    def __init__(self, journal: Path) -> None:
        super().__init__(dimension=16)
        self._journal = journal.open("a", buffering=1)

    def encode_now(self, text: str) -> Encoded:
        self._journal.write(hashlib.sha256(text.encode()).hexdigest() + "\n")
        return super().encode_now(text)


def main() -> None:
    home, folder, journal = map(Path, sys.argv[1:])
    encoder = NotedEncoder(journal)
    collection = open_collection(home, "docs", encoder, create=True)
    print("ready", flush=True)
    print(sync(collection, Folder(folder), STEPS, limits=Limits(batch=12)), flush=True)
    collection.close()


if __name__ == "__main__":
    main()
