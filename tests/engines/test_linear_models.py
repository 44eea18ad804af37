"""Linear models from arrays: what we serve is what scikit-learn would have answered, one text at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from rightsized.core.errors import IntegrityError
from rightsized.engines.confidence import Confidence
from rightsized.engines.landmarks import Landmarks, kernel, nearest
from rightsized.engines.linear import LinearHead
from rightsized.engines.outofscope import OutOfScope, discounted
from rightsized.engines.readout import Raw, Readout, ReadoutSettings
from rightsized.tune.heads import HeadChoice, HeadFitter

TEXTS = [
    "Where is my card?",
    "My card has not arrived",
    "card  still missing",
    "I want a refund please",
    "refund my money",
    "Money back, now!",
    "How do I reset the PIN",
    "PIN code forgotten",
    "new pin needed",
]
TARGETS = np.eye(3, dtype=np.bool_)[np.repeat([0, 1, 2], 3)]


def unit(rows: int, dimension: int = 24, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("strength", [1.0, 30.0])
def test_probabilities_equal_scikit_learns(strength: float) -> None:
    vectors, labels = unit(300), np.random.default_rng(1).integers(0, 4, 300)
    head = HeadFitter(vectors, np.eye(4, dtype=np.bool_)[labels]).fit(HeadChoice(strength))
    theirs = LogisticRegression(C=strength, max_iter=1000).fit(vectors, labels)
    scope = OutOfScope("none", (), (), 0.0)
    readout = Readout(("a", "b", "c", "d"), ReadoutSettings(0.0, 1.0, Confidence(), scope))
    for vector in unit(50, seed=2):
        logits, cosine = head.logits(vector)
        ours = readout.evidence(Raw(None, logits, cosine)).probabilities
        np.testing.assert_allclose(ours, theirs.predict_proba(vector[None])[0], atol=1e-5)


def test_two_labels_equal_scikit_learns_binary_fit() -> None:
    vectors, labels = unit(200), np.random.default_rng(1).integers(0, 2, 200)
    head = HeadFitter(vectors, np.eye(2, dtype=np.bool_)[labels]).fit(HeadChoice(10.0))
    theirs = LogisticRegression(C=10.0, max_iter=1000).fit(vectors, labels)
    for vector in unit(20, seed=2):
        logits, _ = head.logits(vector)
        probability = 1.0 / (1.0 + np.exp(float(logits[0] - logits[1])))
        assert probability == pytest.approx(float(theirs.predict_proba(vector[None])[0, 1]), abs=1e-5)


def test_kernel_weights_serve_what_was_fitted_on_whitened_features() -> None:
    vectors, labels = unit(300), np.random.default_rng(1).integers(0, 4, 300)
    fitter = HeadFitter(vectors, np.eye(4, dtype=np.bool_)[labels])
    head = fitter.fit(HeadChoice(10.0, kernel=True))
    theirs = LogisticRegression(C=10.0, max_iter=1000).fit(fitter._features(), labels)
    for row in range(50):
        ours = head.logits(vectors[row])[0]
        expected = theirs.decision_function(fitter._features()[row : row + 1])[0]
        np.testing.assert_allclose(ours - ours.mean(), expected - expected.mean(), atol=2e-4)


def test_cosines_are_exact_whatever_the_order_of_summation() -> None:
    landmarks, vector = Landmarks.of(unit(500, 384)), unit(1, 384, seed=5)[0]
    alone = np.array([Landmarks(landmarks.vectors[i : i + 1]).cosines(vector)[0] for i in range(500)])
    assert (alone == landmarks.cosines(vector)).all()
    np.testing.assert_allclose(alone, unit(500, 384) @ vector, atol=6e-4)
    assert nearest(alone) == pytest.approx(float(np.sort(alone)[-5:].mean()), abs=1e-6)
    assert kernel(np.array([1.0], np.float32))[0] == 1.0
    assert nearest(np.zeros(0, np.float32)) == 0.0


def test_scores_are_bit_equal_alone_and_among_threads() -> None:
    vectors, labels = unit(400, 96), np.random.default_rng(1).integers(0, 5, 400)
    head = HeadFitter(vectors, np.eye(5, dtype=np.bool_)[labels]).fit(HeadChoice(10.0, kernel=True))
    alone = [head.logits(vector) for vector in vectors]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(head.logits, vectors))
    assert all((a[0] == b[0]).all() and a[1] == b[1] for a, b in zip(alone, together, strict=True))


def test_a_head_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(IntegrityError, match=r"shape \(2, 9\)"):
        LinearHead(np.zeros((2, 9), np.float32), np.zeros(2, np.float32), Landmarks(np.zeros((0, 8), np.int16)))


@given(score=st.floats(0, 1), outside=st.floats(0, 1), limit=st.floats(0.01, 0.999))
def test_the_discount_never_raises_a_score_and_falls_with_distance(score: float, outside: float, limit: float) -> None:
    assert 0 <= discounted(score, outside, limit) <= score
    assert discounted(score, 1.0, limit) == 0
    assert discounted(score, limit, limit) == score
    assert discounted(score, min(1.0, outside + 0.1), limit) <= discounted(score, outside, limit)
