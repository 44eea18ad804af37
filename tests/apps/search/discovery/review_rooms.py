"""A set of many short papers, some of them about pumps, and who knows which: for tests of predictive coding."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from discovery_samples import ANNA, Papers, collected

from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.records import Asker, Criterion
from rightsized.apps.search.discovery.review import Review, gathered
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.sync.run import sync

PUMPS = ["pump", "valve", "seal", "leak", "pressure", "rotor", "bearing", "flow"]
OTHERS = [
    "lease", "rent", "tenant", "invoice", "salary", "holiday", "canteen", "parking", "contract", "supplier", "audit",
    "budget", "travel",
]  # fmt: skip


class Room:
    """A collection with the set `pumps` of everything, and who reviews it."""

    def __init__(self, home: Path, papers: int = 120, about: int = 15, seed: int = 1) -> None:
        draw, self.source = random.Random(seed), Papers()
        self.about = {f"p{at:04d}.txt" for at in draw.sample(range(papers), about)}
        for at in range(papers):
            key = f"p{at:04d}.txt"
            words = draw.choices(OTHERS, k=12) + (draw.choices(PUMPS, k=5) if key in self.about else [])
            draw.shuffle(words)
            self.source.put(key, f"Paper {at}\n\nThe {' '.join(words)}.")
        self.collection = collected(home, self.source)
        self.store = ReviewStore(self.collection.folder)
        view = self.collection.view(ANNA.principals)
        found = asyncio.run(gathered(view, [Criterion("filter")], None, False))
        self.store.create("pumps", ANNA, "", found)
        self.cache = FeatureCache(self.collection.folder, view.encoder, self.collection.encoder.dimension)

    def review(self, asker: Asker = ANNA) -> Review:
        return Review(self.store, self.collection.view(asker.principals), "pumps", asker)

    def is_about(self, review: Review, document: str) -> bool:
        return review.documents[document].key in self.about

    def read(self, review: Review, documents: list[str]) -> int:
        """Tag documents by what they are about; returns how many are responsive."""
        for one in documents:
            review.tag([one], ["responsive" if self.is_about(review, one) else "not-responsive"])
        return sum(self.is_about(review, one) for one in documents)

    def sync(self) -> None:
        from discovery_samples import STEPS

        sync(self.collection, self.source, STEPS)
        self.collection.refresh()

    def close(self) -> None:
        self.cache.close()
        self.store.close()
        self.collection.close()
