"""A score of how much a text looks like instructions smuggled in: n-grams of short windows, the highest counts.

A soft signal. It knows phrasings (overriding, leaking, playing a part, commands about "your answer"), not intentions: a
plain task in a document reads like a plain task, and an attack in other words, in pictures or encoded is missed. Its
misses and errors are in benchmarks/results/injection.json.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load

from rightsized.core.errors import IntegrityError
from rightsized.core.types import Frozen
from rightsized.engines.ngrams import NgramModel, NgramSpec

CARD, WEIGHTS = "injection.json", "injection.safetensors"
SENTENCES = (1, 2)  # of a window
WORDS, STRIDE = 60, 30  # of a window where sentences do not end
_END = re.compile(r"(?<=[.!?。！？])\s+|\n{2,}")


class InjectionCard(Frozen, frozen=True):
    """What is known of the model.

    Args:
        slope: with `offset`, from a margin to the score: 1 / (1 + exp(-(slope margin + offset))).
        threshold: score from which a text counts as suspicious.
        sources: what it was fitted on, with licences and attribution.
        digest: `sha256:...` of the weights.
    """

    spec: NgramSpec
    slope: float
    offset: float
    threshold: float
    sources: tuple[str, ...]
    digest: str = ""


class InjectionModel:
    """The model and its card."""

    def __init__(self, model: NgramModel, card: InjectionCard) -> None:
        self._model, self.card = model, card

    def margin(self, text: str) -> float:
        """The highest raw margin of the text's windows; minus infinity for a text without words."""
        return max((float(self._model.margins(part).values[0]) for part in windows(shown(text))), default=-math.inf)

    def score(self, text: str) -> float:
        """In [0, 1]; not a probability: how often attacks come depends on where texts come from."""
        return squashed(self.card.slope * self.margin(text) + self.card.offset)

    @classmethod
    def open(cls, folder: Path) -> InjectionModel:
        """Read the model. Raises IntegrityError where a file is absent or is not what the card says."""
        from hashlib import sha256

        try:
            card = msgspec.json.decode((folder / CARD).read_bytes(), type=InjectionCard)
            raw = (folder / WEIGHTS).read_bytes()
            if f"sha256:{sha256(raw).hexdigest()}" != card.digest:
                raise IntegrityError(f"{folder / WEIGHTS} is not the file that {CARD} describes.")
            return cls(NgramModel.from_arrays(load(raw), card.spec), card)
        except (OSError, msgspec.DecodeError, SafetensorError) as error:
            raise IntegrityError(f"The model in {folder} cannot be read: {error}.") from None


def shown(text: str) -> str:
    """Text as a reader sees it: compatibility forms made one, nothing invisible.

    >>> shown("ig\u200bnore \uff41ll")
    'ignore all'
    """
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")


def squashed(value: float) -> float:
    """The logistic function.

    >>> squashed(0.0), squashed(-math.inf), squashed(800.0)
    (0.5, 0.0, 1.0)
    """
    return 1.0 / (1.0 + math.exp(-value)) if value > -700.0 else 0.0


def windows(text: str) -> Iterator[str]:
    """Parts of a text that overlap: each sentence and each two in a row; long ones by words. Nothing is left out.

    >>> list(windows("One. Two. Three."))
    ['One.', 'Two.', 'Three.', 'One. Two.', 'Two. Three.']
    """
    sentences = [part for part in _END.split(text) if part.strip()]
    for many in SENTENCES[: len(sentences)]:
        for start in range(len(sentences) - many + 1):
            words = " ".join(sentences[start : start + many]).split(" ")
            for first in range(0, max(1, len(words) - STRIDE), STRIDE):
                part = " ".join(words[first : first + WORDS])
                if part.strip():
                    yield part
