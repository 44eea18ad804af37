"""Limits of keys in the server that `rightsized serve` puts together: what the gateway counts, the door must know."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from rightsized.store.home import Home
from rightsized.store.keys import KeyStore, Limits

WAIT_S = 20.0
ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
SETTINGS = """
[server]
require_key = "always"

[[tiers]]
name = "small"
engine = "fake"
price_in = 100000.0
price_out = 100000.0
options = { answer = "It rains." }
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The server's address, and keys by the limit that they have."""
    folder = tmp_path_factory.mktemp("limits")
    (folder / "rightsized.toml").write_text(SETTINGS, "utf-8")
    store = KeyStore(Home(folder / "home").ensure())
    limits = {f"{path} {stream}": Limits(tokens_per_minute=5) for path in ROUTES for stream in (False, True)}
    limits |= {"requests": Limits(requests_per_minute=1), "money": Limits(budget_usd=1.5)}
    keys = {name: store.create(name, limits=limit)[1] for name, limit in limits.items()}
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--json", "--home", str(folder / "home")]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        yield json.loads(said.readline())["url"], keys
        process.terminate()
    assert process.wait(WAIT_S) == 0


def ask(url: str, key: str, path: str = "/v1/chat/completions", **fields: Any) -> tuple[int, dict[str, Any], str]:
    """Status, the error if there is one, and Retry-After."""
    given = {"prompt": "hi"} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "hi"}]}
    body = {"model": "small", "max_tokens": 10, **({"input": "hi"} if path == "/v1/responses" else given), **fields}
    body |= {"max_output_tokens": body.pop("max_tokens")} if path == "/v1/responses" else {}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            response.read()
            return response.status, {}, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"], error.headers.get("Retry-After", "")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("stream", [False, True])
def test_tokens_a_minute_bind_on_every_route(served: tuple[str, dict[str, str]], path: str, stream: bool) -> None:
    url, keys = served
    key = keys[f"{path} {stream}"]
    statuses = [ask(url, key, path, stream=stream)[0] for _ in range(2)]  # 3 tokens each: 2 are left, then -1
    assert statuses == [200, 200]
    status, error, after = ask(url, key, path, stream=stream)
    assert (status, error["type"], error["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert "5 tokens a minute" in error["message"]
    assert 1 <= int(after) <= 60
    assert ask(url, key, "/v1/completions")[0] == 429  # one account, whatever is asked


def test_requests_a_minute_and_money_bind_too(served: tuple[str, dict[str, str]]) -> None:
    url, keys = served
    assert [ask(url, keys["requests"])[0] for _ in range(2)] == [200, 429]
    statuses = [ask(url, keys["money"], stream=number % 2 == 1)[0] for number in range(4)]
    assert statuses == [200, 200, 429, 429]  # 0.30 each; 1.10 are set aside
