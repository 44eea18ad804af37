"""Clients that others wrote, `rightsized serve`, and real model servers behind it: llama.cpp with tiny models, and one
on loopback that speaks as OpenAI does.

`python -m tests.conformance.clients` installs the clients.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from clients import CLIENTS

from benchmarks.peer import Peer

pytest.importorskip("xllamacpp")
from tests.engines.test_llamacpp_answers import TOOL_TEMPLATE, TWO_CALLS
from tests.engines.tiny_gguf import write_llama, write_reranker

pytestmark = [pytest.mark.needs_clients, pytest.mark.slow]
PYTHON, NODE, LANGCHAIN, LITELLM = "openai-python", "openai-node", "langchain", "litellm-client"
WAIT_S = 20.0
CITIES = [{"city": "Oslo"}, {"city": "Rome"}]
CALLS = [
    piece.replace('"day": "today"', '"city": "Oslo"').replace('"day": "later"', '"city": "Rome"') for piece in TWO_CALLS
]
SETTINGS = """
[gateway]
uncertified_tier = "small"
data_class = "internal"

[[tiers]]
name = "small"
engine = "llamacpp"
model = "./small.gguf"
operations = ["chat", "completions", "embeddings"]
options = {{ threads = 1, slots = 2, pooling = "mean" }}

[[tiers]]
name = "caller"
engine = "llamacpp"
model = "./caller.gguf"
options = {{ threads = 1, slots = 1, sampling = {{ temperature = 0.0 }} }}

[[tiers]]
name = "ranker"
engine = "llamacpp"
model = "./ranker.gguf"
operations = ["rerank"]
options = {{ threads = 1, slots = 1 }}

[[tiers]]
name = "large"
tier = 1
preset = "openai"
url = "{url}/v1"
model = "gpt-4.1"
key_env = "STAND_IN_KEY"
data_classes = ["public", "internal"]
operations = ["chat", "completions", "embeddings"]
price_in = 2.0
price_out = 8.0
"""


class OpenAI(BaseHTTPRequestHandler):
    """Says whether it saw an image; where tools are offered, calls each for two cities, as one answer or in pieces."""

    protocol_version = "HTTP/1.1"
    bodies: list[Any]

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.bodies.append(body)
        given = body["messages"][-1]["content"]
        seen = isinstance(given, list) and any(part["type"] == "image_url" for part in given)
        calls = [
            {"id": f"call_{i}", "type": "function", "function": {"name": "weather", "arguments": json.dumps(city)}}
            for i, city in enumerate(CITIES if body.get("tools") else [])
        ]
        message = {"content": None, "tool_calls": calls} if calls else {"content": "An image." if seen else "Text."}
        finish = "tool_calls" if calls else "stop"
        if body.get("stream"):
            self._send(b"".join(map(_event, _pieces(message, finish))) + b"data: [DONE]\n\n", "text/event-stream")
        else:
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
            self._send(json.dumps(_answer("chat.completion", [choice])).encode(), "application/json")

    def _send(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _answer(kind: str, choices: list[Any]) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "gpt-4.1", "choices": choices, "usage": usage}


def _pieces(message: dict[str, Any], finish: str) -> Iterator[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": message["content"]}]
    for index, call in enumerate(message.get("tool_calls") or ()):
        arguments = call["function"]["arguments"]
        start = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [start]})
        parts = (arguments[:4], arguments[4:])
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in parts]
    for delta in deltas:
        yield _answer("chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": None}])
    yield _answer("chat.completion.chunk", [{"index": 0, "delta": {}, "finish_reason": finish}])


def _event(piece: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(piece).encode() + b"\n\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, list[Any]]]:
    handler = type("Handler", (OpenAI,), {"bodies": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler.bodies
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def url(upstream: tuple[str, list[Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`rightsized serve` in a folder that holds its settings and its models."""
    folder = tmp_path_factory.mktemp("gateway")
    write_llama(folder / "small.gguf", fim=True)
    write_llama(folder / "caller.gguf", template=TOOL_TEMPLATE, chain=CALLS)
    write_reranker(folder / "ranker.gguf")
    (folder / "rightsized.toml").write_text(SETTINGS.format(url=upstream[0]), "utf-8")
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--json", "--home", str(folder / "home")]
    environment = {**os.environ, "STAND_IN_KEY": "sk-stand-in"}
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    assert process.stdout is not None
    with process.stdout as said:
        yield json.loads(said.readline())["url"]
        process.terminate()
    assert process.wait(WAIT_S) == 0


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Iterator[Peer]:
    found = CLIENTS[request.param]()
    if not found.installed:
        pytest.skip(f"{found.name} is not installed; run: python -m tests.conformance.clients")
    with found as running:
        yield running


