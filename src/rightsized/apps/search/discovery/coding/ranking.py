"""Ranks the documents of a set by what a model learned from those that were tagged.

The features of CHUNK documents are in memory at once, and those of at most MOST_LEARNED for the fit. Equal tags, seed
and documents give equal scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.discovery.coding.cache import FeatureCache
from rightsized.apps.search.discovery.coding.matrix import Floats, Rareness, rows
from rightsized.apps.search.discovery.coding.model import Model, fit
from rightsized.apps.search.discovery.coding.terms import Terms, joined

PRESUMED = 100  # unread documents that a fit takes for not responsive (AutoTAR): most of them are not
MOST_LEARNED = 10_000  # documents of one fit: the responsive ones and a random rest


class Example(NamedTuple):
    """A document that is none of the set: what is looked for, in words, with its vector float32 (dimension,)."""

    terms: Terms
    vector: NDArray[np.float32]


def scores(
    cache: FeatureCache, decided: Mapping[str, bool], unread: Sequence[str], seed: int, example: Example | None = None
) -> dict[str, float] | None:
    """Log-odds by content of what is unread; None where nothing was found yet that a model could learn from.

    Args:
        decided: contents that were read, and whether they are responsive.
        unread: the other contents.
        seed: chooses what is presumed not to be responsive.
        example: counts as one more responsive document.
    """
    read, rest = sorted(decided), sorted(unread)
    if example is None and not any(decided.values()):
        return None
    draw = np.random.default_rng([seed, len(read)])
    presumed = {rest[at] for at in draw.permutation(len(rest))[:PRESUMED]}
    learned = _some(read, decided, draw)
    rareness, held = Rareness(), dict[str, tuple[Terms, NDArray[np.float32]]]()
    for part in cache.parts([*read, *rest]):
        rareness.add(part.terms.columns, len(part.contents))
        for at, content in enumerate(part.contents):
            if content in learned or content in presumed:
                held[content] = (part.terms.of(at), part.vectors[at])
    weights = rareness.weights()
    model = _fitted(held, {one: decided.get(one, False) for one in held}, weights, example)
    if model is None:
        return None
    found: dict[str, float] = {}
    for part in cache.parts(rest):
        values = model.scores(rows(part.terms, part.vectors, weights))
        found.update(zip(part.contents, values.tolist(), strict=True))
    return found


def _some(read: Sequence[str], decided: Mapping[str, bool], draw: np.random.Generator) -> set[str]:
    """What is learned from: everything, or of too much the responsive ones first."""
    order = draw.permutation(len(read))
    kept = sorted(order.tolist(), key=lambda at: not decided[read[at]])[:MOST_LEARNED]
    return {read[at] for at in kept}


def _fitted(
    held: Mapping[str, tuple[Terms, NDArray[np.float32]]],
    responsive: Mapping[str, bool],
    weights: Floats,
    example: Example | None,
) -> Model | None:
    names = sorted(held)
    learned = [held[one] for one in names] + ([(example.terms, example.vector)] if example else [])
    targets = np.array([*(responsive[one] for one in names), *([True] if example else [])])
    if not targets.any() or targets.all():
        return None
    words, vectors = joined([one for one, _ in learned]), np.stack([vector for _, vector in learned])
    return fit(rows(words, vectors, weights), targets)
