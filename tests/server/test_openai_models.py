"""`/v1/embeddings`, `/v1/rerank` and `/v1/models`: by a tier, and by an encoder of this machine."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fake_service import FakeService
from live_server import Client, running
from scripted_gateway import ScriptedGateway

EMBEDDINGS, RERANK, MODELS = "/v1/embeddings", "/v1/rerank", "/v1/models"
DOCUMENTS = ["parcel courier tracking", "password login account", "pass the word"]


@pytest.fixture(scope="module")
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture(scope="module")
def openai(gateway: ScriptedGateway) -> Iterator[Client]:
    service = FakeService()
    service.gateway = gateway
    with running(service) as made:
        yield made


def test_vectors_of_an_encoder_here(openai: Client) -> None:
    answer = openai.post(EMBEDDINGS, {"model": "letters", "input": ["abba", "cc " * 30]}).json
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert answer["data"][0]["embedding"][:3] == pytest.approx([0.5**0.5, 0.5**0.5, 0])
    assert np.linalg.norm(answer["data"][1]["embedding"]) == pytest.approx(1)
    assert answer["usage"] == {"prompt_tokens": 31, "total_tokens": 31, "cut_inputs": 1, "cost_usd": 0.0}
    assert (answer["model"], answer["object"]) == ("letters", "list")


@pytest.mark.parametrize("model", ["letters", "vectors"])
def test_base64_holds_the_same_numbers(openai: Client, model: str) -> None:
    asked = {"model": model, "input": ["abba", "gab"]}
    plain = openai.post(EMBEDDINGS, asked).json["data"]
    packed = openai.post(EMBEDDINGS, {**asked, "encoding_format": "base64"}).json["data"]
    for one, other in zip(plain, packed, strict=True):
        assert np.frombuffer(base64.b64decode(other["embedding"]), "<f4") == pytest.approx(one["embedding"])


def test_vectors_of_a_tier(openai: Client, gateway: ScriptedGateway) -> None:
    answer = openai.post(EMBEDDINGS, {"model": "vectors", "input": ["a", "b"], "dimensions": 3})
    assert [row["embedding"] for row in answer.json["data"]] == [[0.5, 0.25, 0.0], [0.5, 0.25, 1.0]]
    assert (answer.headers["x-rightsized-rung"], answer.json["usage"]["cost_usd"]) == ("small", 0.000042)
    assert gateway.seen[-1][0].body == {"input": ["a", "b"], "dimensions": 3}


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "auto"}, 400, "model"),
        ({"model": "nowhere"}, 404, "model"),
        ({"model": "small"}, 404, "model"),
        ({"input": []}, 400, "input"),
        ({"input": ["a", " "]}, 400, "input[1]"),
        ({"input": ""}, 400, "input"),
        ({"input": ["a", 1]}, 400, "input"),
        ({"input": [[1, 2]]}, 400, "input"),
        ({"input": "123"}, 400, None),
        ({"dimensions": 25}, 400, "dimensions"),
        ({"encoding_format": "hex"}, 400, "encoding_format"),
        ({"model": "vectors", "dimensions": 4}, 502, None),
    ],
)
def test_vectors_that_cannot_be_made(openai: Client, fields: dict[str, Any], status: int, param: str | None) -> None:
    answer = openai.post(EMBEDDINGS, {"model": "letters", "input": "abc", **fields})
    assert (answer.status, answer.json["error"]["param"]) == (status, param)


def test_a_model_that_is_not_there_is_answered_with_those_that_are(start: Callable[..., Client]) -> None:
    answer = start(FakeService()).post(EMBEDDINGS, {"model": "minilm", "input": "abc"})
    assert "Models that do: letters." in answer.json["error"]["message"]


def test_ranking_by_an_encoder_here(openai: Client) -> None:
    asked = {"model": "letters", "query": "password", "documents": DOCUMENTS, "top_n": 2, "return_documents": True}
    answer = openai.post(RERANK, asked).json
    assert [result["index"] for result in answer["results"]] == [2, 1]
    assert answer["results"][0]["document"] == {"text": DOCUMENTS[2]}
    assert 1 >= answer["results"][0]["relevance_score"] > answer["results"][1]["relevance_score"] > 0


def test_ranking_by_a_tier(openai: Client, gateway: ScriptedGateway) -> None:
    answer = openai.post(RERANK, {"model": "vectors", "query": "password", "documents": DOCUMENTS})
    assert [result["index"] for result in answer.json["results"]] == [0, 1, 2]
    assert answer.json["results"][0] == {"index": 0, "relevance_score": 0.23}
    assert answer.headers["x-rightsized-tier"] == "2"
    assert gateway.seen[-1][0].operation == "rerank"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": ["a", {"title": "b"}]}, "documents[1]"),
        ({"query": ""}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"model": "auto"}, "model"),
    ],
)
def test_what_cannot_be_ranked(openai: Client, fields: dict[str, Any], param: str) -> None:
    answer = openai.post(RERANK, {"model": "letters", "query": "a", "documents": ["a"], **fields})
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_models(openai: Client) -> None:
    listed = {model["id"]: model for model in openai.get(MODELS).json["data"]}
    assert {"auto", "small", "vectors", "acme/small-1b", "task:support", "letters"} <= set(listed)
    assert (listed["auto"]["state"], listed["auto"]["certificate"]) == ("certified", "cert-chat-1")
    assert (listed["task:support"]["kind"], listed["task:support"]["tier"]) == ("task", 3)
    assert listed["letters"]["operations"] == ["embeddings", "rerank"]
    for name, model in listed.items():
        assert openai.get(f"{MODELS}/{name}").json == model
    assert model["object"] == "model"


def test_a_model_that_is_not_there(openai: Client) -> None:
    answer = openai.get(f"{MODELS}/nowhere")
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    assert openai.send("DELETE", f"{MODELS}/small").status == 405


def test_models_without_tiers(start: Callable[..., Client]) -> None:
    kinds = {model["kind"] for model in start(FakeService(empty=True)).get(MODELS).json["data"]}
    assert kinds == {"encoder"}
