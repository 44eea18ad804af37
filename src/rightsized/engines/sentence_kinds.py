"""Reads the sentences of a conversation: request, commitment, fact or none of these, and which ones matter.

Two small linear models behind an n-gram model: words, place and signs of speech acts say the kind; kind, place and what
stands around it say whether a summary must hold it, whether somebody still has to act on it, and whether it complains.
What is looked at is in `sentence_features`. No encoder: a sentence is read in well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.engines.ngrams import NgramModel, NgramSpec
from rightsized.engines.sentence_features import Placed as Placed
from rightsized.engines.sentence_features import kind_features, place_features, role_features

CARD, WEIGHTS = "sentences.json", "sentences.safetensors"
KINDS = ("request", "commitment", "fact", "other")
ROLES = ("key", "action", "complaint")
NGRAMS = "ngrams."  # prefix of the n-gram model's arrays
Floats = NDArray[np.float64]


class Scores(NamedTuple):
    """Probabilities of the kinds, which sum to 1, and of the roles: a summary must hold it; somebody still has to act
    on it; it says what is wrong."""

    request: float
    commitment: float
    fact: float
    other: float
    key: float
    action: float
    complaint: float = 0.0


class Bars(Frozen, frozen=True):
    """Probabilities from which on something is said, as chosen with the fit.

    `key`: a third sentence of a summary; `action`: somebody has to act; `complaint`: it says what is wrong.
    """

    key: float = 0.25
    action: float = 0.1
    complaint: float = 0.5


class Strengths(Frozen, frozen=True):
    """Settings of the fit: inverse penalties of words, kinds and roles, and how far rare kinds are weighed up (0 to
    1)."""

    words: float = 0.3
    kinds: float = 0.3
    roles: float = 0.3
    rare: float = 0.5


class SentenceCard(Frozen, frozen=True):
    """What is known of the model. `digest`: `sha256:...` of the weights. `sources`: what it was fitted on."""

    spec: NgramSpec
    sources: tuple[str, ...]
    strengths: Strengths = Strengths()
    bars: Bars = Bars()
    digest: str = ""


class SentenceModel:
    """The model.

    Args:
        ngrams: margins of KINDS.
        arrays: `kind_weights` float (features, 4), `kind_bias` (4,), `role_weights` (features, 3), `role_bias` (3,).
    """

    def __init__(self, ngrams: NgramModel, arrays: dict[str, NDArray[np.float32]], card: SentenceCard) -> None:
        self.ngrams, self.arrays, self.card = ngrams, arrays, card
        self._kind = arrays["kind_weights"].astype(np.float64), arrays["kind_bias"].astype(np.float64)
        self._role = arrays["role_weights"].astype(np.float64), arrays["role_bias"].astype(np.float64)

    @property
    def bars(self) -> Bars:
        return self.card.bars

    def read(self, conversation: Sequence[Placed]) -> list[Scores]:
        """Scores of every sentence of one conversation, in its order."""
        if not conversation:
            return []
        margins = np.array([self.ngrams.margins(one.text).values for one in conversation], np.float64)
        placed = place_features(conversation)
        kinds = softmax(kind_features(margins, placed) @ self._kind[0] + self._kind[1])
        roles = 1.0 / (1.0 + np.exp(-(role_features(kinds, placed, conversation) @ self._role[0] + self._role[1])))
        return [Scores(*map(float, kind), *map(float, role)) for kind, role in zip(kinds, roles, strict=True)]

    @classmethod
    def open(cls, folder: Path) -> SentenceModel:
        """Read the model. Raises IntegrityError where a file is absent or is not what the card says."""
        from hashlib import sha256

        try:
            card = msgspec.json.decode((folder / CARD).read_bytes(), type=SentenceCard)
            raw = (folder / WEIGHTS).read_bytes()
            if f"sha256:{sha256(raw).hexdigest()}" != card.digest:
                raise IntegrityError(f"{folder / WEIGHTS} is not the file that {CARD} describes.")
            arrays = load(raw)
            words = {name.removeprefix(NGRAMS): array for name, array in arrays.items() if name.startswith(NGRAMS)}
            return cls(NgramModel.from_arrays(words, card.spec), arrays, card)
        except (OSError, msgspec.DecodeError, SafetensorError, KeyError) as error:
            raise IntegrityError(f"The model in {folder} cannot be read: {error}.") from None


def softmax(margins: Floats) -> Floats:
    """Rows that sum to 1, float64 (n, k)."""
    raised = np.exp(margins - margins.max(axis=1, keepdims=True))
    found: Floats = raised / raised.sum(axis=1, keepdims=True)
    return found
