"""The score that is explained: log-odds of one label at one rung, in the arithmetic that serves.

One sequence a call; several threads share the encoder's one session. Runs models through `engines` only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import NotFoundError
from rightsized.core.protocols import Encoder
from rightsized.engines.classifier import Classifier
from rightsized.engines.readout import Raw
from rightsized.explain.game import Score

FLOOR = 1e-9  # nearest a probability may come to 0 or 1: log-odds stay within 21, and differences stay visible


def label_probability(classifier: Classifier, label: str, encoder: Encoder | None, threads: int = 1) -> Score:
    """A function of texts to the probability of `label`: float64 (n,).

    Args:
        classifier: the fitted models.
        label: one of its labels.
        encoder: explains the encoder rung; None explains the n-gram rung.
        threads: texts scored at a time.
    Raises:
        NotFoundError: the classifier has no such label.
    """
    if label not in classifier.labels:
        raise NotFoundError(f"The classifier has no label {label!r}.", fix=f"It has: {', '.join(classifier.labels)}.")
    index = classifier.labels.index(label)
    one = _by_ngrams(classifier, index) if encoder is None else _by_encoder(classifier, index, encoder)

    def score(texts: Sequence[str]) -> NDArray[np.float64]:
        if threads < 2 or len(texts) < 2:
            return np.array([one(text) for text in texts], np.float64)
        with ThreadPoolExecutor(min(threads, len(texts)), thread_name_prefix="explain") as pool:
            return np.array(list(pool.map(one, texts)), np.float64)

    return score


def label_log_odds(classifier: Classifier, label: str, encoder: Encoder | None, threads: int = 1) -> Score:
    """As `label_probability`, in log-odds: what `explain_words` shares out."""
    probability = label_probability(classifier, label, encoder, threads)

    def score(texts: Sequence[str]) -> NDArray[np.float64]:
        inside = np.clip(probability(texts), FLOOR, 1.0 - FLOOR)
        odds: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
        return odds

    return score


def _by_encoder(classifier: Classifier, index: int, encoder: Encoder) -> Callable[[str], float]:
    def one(text: str) -> float:
        raw = classifier.raw(text, encoder.encode_now(text).vector)
        return float(classifier.head_readout.evidence(raw).probabilities[index])

    return one


def _by_ngrams(classifier: Classifier, index: int) -> Callable[[str], float]:
    def one(text: str) -> float:
        raw = Raw(classifier.ngram_model.margins(text))
        return float(classifier.ngram_readout.evidence(raw).probabilities[index])

    return one
