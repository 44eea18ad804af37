"""Quantisation: error within half a step, and a model that stays the same model."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.encoder import mean_cosine
from rightsized.compress.graph import build_encoder
from rightsized.compress.int8 import Int8, quantise
from rightsized.compress.probes import PROBES
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import open_encoder
from tiny_encoder import write_tiny_encoder

_FLOATS = st.floats(-1e6, 1e6, width=32)


@given(
    arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2), elements=_FLOATS), st.sampled_from([0, 1])
)
def test_error_is_at_most_half_a_step(weight: np.ndarray, axis: int) -> None:
    values, scale = quantise(weight, axis)
    assert values.dtype == np.int8
    assert values.min(initial=0) >= -127
    assert scale.shape == (weight.shape[1 - axis],)
    step = np.expand_dims(scale, axis).astype(np.float64)
    assert (np.abs(values * step - weight) <= step * 0.5001).all()


def test_zero_stays_zero_and_an_empty_column_harms_nothing() -> None:
    weight = np.array([[0.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    values, scale = quantise(weight, axis=0)
    assert values.tolist() == [[0, 0], [127, 0]]
    assert (scale > 0).all()


def test_int8_graph_is_near_the_exact_one(tmp_path: Path) -> None:
    checkpoint = Checkpoint(write_tiny_encoder(tmp_path))
    sessions = [
        onnxruntime.InferenceSession(
            build_encoder(checkpoint, p).SerializeToString(), providers=["CPUExecutionProvider"]
        )
        for p in (None, Int8())
    ]
    random = np.random.default_rng(1)
    for length in (2, 7, 16):
        ids = random.integers(0, 56, (1, length))
        exact, small = (session.run(["sentence"], {"input_ids": ids})[0][0] for session in sessions)
        assert exact @ small > 0.995
        assert not np.array_equal(exact, small)


@pytest.mark.needs_encoder
def test_minilm_int8_is_small_and_near_on_the_probes(encoder_home: Path) -> None:
    store = ModelStore(Home(encoder_home))
    card = store.card("minilm")
    assert card.files[card.variants["int8"].file].size < 23.5e6
    assert card.variants["int8"].cosine >= 0.99
    exact, small = (open_encoder("minilm", store, variant=variant) for variant in ("fp32", "int8"))
    assert mean_cosine(exact, small, PROBES) == pytest.approx(card.variants["int8"].cosine, abs=2e-3)


@pytest.mark.needs_encoder
@pytest.mark.needs_data
@pytest.mark.slow
def test_minilm_int8_is_near_on_banking77(encoder_home: Path, data_dir: Path) -> None:
    with gzip.open(data_dir / "triage" / "banking77_test.csv.gz", "rt", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)][::4]
    store = ModelStore(Home(encoder_home))
    exact, small = (open_encoder("minilm", store, variant=variant) for variant in ("fp32", "int8"))
    assert mean_cosine(exact, small, texts) >= 0.99
