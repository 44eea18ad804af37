"""Clients that others wrote drive a real server in a process of its own: the wire format is what they say it is.

`python -m tests.conformance.clients` installs them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients import CLIENTS, NodeClient, PythonClient

from benchmarks.peer import Peer

pytestmark = [pytest.mark.needs_clients, pytest.mark.slow]
SERVED = Path(__file__).parent / "served.py"
PYTHON, NODE, LANGCHAIN, LITELLM = "openai-python", "openai-node", "langchain", "litellm-client"
WAIT_S = 20.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose models each behave in one way."""
    process = subprocess.Popen([sys.executable, str(SERVED)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        yield said.readline().strip()
        process.terminate()
    assert process.wait(WAIT_S) == 0


def _running(client: PythonClient | NodeClient) -> Iterator[Peer]:
    if not client.installed:
        pytest.skip(f"{client.name} is not installed; run: python -m tests.conformance.clients")
    with client as running:
        yield running


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Iterator[Peer]:
    yield from _running(CLIENTS[request.param]())


def only(*names: str) -> pytest.MarkDecorator:
    """The clients that have such a call of their own."""
    return pytest.mark.parametrize("client", names, indirect=True)


def call(client: Peer, operation: str, url: str, **arguments: Any) -> Any:
    return client.call(operation, url=url, **arguments)


def _arguments(made: Any) -> Any:
    return json.loads(made) if isinstance(made, str) else made


def test_chat(client: Peer, url: str) -> None:
    answer = call(client, "chat", url)
    assert (answer["text"], answer["finish"], answer["tokens"]) == ("It is raining.", "stop", 14)
    assert answer["id"] == f"chatcmpl-{answer['decision']}"
    assert answer.get("cost", 0.000042) == 0.000042


@pytest.mark.parametrize("usage", [True, False])
def test_stream(client: Peer, url: str, usage: bool) -> None:
    answer = call(client, "stream", url, usage=usage)
    assert (answer["text"], answer["finish"]) == ("It is raining.", "stop")
    assert answer["tokens"] == 14 or (client.name == LITELLM and not usage)  # which counts by itself then
    assert answer.get("cost", 0.000042) == 0.000042


@pytest.mark.parametrize("operation", ["tools", "accumulated"])
def test_tool_calls(client: Peer, url: str, operation: str) -> None:
    made = call(client, operation, url)
    assert (made["name"], _arguments(made["arguments"])) == ("weather", {"city": "Oslo"})
    assert made.get("then", "It is raining.") == "It is raining."


@only(PYTHON, LANGCHAIN)
def test_structured_output(client: Peer, url: str) -> None:
    assert call(client, "parsed", url) == {"city": "Oslo", "rain": True}


FAILURES = {
    "limited": (429, "RateLimitError", "rate_limit_exceeded", "rate_limit_error"),
    "fails": (502, "InternalServerError", "upstream", "upstream_error"),
    "long": (400, "BadRequestError", "context_length_exceeded", "invalid_request_error"),
    "nowhere": (404, "NotFoundError", "model_not_found", "invalid_request_error"),
    "forbidden": (403, "PermissionDeniedError", "forbidden", "permission_error"),
    "abstains": (422, "UnprocessableEntityError", "needs_person", "needs_person"),
}
RENAMED = {  # what LangChain and LiteLLM make of some of them
    (LANGCHAIN, "limited"): "OpenAIRateLimitError",
    (LANGCHAIN, "fails"): "OpenAIAPIError",
    (LANGCHAIN, "long"): "OpenAIInvalidRequestError",
    (LANGCHAIN, "nowhere"): "OpenAIModelNotFoundError",
    (LANGCHAIN, "forbidden"): "OpenAIPermissionDeniedError",
    (LITELLM, "long"): "ContextWindowExceededError",
    (LITELLM, "fails"): "BadGatewayError",
    (LITELLM, "forbidden"): "APIError",
    (LITELLM, "abstains"): "BadRequestError",
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", FAILURES)
def test_failures_become_the_right_exceptions(client: Peer, url: str, model: str, streamed: bool) -> None:
    status, name, code, kind = FAILURES[model]
    found = call(client, "fails", url, model=model, streamed=streamed)
    assert found["class"] == RENAMED.get((client.name, model), name)
    assert found["status"] == status
    if client.name in (PYTHON, NODE):
        assert (found["code"], found["type"]) == (code, kind)
        assert bool(found["decision"]) == (model == "abstains")


def test_a_stream_that_is_held_back_is_read_past_its_keep_alives(client: Peer, url: str) -> None:
    answer = call(client, "stream", url, model="held back")
    assert (answer["text"], answer["finish"], answer["tokens"]) == ("It is raining.", "stop", 14)


@pytest.mark.parametrize(("model", "code"), [("fails late", "upstream"), ("abstains late", "needs_person")])
def test_a_failure_after_keep_alives_is_an_exception(client: Peer, url: str, model: str, code: str) -> None:
    found = call(client, "fails", url, model=model, streamed=True)
    assert found["class"] is not None, "the client took a failure for an empty answer"
    assert found["got"] == ""
    if client.name in (PYTHON, NODE):
        assert (found["class"], found["code"], bool(found["decision"])) == ("APIError", code, code == "needs_person")


def test_death_in_the_middle_is_an_exception(client: Peer, url: str) -> None:
    found = call(client, "fails", url, model="breaks", streamed=True)
    assert found["class"] is not None, "the client took half an answer for a whole one"
    if client.name in (PYTHON, NODE):
        assert (found["class"], found["got"], found["code"]) == ("APIError", "It is ", "upstream")


@only(PYTHON, NODE)
def test_leaving_ends_the_work(client: Peer, url: str) -> None:
    before = _metric(url, "rightsized_clients_gone_total")
    assert call(client, "leaves", url)
    deadline = time.monotonic() + WAIT_S
    while _metric(url, "rightsized_clients_gone_total") == before:
        assert time.monotonic() < deadline, "the work went on for nobody"
        time.sleep(0.05)


def _metric(url: str, name: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics") as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))


@only(PYTHON, NODE, LITELLM)
def test_completions(client: Peer, url: str) -> None:
    assert call(client, "completions", url) == {"text": "It is raining.", "tokens": 14}


def test_embeddings(client: Peer, url: str) -> None:
    rows = call(client, "embeddings", url)["rows"]
    assert len(rows[0]) == 26
    assert rows[0][:3] == pytest.approx([0.5**0.5, 0.5**0.5, 0], abs=1e-6)
    assert rows[1][6] == pytest.approx(3**-0.5)


@only(PYTHON, NODE)
def test_models(client: Peer, url: str) -> None:
    assert {"auto", "small", "task:support", "letters"} <= set(call(client, "models", url))


@only(PYTHON, NODE, LANGCHAIN)
def test_responses(client: Peer, url: str) -> None:
    answer = call(client, "responses", url)
    assert (answer["text"], answer["tokens"]) == ("It is raining.", 14)


@only(PYTHON, NODE)
def test_responses_stream(client: Peer, url: str) -> None:
    held = call(client, "responses_stream", url, model="held back")
    assert (held["text"], held["last"]) == ("It is raining.", "response.completed")
    text = call(client, "responses_stream", url)
    assert (text["text"], text["last"]) == ("It is raining.", "response.completed")
    assert call(client, "responses_stream", url, model="tools")["calls"] == ['{"city": "Oslo"}']


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """`rightsized serve` with two tiers of the settings, recording what it does."""
    (tmp_path / "rightsized.toml").write_text(
        '[[tiers]]\nname = "small"\nengine = "fake"\nprice_in = 1000.0\noptions = { answer = "It rains." }\n'
        '[[tiers]]\nname = "down"\nengine = "fake"\ntier = 1\noptions = { fail = "It is switched off." }\n'
        '[gateway]\nuncertified_tier = "small"\n',
        "utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "rightsized.cli",
        "serve",
        "--port",
        "0",
        "--json",
        "--home",
        str(tmp_path / "home"),
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        yield json.loads(said.readline())["url"]
        process.terminate()
    assert process.wait(WAIT_S) == 0


def test_the_official_client_and_the_whole_gateway(gateway: str) -> None:
    """Settings, tiers, ladder, ledger, server and client together; each answer leads to its record."""
    for client in _running(CLIENTS["openai-python"]()):
        answer = client.call("chat", url=gateway, model="auto")
        assert (answer["text"], answer["cost"] > 0) == ("It rains.", True)
        assert client.call("stream", url=gateway, model="auto")["text"] == "It rains."
        with urllib.request.urlopen(f"{gateway}/v1/decisions/{answer['decision']}") as response:
            decision = json.load(response)["decision"]
        assert (decision["phase"], decision["reply"]["rung"], decision["data_class"]) == ("done", "small", "public")
        found = client.call("fails", url=gateway, model="down")
        assert (found["class"], found["status"]) == ("InternalServerError", 502)
        assert {"auto", "small", "down"} <= set(client.call("models", url=gateway))
