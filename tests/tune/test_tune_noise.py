"""Confident learning finds labels that were swapped on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.core.errors import DataError
from rightsized.tune.noise import suspicious_rows

NAMES = ("a", "b", "c", "d")


def confident(true: np.ndarray, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    logits = generator.standard_normal((len(true), len(NAMES)))
    logits[np.arange(len(true)), true] += 6.0
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_planted_noise_comes_first() -> None:
    generator = np.random.default_rng(1)
    true = generator.integers(0, 4, 600)
    given = true.copy()
    planted = set(generator.choice(600, 30, replace=False).tolist())
    for row in planted:
        given[row] = (true[row] + 1) % 4
    found = suspicious_rows([NAMES[k] for k in given], NAMES, confident(true))
    flagged = [suspicion.row for suspicion in found]
    assert len(planted & set(flagged[:30])) >= 26
    assert len(planted & set(flagged)) >= 28
    first = found[0]
    assert (first.given, first.suggested) == (NAMES[given[first.row]], NAMES[true[first.row]])


def test_clean_labels_raise_few_suspicions() -> None:
    true = np.random.default_rng(2).integers(0, 4, 600)
    assert len(suspicious_rows([(NAMES[k],) for k in true], NAMES, confident(true))) <= 12


def test_several_labels_are_judged_one_by_one() -> None:
    given = [("a", "b"), ("a",), ("b",), ("a", "b"), ("b",), ("a",)] * 5
    probabilities = np.array([[0.95 * ("a" in g), 0.95 * ("b" in g), 0, 0] for g in given], np.float32) + 0.02
    probabilities[1, 1], probabilities[3, 0] = 0.99, 0.01
    found = suspicious_rows(given, NAMES, probabilities)
    assert {(s.row, s.given, s.suggested) for s in found} == {(1, "a", "b"), (3, "a", "not a")}


def test_shapes_and_labels_must_fit() -> None:
    with pytest.raises(DataError, match="2 rows, 4 labels"):
        suspicious_rows(["a", "b"], NAMES, np.zeros((2, 3), np.float32))
    with pytest.raises(DataError, match="'z'"):
        suspicious_rows(["a", "z"], NAMES, np.zeros((2, 4), np.float32))
