"""Another encoder for a collection that is in use: a second set of vectors is filled while the first one serves.

The swap is one transaction. Stopped or killed before it, the work done stays, and the next call goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from rightsized.apps.search.index.backend import StoreWriter
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.index.reader import STRETCH
from rightsized.apps.search.sync.embedding import Embedder
from rightsized.apps.search.sync.steps import never
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Encoder, Progress, no_progress

TOGETHER = 16  # contents whose missing vectors are looked up at a time


class ReembedReport(Frozen, frozen=True):
    """`encoded` passages in `seconds`; `swapped` once the new vectors serve."""

    encoded: int
    seconds: float
    swapped: bool


def reembed(
    collection: Collection,
    encoder: Encoder,
    *,
    threads: int = 2,
    swap: bool = True,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> ReembedReport:
    """Fill the vectors of an encoder, then let it serve and delete those of the others; without `swap` fill only.

    The collection must be opened anew with this encoder afterwards: its questions were encoded by the old one.

    Raises:
        HomeLockedError: another process writes to the collection; wait until that has ended.
    """
    began = time.monotonic()
    with collection.writing() as writer, closing(Embedder(encoder, writer, threads)) as embed:
        whole = serve(writer, embed, progress, cancelled) if swap else _fill(writer, embed, progress, cancelled)
        if not (whole and swap):
            return ReembedReport(embed.encoded, time.monotonic() - began, swapped=False)
        with closing(collection.sidecars(writer)) as sidecars:
            sidecars.update()
    collection.refresh()
    return ReembedReport(embed.encoded, time.monotonic() - began, swapped=True)


def serve(writer: StoreWriter, embed: Embedder, progress: Progress, cancelled: Callable[[], bool]) -> bool:
    """Let the vectors of this encoder serve, once every content has them; False where it was stopped before."""
    if not _fill(writer, embed, progress, cancelled):
        return False
    if writer.reader.state().serving != embed.digest:
        writer.serve(embed.number)
    return True


def _fill(writer: StoreWriter, embed: Embedder, progress: Progress, cancelled: Callable[[], bool]) -> bool:
    """Vectors for every content; False where it was stopped."""
    lacking = writer.reader.unembedded(embed.number)
    for at in range(0, len(lacking), TOGETHER):
        for content in lacking[at : at + TOGETHER]:
            passages = writer.reader.passages(content)
            for first in writer.lacking(content, embed.number):
                texts = [passage.indexed for _, passage in passages[first : first + STRETCH]]
                found = embed(texts, cancelled)
                if found is None:
                    return False
                writer.add_vectors(embed.number, [(content, first, *found)])
        progress("embed", min(at + TOGETHER, len(lacking)), len(lacking))
    return True
