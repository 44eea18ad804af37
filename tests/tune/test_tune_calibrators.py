"""Score calibrators: calibrated, pointing the sensible way, and chosen on held-out rows. Out-of-scope: told apart."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.engines.confidence import Confidence
from rightsized.engines.outofscope import OutOfScope, sigmoid
from rightsized.engines.readout import Raw, Readout, ReadoutSettings
from rightsized.tune.calibrators import Form, fit_confidence, fit_form, nested_loss, nested_scores
from rightsized.tune.classifier import fit_classifier
from rightsized.tune.scope import fit_scope
from rightsized.tune.training import TrainingData


def drawn(count: int, slope: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features whose first column is log-odds that are wrong by a factor `slope`; whether right; folds."""
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((count, 6))
    features[:, 0] = 2.0 * generator.standard_normal(count) + 1.0
    chance = 1.0 / (1.0 + np.exp(-slope * features[:, 0]))
    return features, generator.random(count) < chance, np.arange(count) % 5


def test_true_probabilities_are_left_nearly_alone() -> None:
    features, right, folds = drawn(4000, 1.0)
    plain = nested_loss("probability", features, right, folds)
    assert nested_loss("logistic", features, right, folds) < plain + 0.002
    assert nested_loss("isotonic", features, right, folds) > plain


def test_overconfidence_is_mended() -> None:
    features, right, folds = drawn(4000, 0.3)
    chosen = fit_confidence(features, right, folds)
    assert chosen.kind in ("logistic", "isotonic")
    scores = nested_scores("logistic", features, right, folds)
    for low in (0.4, 0.5, 0.6, 0.7):
        inside = (scores >= low) & (scores < low + 0.1)
        assert abs(right[inside].mean() - scores[inside].mean()) < 0.06


def test_no_feature_may_point_the_wrong_way() -> None:
    """Far from training data (low energy, low cosine, unknown words) must not raise a score, whatever the rows say."""
    features, right, _ = drawn(4000, 1.0)
    features[:, 2] -= 2.0 * right
    features[:, 3] -= 2.0 * right
    features[:, 4] += 2.0 * right
    weights = fit_form("logistic", features, right).weights
    assert weights[2] == weights[3] == weights[4] == 0.0
    assert weights[0] > 0.5


def test_with_few_errors_nothing_is_fitted() -> None:
    features, _, folds = drawn(200, 1.0)
    right = np.ones(200, bool)
    right[:5] = False
    assert fit_confidence(features, right, folds) == Confidence()


@pytest.mark.parametrize("form", ["probability", "isotonic", "logistic"])
def test_scores_rise_strictly_with_the_log_odds(form: Form) -> None:
    features, right, _ = drawn(2000, 0.7)
    confidence = fit_form(form, features, right)
    row = np.zeros(6)
    scores = []
    for log_odds in np.linspace(-5, 5, 200):
        row[0] = log_odds
        scores.append(confidence.score(row.tolist()))
    assert (np.diff(scores) > 0).all()
    assert min(scores) >= 0.0
    assert max(scores) <= 1.0


def test_the_out_of_scope_value_is_half_where_five_in_a_hundred_lie_above() -> None:
    energies = np.random.default_rng(0).standard_normal(4000)
    scope = fit_scope("energy", [{"energy": float(e)} for e in energies])
    values = np.array([scope.value({"energy": float(e)}) for e in energies])
    assert (values > 0.5).mean() == pytest.approx(0.05, abs=0.002)
    assert scope.value({"energy": -9.0}) > 0.99
    assert scope.value({"energy": 3.0}) < 0.05


def test_texts_of_an_unseen_kind_look_out_of_scope() -> None:
    generator = np.random.default_rng(0)
    centres = np.eye(9, 40, dtype=np.float32)
    labels = [f"kind {i % 8}" for i in range(400)]
    vectors = np.stack([centres[i % 8] for i in range(400)]) + 0.08 * generator.standard_normal((400, 40))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    words = [f"word{i % 8} number {i}" for i in range(400)]
    classifier = fit_classifier(TrainingData(words, labels, unit)).classifier
    inside = [classifier.score_vector(words[i], unit[i]).prediction.out_of_scope for i in range(100)]
    outside = classifier.score_vector("quite another thing", centres[8]).prediction.out_of_scope
    assert outside > max(inside)
    assert classifier.score_text("quite another thing").prediction.out_of_scope > float(np.median(inside))


def test_energy_and_sigmoid_do_not_overflow() -> None:
    readout = Readout(("a", "b"), ReadoutSettings(0.0, 1.0, Confidence(), OutOfScope("none", (), (), 0.0)))
    evidence = readout.evidence(Raw(None, np.array([1000.0, 1000.0], np.float32)))
    assert evidence.statistics["energy"] == pytest.approx(1000.0 + np.log(2.0))
    assert (sigmoid(1e4), sigmoid(-1e4) < 1e-300, sigmoid(0.0)) == (1.0, True, 0.5)
