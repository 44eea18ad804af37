"""A classifier's files: whole, or refused; and its rungs."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rightsized.core.errors import DataError, IntegrityError, NotFoundError
from rightsized.core.protocols import Encoded
from rightsized.engines.classifier import Classifier, open_rungs
from rightsized.tune.classifier import fit_classifier
from rightsized.tune.training import FitOptions, TrainingData

DIMENSION = 16


class WordEncoder:
    """Sums one fixed random vector a word."""

    digest, dimension, max_tokens = "sha256:words", DIMENSION, 64

    def encode_now(self, text: str) -> Encoded:
        seeds = [sum(map(ord, word)) for word in text.lower().split()] or [0]
        vector = np.sum([np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds], axis=0)
        return Encoded((vector / np.linalg.norm(vector)).astype(np.float32), len(seeds), len(seeds) > 64)

    async def encode(self, text: str) -> Encoded:
        return self.encode_now(text)

    def close(self) -> None: ...


def data(encoder: WordEncoder) -> TrainingData:
    nouns = {"card": "card", "credit card": "card", "money": "refund", "payment": "refund", "pin": "pin", "code": "pin"}
    texts = [
        f"{verb} my {noun} {tail}" for noun in nouns for verb in ("lost", "give", "where is") for tail in ("", "now")
    ]
    labels = [label for label in nouns.values() for _ in range(6)]
    vectors = np.stack([encoder.encode_now(text).vector for text in texts])
    return TrainingData(texts, labels, vectors, encoder.digest)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return fit_classifier(data(WordEncoder())).classifier


def test_rungs_give_what_the_classifier_gives(classifier: Classifier) -> None:
    encoder = WordEncoder()
    ngram, head = open_rungs(classifier, encoder)
    assert [ngram.name, head.name] == ["ngram", "head"]
    assert len({ngram.model, head.model, classifier.digest}) == 3
    for text in ("lost my card", "my payment now", ""):
        assert asyncio.run(ngram.score(text)) == classifier.score_text(text)
        assert asyncio.run(head.score(text)) == classifier.score_vector(text, encoder.encode_now(text).vector)


def test_a_truncated_text_is_reported(classifier: Classifier) -> None:
    head = open_rungs(classifier, WordEncoder())[1]
    assert asyncio.run(head.score("card " * 65)).truncated
    assert not asyncio.run(head.score("card")).truncated


def test_another_encoder_is_refused(classifier: Classifier) -> None:
    encoder = WordEncoder()
    encoder.digest = "sha256:other"
    with pytest.raises(IntegrityError, match="sha256:words"):
        open_rungs(classifier, encoder)


@pytest.mark.parametrize("name", ["classifier.json", "classifier.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_file_is_refused(classifier: Classifier, tmp_path: Path, name: str, damage: str) -> None:
    classifier.save(tmp_path)
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[: len(content) // 2], "flip": content, "empty": b""}[damage])
    with pytest.raises(IntegrityError, match=name):
        Classifier.open(tmp_path)


def test_an_altered_threshold_of_confidence_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    classifier.save(tmp_path)
    document = msgspec.json.decode((tmp_path / "classifier.json").read_bytes())
    document["settings"]["head"]["head_scale"] += 0.5
    (tmp_path / "classifier.json").write_bytes(msgspec.json.encode(document))
    with pytest.raises(IntegrityError, match="altered"):
        Classifier.open(tmp_path)


def test_a_folder_without_a_classifier_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Fit the task first"):
        Classifier.open(tmp_path)


def test_a_vector_that_does_not_fit_is_refused(classifier: Classifier) -> None:
    with pytest.raises(DataError, match="16 finite numbers"):
        classifier.score_vector("card", np.ones(3, np.float32))
    with pytest.raises(DataError, match="16 finite numbers"):
        classifier.score_vector("card", np.full(DIMENSION, np.nan, np.float32))


def test_probabilities_and_scores_lie_in_their_ranges(classifier: Classifier) -> None:
    encoder = WordEncoder()
    for text in ("lost my card", "xyzzy", "", "card " * 3000):
        scored = classifier.score_vector(text, encoder.encode_now(text).vector)
        assert 0.0 <= scored.score <= 1.0
        assert 0.0 <= scored.prediction.out_of_scope <= 1.0
        assert math.isclose(sum(s.probability for s in scored.prediction.scores), 1.0, abs_tol=1e-9)
        assert scored.prediction.labels == (scored.prediction.label,)


def test_several_labels_come_back_bit_equal(tmp_path: Path) -> None:
    encoder = WordEncoder()
    given = data(encoder)
    labels = [
        [label, "urgent"] if "now" in text else [label] for text, label in zip(given.texts, given.labels, strict=True)
    ]
    fitted = fit_classifier(
        TrainingData(given.texts, labels, given.vectors, encoder.digest), FitOptions(multi_label=True)
    )
    fitted.classifier.save(tmp_path)
    opened = Classifier.open(tmp_path)
    for text in ("lost my card now", "where is my code"):
        vector = encoder.encode_now(text).vector
        assert opened.score_vector(text, vector) == fitted.classifier.score_vector(text, vector)
    assert opened.score_text("give my money now").prediction.labels == ("refund", "urgent")
