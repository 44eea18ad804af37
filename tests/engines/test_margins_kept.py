"""The encoder rung takes over the n-gram scores of the text that the n-gram rung has just passed on."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.engines.classifier import KEPT_CHARS, KEPT_TEXTS, Classifier
from rightsized.engines.fake import FakeEncoder
from rightsized.engines.ngrams import Margins, NgramModel
from rightsized.tune.classifier import fit_classifier
from rightsized.tune.training import TrainingData


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def classifier(encoder: FakeEncoder) -> Classifier:
    texts = [f"{start} {noun} {i}" for noun in ("card", "money", "pin") for start in ("my", "a") for i in range(6)]
    labels = [text.split()[1] for text in texts]
    return fit_classifier(TrainingData(texts, labels, encoder.encode_all_now(texts)[0], encoder.digest)).classifier


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts whose n-gram scores are computed."""
    asked: list[str] = []
    real = NgramModel.margins

    def counted(self: NgramModel, text: str) -> Margins:
        asked.append(text)
        return real(self, text)

    monkeypatch.setattr(NgramModel, "margins", counted)
    return asked


def test_they_are_computed_once_a_pass_and_change_nothing(
    classifier: Classifier, encoder: FakeEncoder, computed: list[str]
) -> None:
    text = "where is my card"
    vector = encoder.encode_now(text).vector
    alone = classifier.score_vector(text, vector)
    classifier.score_text(text)
    assert classifier.score_vector(text, vector) == alone
    assert computed == [text, text]
    assert classifier.score_vector(text, vector) == alone
    assert len(computed) == 3


def test_few_short_texts_are_kept(classifier: Classifier, computed: list[str]) -> None:
    vector = np.zeros(classifier.head.dimension, np.float32)
    for i in range(2 * KEPT_TEXTS + 1):
        classifier.score_text(f"text {i}")
    assert len(classifier._margins) <= KEPT_TEXTS
    long = "long " * KEPT_CHARS
    classifier.score_text(long)
    classifier.score_vector(long, vector)
    assert computed[-2:] == [long, long]
