"""The default encoder and classifiers fitted on the data sets, for the benchmarks that need them.

The encoder is pulled once into `.home/` beside the benchmarks (or RIGHTSIZED_HOME). Vectors are kept there too, by
encoder digest and texts: they are a function of nothing else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import ROOT, note
from rightsized.core.config import EngineConfig
from rightsized.core.egress import Egress
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import open_encoder, plan_pull, pull_encoder
from rightsized.tune.classifier import Fitted, fit_classifier
from rightsized.tune.training import FitOptions, TrainingData


def home() -> Home:
    """The home folder that benchmarks use."""
    return Home(Path(os.environ.get("RIGHTSIZED_HOME", ROOT / ".home"))).ensure()


def encoder(name: str = "minilm", *, sessions: int = 0, variant: str = "") -> OnnxEncoder:
    """The encoder `name`, pulled if it is not there; `sessions` threads (0 = one a core)."""
    store = ModelStore(home())
    if not store.has(name):
        note(f"pulling {name}")
        egress = Egress()
        with egress.granted(plan_pull(name, store).destination):
            pull_encoder(name, store=store, egress=egress)
    return open_encoder(name, store, EngineConfig(sessions=sessions), variant=variant)


def vectors(opened: OnnxEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of `texts`, float32 (n, dimension), from disk where they were computed before."""
    digest = hashlib.sha256("\0".join((opened.digest, opened.runtime, *texts)).encode("utf-8", "surrogatepass"))
    path = home().path / "benchmarks" / f"vectors-{digest.hexdigest()[:24]}.npy"
    if path.exists():
        kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
        return kept
    note(f"embedding {len(texts)} texts")
    computed = opened.encode_all_now(texts).vectors
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, computed, allow_pickle=False)
    return computed


def fit(opened: OnnxEncoder, texts: Sequence[str], labels: Sequence[str], seed: int = 0) -> Fitted:
    """Fit both rungs on these rows."""
    data = TrainingData(texts, labels, vectors(opened, texts), opened.digest)
    note(f"fitting {len(texts)} rows, {len(set(labels))} labels")
    return fit_classifier(data, FitOptions(seed=seed))
