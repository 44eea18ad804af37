"""Reference texts: a few texts with the scores they had when the certificate was made, scored again at every load.

A score that moved means that something the promise depends on has changed, whatever the digests say.
"""

from __future__ import annotations

import hashlib

import msgspec

from rightsized.core.errors import DataError
from rightsized.core.types import Frozen

REFERENCE_TEXTS = 64
TOLERANCE = 1e-4  # largest change of a score that is put down to the arithmetic of another build of the same model


class Reference(Frozen, frozen=True):
    """Texts and what every rung scored them; `scores[i][k]` is rung k's score of text i."""

    texts: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]

    @property
    def digest(self) -> str:
        """`sha256:...`, to stand among the certificate's digests."""
        return "sha256:" + hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def why_drifted(
    reference: Reference, rescored: tuple[tuple[float, ...], ...], thresholds: tuple[float | None, ...]
) -> str:
    """Why the scores are not those of the certificate, in words; empty where they are.

    A change within TOLERANCE passes unless it carries a text across its threshold.
    Raises:
        DataError: the number of texts or rungs differs.
    """
    if len(rescored) != len(reference.texts) or any(len(row) != len(thresholds) for row in rescored):
        raise DataError(
            f"{len(rescored)} texts were scored again, of {len(reference.texts)}, or some rungs are missing."
        )
    for number, (before, after) in enumerate(zip(reference.scores, rescored, strict=True)):
        for rung, (old, new, threshold) in enumerate(zip(before, after, thresholds, strict=True)):
            flipped = threshold is not None and (old >= threshold) != (new >= threshold)
            if flipped or not abs(old - new) <= TOLERANCE:
                return f"rung {rung} scores reference text {number} at {new:.6f}; the certificate was made at {old:.6f}"
    return ""
