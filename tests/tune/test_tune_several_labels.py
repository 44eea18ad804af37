"""Confidence where a text may have several labels: what is said out-of-fold must hold for new texts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rightsized.engines.readout import Readout
from rightsized.tune.crossfit import RawScores
from rightsized.tune.readouts import fit_readouts
from rightsized.tune.scope import Scopes
from rightsized.tune.training import Numbered

LABELS = tuple(f"label {n:02d}" for n in range(30))


def drawn(count: int, generator: np.random.Generator) -> tuple[NDArray[np.bool_], RawScores]:
    """Texts with a few of 30 labels each, and the raw scores of a model that is calibrated already."""
    odds = generator.normal(-12.0, 6.0, (count, len(LABELS)))
    targets = generator.random(odds.shape) < 1.0 / (1.0 + np.exp(-odds))
    scores = RawScores.empty(count, len(LABELS))
    scores.logits[:] = odds
    scores.margins[:] = generator.normal(0.0, 1.0, odds.shape)
    return targets, scores


def test_sets_are_as_often_right_out_of_fold_as_on_new_texts() -> None:
    """Thresholds chosen with the rows they are judged on flatter: here by ten points."""
    generator = np.random.default_rng(0)
    claimed, true, sure = [], [], []
    fresh, fresh_scores = drawn(500, generator)
    said = [{LABELS[k] for k in np.flatnonzero(row)} for row in fresh]
    for _ in range(8):
        targets, scores = drawn(300, generator)
        vectors = np.zeros((300, 1), np.float32)
        best = np.full(300, -1)
        numbered = Numbered([""] * 300, LABELS, targets, best, vectors, np.arange(300), multi_label=True)
        _, head = fit_readouts(numbered, scores, np.arange(300) % 10, Scopes())
        readout = Readout(LABELS, head.readout.settings)
        read = [readout.read(fresh_scores.head_row(i)) for i in range(len(fresh))]
        claimed.append(head.right.mean())
        true.append(np.mean([set(r.prediction.labels) == s for r, s in zip(read, said, strict=True)]))
        sure.append(np.mean([r.score for r in read]))
    assert np.mean(claimed) == pytest.approx(np.mean(true), abs=0.02)
    assert np.mean(sure) == pytest.approx(np.mean(true), abs=0.025)
