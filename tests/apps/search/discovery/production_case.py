"""A set that has been reviewed and is about to be produced, for tests of productions."""

from __future__ import annotations

import asyncio
from pathlib import Path

from discovery_samples import ANNA, collected, papers

from rightsized.apps.search.discovery import layout
from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.exporting import export
from rightsized.apps.search.discovery.loadfile import Row, read_dat
from rightsized.apps.search.discovery.producing import Plan, planned
from rightsized.apps.search.discovery.records import Asker, Criterion
from rightsized.apps.search.discovery.relations.related import Related
from rightsized.apps.search.discovery.review import Review, gathered
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.index.collection import Collection

ROOT = Asker("root", (*ANNA.principals, "user:bo"))


class Case:
    """A set of everything about steel, reviewed: the advice is privileged in one of its two copies."""

    def __init__(self, home: Path, asker: Asker = ROOT) -> None:
        self.source = papers()
        self.collection: Collection = collected(home, self.source)
        self.store = ReviewStore(self.collection.folder)
        self.asker = asker
        dimension = self.collection.encoder.dimension
        self.cache = FeatureCache(self.collection.folder, self.collection.encoder.digest, dimension)
        view = self.collection.view(asker.principals)
        found = asyncio.run(gathered(view, [Criterion("terms", "steel")], self.collection.encoder, True))
        self.store.create("steel", asker, "", found)
        self.review = self.open()
        for document in self.review.documents:
            self.review.tag([document], ["responsive", "hot"])

    def open(self) -> Review:
        return Review(self.store, self.collection.view(self.asker.principals), "steel", self.asker)

    def planned(self, **options: str) -> Plan:
        return planned(self.review, Related(self.review, self.cache), **options)  # type: ignore[arg-type]

    def privileged(self, *names: str) -> None:
        self.review.tag(names, ["privileged"], note="advice of counsel")

    def export(self, folder: Path, **options: object) -> list[Row]:
        export(self.review, self.planned(), folder, **options)  # type: ignore[arg-type]
        return rows(folder)

    def close(self) -> None:
        self.cache.close()
        self.store.close()
        self.collection.close()


def rows(folder: Path) -> list[Row]:
    return read_dat((folder / layout.THEIRS / layout.DAT).read_bytes())[1]


def handed_over(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted((folder / layout.THEIRS).rglob("*")) if path.is_file())
