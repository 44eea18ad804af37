"""More like this: the passages nearest to a passage or a document, by meaning and by its own frequent words.

The document itself is left out, and so is what says the same: other copies share its passages, near copies its words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.candidates import Query, gather
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.query.folding import Runs, runs, same
from rightsized.apps.search.query.ordering import ordered_by
from rightsized.apps.search.query.results import CANDIDATES
from rightsized.apps.search.query.stems import words_of
from rightsized.apps.search.rank.fusion import Fusion, WeightedFusion
from rightsized.apps.search.types import Filters, Found, Hit
from rightsized.core.errors import NotFoundError

MOST_PASSAGES = 64  # of a document whose vectors are averaged, evenly spread over it
KEY_WORDS = 30
EVERYTHING = Filters()
FUSION = WeightedFusion()


def similar(
    view: View,
    document: str,
    *,
    ordinal: int | None = None,
    filters: Filters = EVERYTHING,
    limit: int = 10,
    fusion: Fusion = FUSION,
) -> tuple[Hit, ...]:
    """The best passage of each of the most similar documents, best first.

    Args:
        document: id of the document that others shall be like.
        ordinal: of one of its passages, where only that counts.
    Raises:
        NotFoundError: the document, or the passage, is not there for this asker.
    """
    own = view.passages(document)
    source = own if ordinal is None else [one for one in own if one.passage.ordinal == ordinal]
    if ordinal is not None and not source:
        raise NotFoundError(f"Document {document!r} has no passage {ordinal}.")
    source = _spread(source)
    clause = _key_words(source)
    query = Query(clause, _mean(view, source), False, filters)
    found = gather(view, query, max(CANDIDATES, len(own) + limit))
    kept = found.candidates.take(np.flatnonzero(~np.isin(found.candidates.rows, [one.row for one in own])))
    best = ordered_by(kept, fusion.scores(kept), found.full)
    copies = [runs(one.passage.text) for one in source]
    hits: dict[str, Hit] = {}
    rows = best.candidates.rows.tolist()
    for start in range(0, len(rows), 2 * limit):
        position = {row: at for at, row in enumerate(rows[start : start + 2 * limit], start)}
        for one in view.found(list(position), filters):
            if one.document.id not in hits and not _copy(one, copies):
                at = position[one.row]
                hits[one.document.id] = Hit(one, float(best.scores[at]), best.parts(at))
        if len(hits) >= limit:
            break
    return tuple(list(hits.values())[:limit])


def ordinal_at(view: View, document: str, start: int) -> int:
    """The passage of a document that holds a character, or the last one before it. Raises NotFoundError."""
    before = [one.passage.ordinal for one in view.passages(document) if one.passage.start <= start]
    if not before:
        raise NotFoundError(f"Document {document!r} has no passage at character {start}.")
    return before[-1]


def _spread(some: Sequence[Found]) -> list[Found]:
    step = max(1, -(-len(some) // MOST_PASSAGES))
    return list(some[::step])


def _key_words(some: Sequence[Found]) -> Terms | None:
    """The words that stand in it most often; how rare they are elsewhere is for BM25 to weigh."""
    counts = Counter(word for one in some for word in words_of(one.passage.text))
    words = [word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], -len(pair[0]), pair[0]))]
    return Terms(" ".join(words[:KEY_WORDS])) if words else None


def _mean(view: View, some: Sequence[Found]) -> NDArray[np.float32] | None:
    """The unit vector in the middle of those of the passages; None where there are none."""
    if not some or not view.encoder:
        return None
    try:
        total = view.vectors([one.row for one in some]).sum(axis=0)
    except NotFoundError:  # not embedded yet, or hidden a moment ago
        return None
    length = float(np.linalg.norm(total))
    return (total / length).astype(np.float32) if length > 0 else None


def _copy(found: Found, copies: Sequence[Runs]) -> bool:
    own = runs(found.passage.text)
    return any(same(own, one) for one in copies)