def only(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", names, indirect=True)


def _cities(made: list[Any]) -> list[str]:
    return [(json.loads(call) if isinstance(call, str) else call)["city"] for call in made]


@pytest.mark.parametrize("model", ["small", "large"])
def test_chat_whole_and_streamed(client: Peer, url: str, model: str) -> None:
    whole = client.call("chat", url=url, model=model)
    assert whole["id"] == f"chatcmpl-{whole['decision']}"
    assert whole["tokens"] > 0
    streamed = client.call("stream", url=url, model=model)
    assert streamed["text"]
    assert streamed["finish"] in ("stop", "length")
    if model == "large":
        assert (whole["text"], streamed["text"], whole["tokens"]) == ("Text.", "Text.", 14)
        assert whole.get("cost", 5.8e-05) == 5.8e-05


@pytest.mark.parametrize("model", ["caller", "large"])
def test_parallel_tool_calls(client: Peer, url: str, model: str) -> None:
    for made in client.call("calls", url=url, model=model):
        assert _cities(made) == ["Oslo", "Rome"]


def test_one_call_where_the_client_takes_one(client: Peer, url: str) -> None:
    for made in client.call("calls", url=url, model="caller", parallel_tool_calls=False):
        assert _cities(made) == ["Oslo"]


@only(PYTHON)
def test_choices_and_their_probabilities(client: Peer, url: str) -> None:
    rows = client.call("choices", url=url)
    assert len(rows) == 4
    for text, tokens, alternatives in rows:
        assert text == tokens
        assert alternatives == [2] * len(text)
    assert rows[0][0] != rows[1][0]


@only(PYTHON, LANGCHAIN)
def test_structured_output(client: Peer, url: str) -> None:
    assert set(client.call("parsed", url=url, model="small")) == {"city", "rain"}


@only(PYTHON)
def test_images_go_to_tiers_that_take_them(client: Peer, url: str, upstream: tuple[str, list[Any]]) -> None:
    assert client.call("image", url=url, model="large") == {"text": "An image."}
    assert upstream[1][-1]["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert client.call("image", url=url, model="small") == {"status": 400, "code": "unsupported"}


@only(PYTHON, NODE, LITELLM)
def test_completions(client: Peer, url: str) -> None:
    """The official clients ask for the middle between a prompt and a suffix."""
    answer = client.call("completions", url=url)
    assert answer["text"]
    assert answer["tokens"] > 5


def test_embeddings(client: Peer, url: str) -> None:
    rows = client.call("embeddings", url=url, model="small")["rows"]
    assert [len(row) for row in rows] == [64, 64]
    assert rows[0] != rows[1]
    assert sum(value * value for value in rows[0]) == pytest.approx(1, abs=1e-4)


def test_rerank(url: str) -> None:
    body = {
        "model": "ranker",
        "query": "the cat",
        "documents": ["the dog ran", "the cat sat"],
        "return_documents": True,
    }
    request = urllib.request.Request(
        f"{url}/v1/rerank", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    scores = [row["relevance_score"] for row in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert {row["index"]: row["document"]["text"] for row in answer["results"]} == dict(enumerate(body["documents"]))
    assert answer["usage"]["prompt_tokens"] > 0


def test_failures_have_one_shape_whoever_finds_them(url: str) -> None:
    """A field that the server checks, one that llama.cpp refuses, one that only its grammar can know, and no model."""
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
    for more, status, code in (
        ({"temperature": 3}, 400, "invalid_value"),
        ({"web_search_options": {}}, 400, "unsupported"),
        ({"response_format": schema}, 400, "input"),
        ({"messages": [{"role": "user", "content": "x" * 3000}]}, 400, "context_length_exceeded"),
        ({"model": "gpt-5"}, 404, "model_not_found"),
    ):
        body = {"model": "small", "messages": [{"role": "user", "content": "Hello"}], **more}
        request = urllib.request.Request(
            f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == status
        error = json.load(caught.value)["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", code)
        assert error["message"]
        caught.value.close()
