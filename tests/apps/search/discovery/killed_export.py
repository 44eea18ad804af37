"""Run as a program: exports a set into out-0, out-1, ... of a folder, until it is killed.

    python killed_export.py HOME FOLDER

HOME has the collection that `test_production` makes, with a set `steel`. Prints `ready` before it writes, and a line an
export.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from discovery_samples import ANNA, papers, parse

from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.exporting import export
from rightsized.apps.search.discovery.producing import planned
from rightsized.apps.search.discovery.relations.related import Related
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.index.collection import open_collection
from rightsized.engines.fake import FakeEncoder


def main() -> None:
    home, folder = map(Path, sys.argv[1:])
    collection = open_collection(home, "docs", FakeEncoder(dimension=16))
    collection.originals.attach(papers(), parse)
    store = ReviewStore(collection.folder)
    cache = FeatureCache(collection.folder, collection.encoder.digest, collection.encoder.dimension)
    print("ready", flush=True)
    for number in itertools.count():
        review = Review(store, collection.view(ANNA.principals), "steel", ANNA)
        export(review, planned(review, Related(review, cache)), folder / f"out-{number}")
        print(number, flush=True)


if __name__ == "__main__":
    main()
