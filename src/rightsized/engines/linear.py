"""Linear models from plain arrays: the n-gram model and the head on an encoder's vector.

Features are extracted here and nowhere else: fitting imports this file, so training and serving cannot differ.
Scoring multiplies and adds row by row in a fixed order (no BLAS), one text at a time, so a score depends on the
text alone and not on threads, batch or neighbours. What the scores mean (probabilities, confidence) is decided in
`classifier`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import IntegrityError
from rightsized.core.types import Frozen
from rightsized.engines.landmarks import Landmarks, kernel, nearest

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[np.generic]]

WORD_MARK = "\t"  # sets word features apart from character features; normalised text holds no tab
BATCHED_ROWS = 2048  # rows of weights multiplied at once; bounds the memory a long text takes


class NgramSpec(Frozen, frozen=True):
    """Which features a text has: character n-grams inside words, and runs of words. Sizes count characters, words."""

    char_sizes: tuple[int, ...] = (3, 4)
    word_sizes: tuple[int, ...] = (1, 2)
    max_chars: int = 20_000  # characters read of a text; the rest is cut and reported


class FeatureSpace(Protocol):
    """What `weigh` needs to know: the row of each n-gram and its inverse document frequency."""

    @property
    def index(self) -> Mapping[str, int]: ...

    @property
    def idf(self) -> Floats: ...


class Margins(NamedTuple):
    """Raw scores, float32 (labels,); the share of the text's n-grams never seen in training; whether text was cut."""

    values: Floats
    unknown: float
    truncated: bool


def words_of(text: str, spec: NgramSpec) -> list[str]:
    """The words of a text as the n-gram model sees them: lower case, split at white space, at most `max_chars`."""
    return text[: spec.max_chars].lower().split()


