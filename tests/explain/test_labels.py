"""The explained score is the one that is served: same models, same arithmetic, at any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.core.errors import NotFoundError
from rightsized.engines.classifier import Classifier
from rightsized.engines.fake import FakeEncoder
from rightsized.explain.labels import label_log_odds, label_probability
from rightsized.explain.words import explain_words
from rightsized.tune.classifier import fit_classifier
from rightsized.tune.training import TrainingData

WORDS = {"card": ["card", "plastic", "chip"], "money": ["transfer", "refund", "payment"], "login": ["password", "app"]}


@pytest.fixture(scope="module")
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture(scope="module")
def classifier(encoder: FakeEncoder) -> Classifier:
    texts = [f"my {word} is {state} {i}" for i in range(8) for ws in WORDS.values() for word in ws
             for state in ("late", "gone")]  # fmt: skip
    labels = [label for _ in range(8) for label, ws in WORDS.items() for _ in ws for _ in range(2)]
    vectors = encoder.encode_all_now(texts)[0]
    return fit_classifier(TrainingData(texts, labels, vectors, encoder.digest)).classifier


def test_it_is_the_probability_that_is_served(classifier: Classifier, encoder: FakeEncoder) -> None:
    text = "where is my new card"
    served = classifier.score_vector(text, encoder.encode_now(text).vector).prediction.scores
    for score in served:
        assert label_probability(classifier, score.label, encoder)([text])[0] == score.probability
    for score in classifier.score_text(text).prediction.scores:
        assert label_probability(classifier, score.label, None)([text])[0] == score.probability


def test_threads_change_nothing(classifier: Classifier, encoder: FakeEncoder) -> None:
    texts = ["", "card", "a refund please", "👍", "where is my card"] * 5
    alone, together = (label_log_odds(classifier, "card", encoder, threads)(texts) for threads in (1, 4))
    assert np.array_equal(alone, together)
    assert np.isfinite(alone).all()


@pytest.mark.parametrize("rung", ["head", "ngram"])
def test_the_telling_word_leads(classifier: Classifier, encoder: FakeEncoder, rung: str) -> None:
    score = label_log_odds(classifier, "card", encoder if rung == "head" else None, threads=2)
    found = explain_words("hello my card is late again", score, label="card")
    assert max(found.contributions, key=lambda c: c.value).text == "card"
    assert abs(sum(c.value for c in found.contributions) - found.total) < 1e-9


def test_an_unknown_label_is_named(classifier: Classifier) -> None:
    with pytest.raises(NotFoundError, match="'parcel'"):
        label_probability(classifier, "parcel", None)
