"""Tests of tasks need a fitted head, seldom the best one: heads are small, and each is fitted once in a run.

A head that was fitted on the very same numbers is not fitted again, by either worker. That fitting finds the strength,
grows its trees and comes out the same twice is proved in tests/tune, where nothing of this holds. A module with
`WHOLE_HEADS = True` has heads of the size that users get: those that prove a calibration from end to end.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightsized.tasks import fit
from rightsized.tasks.measure import Measurement, Serving, measure_serving
from rightsized.tune import uplift, verifier
from rightsized.tune.classifier import Fitted, fit_classifier
from rightsized.tune.training import FitOptions, TrainingData
from tests.conftest import shared_folder

TREES = 40  # of 150
STRENGTHS = (0.01,)  # the middle one of three


@pytest.fixture(scope="package", autouse=True)
def heads_fitted_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Heads by the digest of everything that `fit_head` reads."""
    folder = shared_folder(tmp_path_factory) / "heads"
    folder.mkdir(exist_ok=True)
    fit_head = verifier.fit_head

    def once(features: Any, target: Any, folds: Any, *, progress: Any = None, **settings: Any) -> verifier.FittedHead:
        given = (verifier.TREES, verifier.STRENGTHS, settings.get("seed", 0))
        digest = hashlib.sha256(repr(given).encode())
        for part in map(np.asarray, (features, target, folds, settings.get("tree_columns"))):
            digest.update(f"{part.shape} {part.dtype}".encode() + part.tobytes())
        file = folder / digest.hexdigest()
        if not file.exists():
            _write(file, pickle.dumps(fit_head(features, target, folds, **settings)))
        found: verifier.FittedHead = pickle.loads(file.read_bytes())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uplift, "fit_head", once)
        yield


@pytest.fixture(scope="module", autouse=True)
def small_heads(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "WHOLE_HEADS", False):
            patch.setattr(verifier, "TREES", TREES)
            patch.setattr(verifier, "STRENGTHS", STRENGTHS)
        yield


def _write(file: Path, content: bytes) -> None:
    """By one rename: the other worker may look meanwhile."""
    part = file.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.replace(file)


@pytest.fixture
def trained_and_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of certificates: fits of the same rows share one classifier, and latencies are those of the first."""
    monkeypatch.setattr(fit, "fit_classifier", _fitted)
    monkeypatch.setattr(fit, "measure_serving", _timed)


_FITTED: dict[bytes, Fitted] = {}
_TIMED: dict[tuple[str, ...], Serving] = {}


def _fitted(data: TrainingData, options: FitOptions, previous: object) -> Fitted:
    assert previous is None
    named = data.label_vectors or {}
    words = (list(data.texts), list(data.labels), data.encoder, sorted(named), options.seed, options.multi_label)
    digest = hashlib.sha256(repr(words).encode())
    for vectors in (data.vectors, *(named[name] for name in sorted(named))):
        digest.update(np.ascontiguousarray(vectors).tobytes())
    if digest.digest() not in _FITTED:
        _FITTED[digest.digest()] = fit_classifier(data, options)
    return _FITTED[digest.digest()]


def _timed(measurement: Measurement) -> Serving:
    if measurement.texts not in _TIMED:
        _TIMED[measurement.texts] = measure_serving(measurement)
    return _TIMED[measurement.texts]