def grams(text: str, spec: NgramSpec) -> list[str]:
    """All n-grams of a text, repeats kept.

    >>> grams("To be", NgramSpec(char_sizes=(3,), word_sizes=(2,)))
    [' to', 'to ', ' be', 'be ', '\\tto be']
    """
    words = words_of(text, spec)
    found: list[str] = []
    for word in words:
        padded = f" {word} "
        length = len(padded)
        for size in spec.char_sizes:
            if size > length:
                break
            found += [padded[start : start + size] for start in range(length - size + 1)]
    for size in spec.word_sizes:
        if size == 1:
            found += [WORD_MARK + word for word in words]
        else:
            found += [WORD_MARK + " ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
    return found


def weigh(text: str, space: FeatureSpace, spec: NgramSpec) -> tuple[NDArray[np.intp], Floats, float]:
    """Sublinear tf-idf of a text, as a unit vector over the known n-grams.

    Args:
        text: any text; empty gives no features.
        space: row and idf of every known n-gram.
        spec: which n-grams to take.
    Returns:
        rows (m,), their weights float32 (m,) of unit Euclidean length, and the share of n-grams that are unknown.
    """
    all_grams = grams(text, spec)
    counts = Counter(map(space.index.get, all_grams))
    known = len(all_grams) - counts.pop(None, 0)
    unknown = 1.0 - known / len(all_grams) if all_grams else 1.0
    rows = np.fromiter(counts.keys(), dtype=np.intp, count=len(counts))
    weights = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
    weights = (np.log(weights) + np.float32(1.0)) * space.idf[rows]
    norm = np.sqrt(np.add.reduce(weights * weights))
    return rows, weights / norm if norm > 0 else weights, unknown


class NgramModel:
    """Linear model over character and word n-grams; weights are int8 with one scale a feature.

    Args:
        vocabulary: n-grams; position is the row.
        idf: float32 (features,).
        weights: int8 (features, labels).
        scales: float32 (features,); a weight is `weights[f, l] * scales[f]`.
        bias: float32 (labels,).
    """

    def __init__(
        self,
        vocabulary: list[str],
        idf: Floats,
        weights: NDArray[np.int8],
        scales: Floats,
        bias: Floats,
        spec: NgramSpec,
    ) -> None:
        if not len(vocabulary) == len(idf) == len(weights) == len(scales) or weights.shape[1:] != bias.shape:
            raise IntegrityError("The n-gram model's arrays do not fit together.")
        self.index = {gram: row for row, gram in enumerate(vocabulary)}
        self.idf, self.weights, self.scales, self.bias, self.spec = idf, weights, scales, bias, spec

    @classmethod
    def quantised(
        cls, vocabulary: list[str], idf: Floats, coefficients: Floats, bias: Floats, spec: NgramSpec
    ) -> NgramModel:
        """Build from float coefficients (features, labels): each feature's row is scaled to int8."""
        largest = np.abs(coefficients).max(axis=1, initial=0.0).astype(np.float32)
        scales = np.where(largest > 0, largest / 127.0, 1.0).astype(np.float32)
        weights = np.rint(coefficients / scales[:, None]).astype(np.int8)
        return cls(vocabulary, idf, weights, scales, bias.astype(np.float32), spec)

    def margins(self, text: str) -> Margins:
        """Raw scores of one text."""
        rows, weights, unknown = weigh(text, self, self.spec)
        factors = weights * self.scales[rows]
        values = self.bias.copy()
        for start in range(0, len(rows), BATCHED_ROWS):
            part = slice(start, start + BATCHED_ROWS)
            values += np.add.reduce(self.weights[rows[part]] * factors[part, None], axis=0)
        return Margins(values, unknown, len(text) > self.spec.max_chars)

    def to_arrays(self) -> Arrays:
        """Everything but the spec, as arrays for a safetensors file."""
        joined = np.frombuffer("\n".join(self.index).encode(), dtype=np.uint8)
        return {
            "ngram.vocabulary": joined,
            "ngram.idf": self.idf,
            "ngram.weights": self.weights,
            "ngram.scales": self.scales,
            "ngram.bias": self.bias,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, spec: NgramSpec) -> NgramModel:
        """The inverse of `to_arrays`. Raises IntegrityError where an array is absent or does not fit."""
        try:
            vocabulary = arrays["ngram.vocabulary"].tobytes().decode().split("\n")
            weights = arrays["ngram.weights"].astype(np.int8, copy=False)
            idf, scales, bias = (_floats(arrays[f"ngram.{name}"]) for name in ("idf", "scales", "bias"))
        except (KeyError, UnicodeDecodeError) as error:
            raise IntegrityError(f"The n-gram model is incomplete: {error}.") from None
        return cls(vocabulary, idf, weights, scales, bias, spec)


class LinearHead:
    """A linear map from features of a vector to one logit a label.

    The features are the vector itself, and its kernel features where there are weights for them.

    Args:
        weights: float32 (labels, dimension) or (labels, dimension + landmarks).
        bias: float32 (labels,).
        landmarks: int16 (n, dimension); used for the nearest cosine even where the weights leave the kernel out.
    """

    def __init__(self, weights: Floats, bias: Floats, landmarks: Landmarks) -> None:
        dimension = landmarks.vectors.shape[1]
        widths = (dimension, dimension + len(landmarks))
        if weights.ndim != 2 or bias.shape != weights.shape[:1] or weights.shape[1] not in widths:
            raise IntegrityError(
                f"A head of shape {weights.shape} does not fit a bias of shape {bias.shape} "
                f"and {len(landmarks)} landmarks of {dimension} numbers."
            )
        self.weights, self.bias, self.landmarks, self.dimension = weights, bias, landmarks, dimension
        self.uses_kernel = weights.shape[1] > dimension
        self._columns = np.ascontiguousarray(weights.T)  # (features, labels): added up feature by feature

    def features(self, vector: Floats) -> tuple[Floats, float]:
        """What the weights multiply, float32 (features,), and the mean cosine to the nearest landmarks."""
        cosines = self.landmarks.cosines(vector)
        features = np.concatenate([vector, kernel(cosines)]) if self.uses_kernel else vector
        return features, nearest(cosines)

    def logits(self, vector: Floats) -> tuple[Floats, float]:
        """Logits float32 (labels,) of one vector float32 (dimension,), and its cosine to the nearest landmarks."""
        features, cosine = self.features(vector)
        # Adds in one fixed order and never calls BLAS, whose order may depend on its threads.
        logits: Floats = np.einsum("f,fl->l", features, self._columns) + self.bias
        return logits, cosine

    def to_arrays(self) -> Arrays:
        """Weights, bias and landmarks, as arrays for a safetensors file."""
        return {"head.weights": self.weights, "head.bias": self.bias, "head.landmarks": self.landmarks.vectors}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> LinearHead:
        """The inverse of `to_arrays`. Raises IntegrityError where an array is absent or does not fit."""
        try:
            landmarks = Landmarks(arrays["head.landmarks"].astype(np.int16, copy=False))
            return cls(_floats(arrays["head.weights"]), _floats(arrays["head.bias"]), landmarks)
        except KeyError as error:
            raise IntegrityError(f"The head is incomplete: {error}.") from None


def _floats(array: NDArray[np.generic]) -> Floats:
    return array.astype(np.float32, copy=False)
