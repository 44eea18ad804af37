"""The next documents for a reviewer: those they have still, those a sample wants, the likely ones, a random share."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from rightsized.apps.search.discovery.coding.batches import Batches, Lent, Pick
from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.coding.ranking import Example, scores
from rightsized.apps.search.discovery.review import Review
from rightsized.apps.search.discovery.stopping.samples import Samples
from rightsized.core.errors import InputError
from rightsized.core.protocols import Progress, no_progress

RANDOM_SHARE = 0.1  # of a batch: finds what is unlike all that was found
LENT_SECONDS = 8 * 3600.0  # a day's work
MOST = 1000  # documents of a batch


def next_batch(
    review: Review,
    cache: FeatureCache,
    count: int,
    *,
    example: Example | None = None,
    seconds: float = LENT_SECONDS,
    progress: Progress = no_progress,
) -> list[str]:
    """Lend documents to the asker; those that they have and have not decided on come first, and count.

    They stand in random order, without scores: whoever knows what is expected finds it. Raises InputError.
    """
    if not 1 <= count <= MOST:
        raise InputError(f"A batch has 1 to {MOST:,} documents, not {count:,}.")
    batches, tagged = Batches(review.store, review.set), review.store.last_tagging(review.set)
    waiting = Samples(review).waiting()
    ranked = [] if len(waiting) >= count else _ranked(review, cache, seed(review), example, progress)
    chooser = _Chooser(review, count, waiting, ranked, seed(review))

    def choose(lent: Mapping[str, Lent]) -> Sequence[Pick]:
        return chooser.choose(lent, batches.count())

    new = batches.lend(review.asker, choose, seconds=seconds, seed=chooser.seed, tagged=tagged)
    return [*chooser.kept, *(pick.document for pick in new)]


def seed(review: Review) -> int:
    """A number of the set alone, from which all that is drawn for its batches follows."""
    return int.from_bytes(hashlib.sha256(f"{review.set.number} {review.set.name}".encode()).digest()[:6])


class _Chooser:
    """Picks, once it is known what is lent to whom."""

    def __init__(self, review: Review, count: int, waiting: Sequence[str], ranked: Sequence[Pick], seed: int) -> None:
        self._review, self._count, self._waiting, self._ranked, self.seed = review, count, waiting, ranked, seed
        self.kept: list[str] = []

    def choose(self, lent: Mapping[str, Lent], number: int) -> list[Pick]:
        decided, who = self._review.decided(), self._review.asker.reviewer  # others may have tagged since
        mine = [one for one, have in lent.items() if have.by == who and one in self._review.documents]
        self.kept = [one for one in mine if one not in decided][: self._count]
        free = self._count - len(self.kept)
        wanted = [Pick(one, "sample") for one in self._waiting if one not in lent and one not in decided][:free]
        taken = {*lent, *decided, *self._waiting}
        ranked = [pick for pick in self._ranked if pick.document not in taken]
        draw = np.random.default_rng([self.seed, number])
        left = free - len(wanted)
        random = min(math.ceil(left * RANDOM_SHARE), max(len(ranked) - 1, 0))
        likely, rest = ranked[: left - random], ranked[left - random :]
        some = [rest[at]._replace(why="random") for at in draw.permutation(len(rest))[:random]]
        picks = [*wanted, *likely, *some]
        return [picks[at] for at in draw.permutation(len(picks))]


def _ranked(review: Review, cache: FeatureCache, seed: int, example: Example | None, progress: Progress) -> list[Pick]:
    """Documents without a decision, the likeliest first; in random order where nothing can be learned from."""
    decided, contents = review.decided(), dict[str, str]()
    known: dict[str, bool] = {}
    for one, content in review.documents.contents.items():
        contents.setdefault(content, one)
        if one in decided:
            known[content] = known.get(content, False) or decided[one]
    cache.fill(review.view, contents, progress)
    found = scores(cache, known, [one for one in contents if one not in known], seed, example)
    unread = sorted(one for one in review.documents if one not in decided)
    order = np.random.default_rng([seed, len(decided)]).permutation(len(unread))
    picks = []
    for at in order:
        document = unread[at]
        content = review.documents.contents[document]
        if content in known:  # a copy of what was read
            picks.append(Pick(document, "likely", math.inf if known[content] else -math.inf))
        elif found is None:
            picks.append(Pick(document, "random"))
        else:
            picks.append(Pick(document, "likely", found.get(content, -math.inf)))
    return sorted(picks, key=lambda pick: -(pick.score if pick.score is not None else 0.0))
