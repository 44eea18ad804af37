"""A ladder with further samples, on real messages: two models that write the name of a message's topic.

No public routing table holds several answers of one model to one prompt. So the tiers here are made: softmax models
over MiniLM vectors of banking77, the small one fitted on 5 messages a topic, the large one on 60. Each writes the topic
it holds most likely; a further sample is drawn from its own distribution at a temperature, by a seed, as a language
model draws. The rows that train the verifier and those of the population trained neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models
from benchmarks.routing_data import Floats
from rightsized.cascade.samples import SamplePlan
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.signals.signal import Exchange
from rightsized.tasks.chat_exchange import compared, said

SMALL, LARGE = 5, 60  # messages a topic that each tier was fitted on
TRAIN = 2_500  # messages that train the verifier
PLAN = SamplePlan(4)  # as `samples = 4` under [[tiers]]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Messages with what both tiers wrote.

    `exchanges` hold the small tier's answer and its samples; `right`, `last_right` float64 (n,): small and large.
    """

    prompts: list[str]
    vectors: NDArray[np.float32]
    exchanges: list[Exchange]
    right: Floats
    last_right: Floats

    def without_samples(self) -> Sampled:
        """The same where the small tier is asked once."""
        plain = [replace(exchange, samples=(), similarities=()) for exchange in self.exchanges]
        return replace(self, exchanges=plain)


def sampled(data: Path, encoder: OnnxEncoder) -> tuple[Sampled, Sampled]:
    """The verifier's train rows, and the population: banking77's test messages."""
    texts, labels = harness.banking77(data, "train")
    rows, names = np.arange(len(texts)), np.array(labels)
    shuffled = np.random.default_rng(3).permutation(rows)
    small, large = (_first_of_each(shuffled, names, count) for count in (SMALL, LARGE))
    rest = shuffled[~np.isin(shuffled, large)][:TRAIN]
    vectors = models.vectors(encoder, texts)
    writers = [Writer.fit(vectors[part], names[part]) for part in (small, large)]
    train = _written([texts[i] for i in rest], vectors[rest], names[rest], writers, encoder)
    held, truth = harness.banking77(data, "test")
    return train, _written(held, models.vectors(encoder, held), np.array(truth), writers, encoder)


def _first_of_each(order: NDArray[np.intp], labels: NDArray[np.str_], count: int) -> NDArray[np.intp]:
    """The first so many rows of each label, in this order."""
    kept = [order[labels[order] == label][:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(kept))


class Writer:
    """A softmax model that writes topics in words."""

    def __init__(self, topics: Sequence[str], weights: Floats, bias: Floats) -> None:
        self._topics = [topic.replace("_", " ") for topic in topics]
        self._weights, self._bias = weights, bias

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], labels: NDArray[np.str_]) -> Writer:
        """Fit on these messages."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=10.0, max_iter=400).fit(vectors, labels)
        return cls(list(model.classes_), model.coef_, model.intercept_)

    def answer(self, vector: NDArray[np.float32]) -> str:
        """The most likely topic."""
        return self._topics[int(np.argmax(self._logits(vector)))]

    def sample(self, prompt: str, vector: NDArray[np.float32], number: int) -> str:
        """Sample `number` of the plan, from 0: the same prompt and seed bring the same topic."""
        logits = self._logits(vector) / PLAN.temperature
        chances = np.exp(logits - logits.max())
        seed = hashlib.sha256(f"{PLAN.seed + number}\0{prompt}".encode()).digest()
        drawn = np.random.default_rng(list(seed)).choice(len(chances), p=chances / chances.sum())
        return self._topics[int(drawn)]

    def _logits(self, vector: NDArray[np.float32]) -> Floats:
        return np.asarray(self._weights @ vector + self._bias, np.float64)


def _written(
    prompts: list[str],
    vectors: NDArray[np.float32],
    labels: NDArray[np.str_],
    writers: Sequence[Writer],
    encoder: OnnxEncoder,
) -> Sampled:
    small, large = writers
    known: dict[str, NDArray[np.float32]] = {}
    exchanges = []
    for prompt, vector in zip(prompts, vectors, strict=True):
        samples = tuple(small.sample(prompt, vector, number) for number in range(PLAN.count))
        exchange = Exchange(prompt, small.answer(vector), samples=samples)
        for text in said(exchange):
            if text not in known:
                known[text] = encoder.encode_now(text).vector
        exchanges.append(compared(exchange, [known[text] for text in said(exchange)]))
    truth = [label.replace("_", " ") for label in labels]
    right = np.array([e.answer == t for e, t in zip(exchanges, truth, strict=True)], np.float64)
    last = np.array([large.answer(v) == t for v, t in zip(vectors, truth, strict=True)], np.float64)
    return Sampled(prompts, vectors, exchanges, right, last)
