"""Vectors of an encoder with a linear map behind it, made from stored vectors of the one without: nothing is encoded.

They are rounded to 8 bits before the map and after it, which is good enough to judge by; what serves in the end is
encoded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.index.kernels import quantised, restored
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.tune.projection import applied

TOGETHER = 100  # contents whose vectors are mapped in one transaction


def fill_mapped(
    collection: Collection,
    plain: Encoder,
    mapped: Encoder,
    matrix: NDArray[np.float32],
    progress: Progress = no_progress,
) -> None:
    """Give a collection the vectors of `mapped` beside those of `plain`, which it has. Raises HomeLockedError."""
    with collection.writing() as writer:
        number = writer.encoder(mapped.digest, mapped.dimension)
        contents = writer.reader.changed(-1)
        for at in range(0, len(contents), TOGETHER):
            stretches = [
                (one.content, one.ordinal, *quantised(applied(restored(one.vectors, one.scales), matrix)))
                for one in writer.reader.vectors(plain.digest, contents[at : at + TOGETHER])
            ]
            writer.add_vectors(number, stretches)
            progress("Mapping vectors", min(at + TOGETHER, len(contents)), len(contents))
