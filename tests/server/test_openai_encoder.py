"""The encoder of this machine behind `/v1/embeddings` and `/v1/rerank`, and a fitted task as a model: nothing faked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from fake_service import FakeService
from live_server import Client, running

from rightsized.core.config import Config
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.service import LocalService

TEXTS = ["The parcel never arrived.", "My invoice was charged twice.", "The parcel never arrived."]


@pytest.fixture(scope="module")
def local(fitted_home: Path) -> Iterator[Client]:
    service = LocalService(Config(home=str(fitted_home)), purpose="test", record=False)
    with running(cast("FakeService", service)) as made:
        yield made


def test_vectors_are_the_encoder_s_own(local: Client, fitted_home: Path) -> None:
    answer = local.post("/v1/embeddings", {"model": "minilm", "input": TEXTS, "encoding_format": "base64"}).json
    rows = [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in answer["data"]]
    encoder = open_encoder("minilm", ModelStore(Home(fitted_home)))
    expected = [encoder.encode_now(text) for text in TEXTS]
    encoder.close()
    for row, made in zip(rows, expected, strict=True):
        assert np.array_equal(row, made.vector)
    assert answer["usage"]["prompt_tokens"] == sum(made.tokens for made in expected)


def test_many_texts_and_a_long_one(local: Client) -> None:
    answer = local.post("/v1/embeddings", {"model": "minilm", "input": [*TEXTS, "word " * 2000] * 20}).json
    assert len(answer["data"]) == 80
    assert answer["usage"]["cut_inputs"] == 20
    assert answer["data"][0]["embedding"] == answer["data"][2]["embedding"]


def test_ranking(local: Client) -> None:
    asked: dict[str, Any] = {"model": "minilm", "query": "Where is my delivery?", "documents": TEXTS[:2]}
    results = local.post("/v1/rerank", asked).json["results"]
    assert [result["index"] for result in results] == [0, 1]


def test_a_fitted_task_as_a_model(local: Client) -> None:
    message = {"role": "user", "content": "I was charged twice for the same order, please refund one payment."}
    answer = local.post("/v1/chat/completions", {"model": "task:support", "messages": [message]})
    said = json.loads(answer.json["choices"][0]["message"]["content"])
    assert said["suggestion"] in _labels(local)
    assert 0 < said["confidence"] <= 1
    assert local.get("/v1/models/minilm").json["kind"] == "encoder"


def _labels(local: Client) -> list[str]:
    return list(local.get("/v1/tasks/support").json["task"]["labels"])
