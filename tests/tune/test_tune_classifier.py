"""Fitting a classifier: out-of-fold means out-of-fold, files come back bit-equal, bad rows are named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rightsized.core.errors import DataError, IntegrityError
from rightsized.engines.classifier import Classifier
from rightsized.tune.classifier import Fitted, fit_classifier
from rightsized.tune.previous import Previous
from rightsized.tune.training import FitOptions, TrainingData

WORDS = {
    "refund": ["refund", "money back", "reimburse", "return my payment"],
    "delivery": ["parcel", "shipping", "courier", "tracking number"],
    "password": ["password", "log in", "sign in", "reset link"],
}
FRAMES = ["where is my {}", "please help with the {}", "I asked for a {} last week", "the {} is missing", "no {} yet"]


def messages() -> tuple[list[str], list[str]]:
    rows = [
        (frame.format(word) + tail, label)
        for label, words in WORDS.items()
        for word in words
        for frame in FRAMES
        for tail in ("", ", thanks")
    ]
    return [text for text, _ in rows], [label for _, label in rows]


def random_vectors(count: int, dimension: int = 32, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def informative_vectors(labels: list[str], noise: float = 0.6, seed: int = 0) -> NDArray[np.float32]:
    names = sorted(set(labels))
    centres = random_vectors(len(names), seed=seed + 1)
    vectors = centres[[names.index(label) for label in labels]] + noise * random_vectors(len(labels), seed=seed)
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    texts, labels = messages()
    return fit_classifier(TrainingData(texts, labels, informative_vectors(labels)))


def test_it_learns_what_can_be_learned(fitted: Fitted) -> None:
    assert fitted.oof_correct.mean(axis=0).min() > 0.8


def test_scores_are_probabilities_in_shape(fitted: Fitted) -> None:
    assert fitted.oof_scores.shape == fitted.oof_correct.shape == (120, 2)
    assert ((fitted.oof_scores >= 0) & (fitted.oof_scores <= 1)).all()


def test_saved_and_opened_scores_are_bit_equal(fitted: Fitted, tmp_path: Path) -> None:
    fitted.classifier.save(tmp_path)
    opened = Classifier.open(tmp_path)
    assert opened.digest == fitted.classifier.digest
    vectors = random_vectors(20, seed=9)
    for text, vector in zip(messages()[0], vectors, strict=False):
        assert opened.score_text(text) == fitted.classifier.score_text(text)
        assert opened.score_vector(text, vector) == fitted.classifier.score_vector(text, vector)


def test_random_labels_are_not_remembered_out_of_fold() -> None:
    """Labels drawn by chance: out-of-fold accuracy is near chance and scores claim no more."""
    texts = [f"message {i} about {i * 7919 % 1009}" for i in range(400)]
    labels = [f"label {i}" for i in np.random.default_rng(3).integers(0, 4, 400)]
    fitted = fit_classifier(TrainingData(texts, labels, random_vectors(400)))
    assert (fitted.oof_correct.mean(axis=0) < 0.36).all()
    assert (fitted.oof_scores.mean(axis=0) < 0.42).all()


def test_repeats_of_a_text_share_a_fold() -> None:
    texts, labels = messages()
    texts, labels = texts + [text.upper() for text in texts], labels + labels
    fitted = fit_classifier(TrainingData(texts, labels, informative_vectors(labels)))
    assert (fitted.folds[:120] == fitted.folds[120:]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["one"] * 120}, "only 'one'"),
        ({"labels": ["one"]}, "120 texts but 1 labels"),
        ({"labels": ["", *["a", "b"] * 60][:120]}, "Row 0: the label is empty"),
        ({"vectors": np.full((120, 32), np.nan, np.float32)}, "120 rows are not finite"),
        ({"vectors": np.ones((120, 32), np.float32)}, "unit vectors are needed"),
        ({"vectors": np.ones((3, 32), np.float32)}, r"float32 \(120, dimension\)"),
        ({"texts": [], "labels": [], "vectors": np.ones((0, 32), np.float32)}, "no examples"),
    ],
)
def test_bad_rows_are_named(change: dict[str, Any], message: str) -> None:
    texts, labels = messages()
    data = dataclasses.replace(TrainingData(texts, labels, random_vectors(120)), **change)
    with pytest.raises(DataError, match=message):
        fit_classifier(data)


def test_a_label_seen_once_is_kept_reported_and_never_right_out_of_fold() -> None:
    texts, labels = messages()
    texts, labels = [*texts, "I love your shop"], [*labels, "praise"]
    fitted = fit_classifier(TrainingData(texts, labels, informative_vectors(labels)))
    assert "praise" in fitted.classifier.labels
    assert any("praise" in finding for finding in fitted.findings)
    assert not fitted.oof_correct[-1].any()


def test_empty_text_is_scored_and_not_sure(fitted: Fitted) -> None:
    assert fitted.classifier.score_text("").score < 0.8


def test_several_labels() -> None:
    texts, labels = messages()
    first = [[label] for label in labels]
    joined = [f"{a} and {b}" for a, b in zip(texts, texts[60:] + texts[:60], strict=True)]
    both = [sorted({a, b}) for a, b in zip(labels, labels[60:] + labels[:60], strict=True)]
    vectors = np.concatenate([informative_vectors(labels), random_vectors(120)])
    fitted = fit_classifier(TrainingData([*texts, *joined], [*first, *both], vectors), FitOptions(multi_label=True))
    assert fitted.oof_correct[:, 0].mean() > 0.7
    answered = fitted.classifier.score_text("where is my refund and where is my parcel").prediction.labels
    assert answered == ("delivery", "refund")


def test_a_few_more_examples_keep_the_scores_of_the_others(fitted: Fitted, tmp_path: Path) -> None:
    texts, labels = messages()
    vectors = informative_vectors(labels)
    fitted.save(tmp_path)
    more = ["my reimbursement never came", "the courier lost it"]
    data = TrainingData(
        [*texts, *more],
        [*labels, "refund", "delivery"],
        np.concatenate([vectors, informative_vectors(["delivery", "refund"])]),
    )
    again = fit_classifier(data, previous=Previous.open(tmp_path))
    assert (again.left.scores.logits[:120] == fitted.left.scores.logits).all()
    expected = fitted.classifier.raw(more[0], data.vectors[120])
    assert expected.logits is not None
    assert (again.left.scores.logits[120] == expected.logits).all()
    assert again.classifier.digest != fitted.classifier.digest


def test_many_new_examples_or_a_new_label_call_for_a_full_fit(fitted: Fitted) -> None:
    texts, labels = messages()
    vectors = informative_vectors(labels)
    renamed = [label.replace("refund", "money") for label in labels]
    again = fit_classifier(TrainingData(texts, renamed, vectors), previous=fitted.left)
    assert again.tried  # a search took place
    assert "money" in again.classifier.labels
    few = fit_classifier(TrainingData(texts[:60], labels[:60], vectors[:60]))
    assert fit_classifier(TrainingData(texts, labels, vectors), previous=few.left).tried


def test_scores_left_by_another_classifier_are_refused(fitted: Fitted, tmp_path: Path) -> None:
    texts, labels = messages()
    other = fit_classifier(TrainingData(texts[:90], labels[:90], informative_vectors(labels)[:90]))
    other.save(tmp_path)
    fitted.classifier.save(tmp_path)
    with pytest.raises(IntegrityError, match="another classifier"):
        Previous.open(tmp_path)


def test_a_row_with_another_label_keeps_the_scores_of_models_that_never_saw_it(fitted: Fitted) -> None:
    texts, labels = messages()
    changed = ["delivery" if i == 0 else label for i, label in enumerate(labels)]
    assert changed != labels
    again = fit_classifier(TrainingData(texts, changed, informative_vectors(labels)), previous=fitted.left)
    assert (again.left.scores.logits == fitted.left.scores.logits).all()
    assert again.left.since == 1


def test_the_same_rows_again_are_the_same_model_and_a_few_can_be_scored_anew(fitted: Fitted) -> None:
    texts, labels = messages()
    vectors = informative_vectors(labels)
    same = fit_classifier(TrainingData(texts, labels, vectors), previous=fitted.left)
    assert same.classifier.digest == fitted.classifier.digest
    assert same.left.since == 0
    data = TrainingData([*texts, "a new one"], [*labels, labels[0]], np.concatenate([vectors, vectors[:1]]))
    again = fit_classifier(data, FitOptions(recheck=15), previous=fitted.left)
    anew = (again.left.scores.logits[:120] != fitted.left.scores.logits).any(axis=1)
    folds = set(fitted.folds[anew].tolist())  # but the one that holds the new row: its models are the ones before
    assert folds == {0, 1} - {int(again.folds[120])}
    assert anew.sum() == np.isin(fitted.folds, list(folds)).sum()


def test_a_full_fit_is_due_after_many_small_ones(fitted: Fitted) -> None:
    texts, labels = messages()
    vectors, left, searched = informative_vectors(labels), fitted.left, []
    for more in (5, 10, 15):
        rows = [*range(120), *range(more)]
        own = [*texts, *(f"{texts[i]} number {i} of these" for i in range(more))]
        data = TrainingData(own, [labels[i] for i in rows], vectors[rows])
        again = fit_classifier(data, previous=left)
        searched.append(bool(again.tried))
        left = again.left
    assert searched == [False, False, True], "15 of 120 rows are more than a tenth, 5 at a time or at once"
