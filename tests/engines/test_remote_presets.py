"""What each kind of server is sent, settings that cannot be, and keys that are never shown."""

from __future__ import annotations

import logging
import os
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from upstream import Behaviour, Upstream, Writer, ask, chunk, collect, engine, events, reset, serving, streamed, whole

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, RightsizedError, UnsupportedError
from rightsized.core.generation import Generation
from rightsized.core.registry import resolve
from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.engines.remote import open_engine
from rightsized.engines.remote.presets import PRESETS
from rightsized.engines.remote.request import wire_body
from rightsized.engines.remote.settings import Settings, read_settings

SECRET = "sk-Zq7-very-secret-0123456789"
URL = "http://127.0.0.1:9/v1"
EVERY = ("chat", "completions", "embeddings", "rerank")
ANY_OBJECT = {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", SECRET)


def opened(preset: str = "openai", **more: Any) -> Settings:
    given = {"model": "m", "url": URL, "key_env": "UPSTREAM_KEY", "operations": EVERY, **more}
    return read_settings(TierConfig("tier", preset=preset, **given))


def sent(settings: Settings, operation: Any = "chat", *, stream: bool = False, **body: Any) -> dict[str, Any]:
    made = wire_body(Generation(operation, body, stream=stream), settings)
    assert made.pop("model", None) == (settings.tier.model or None)
    return made


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_sends_what_is_common(preset: str) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "tools": [], "x_new": {"a": 1}}
    settings = opened(preset)
    assert sent(settings, **body) == body
    streaming = sent(settings, stream=True, **body, stream_options={"x": 1})
    assert streaming == {**body, "stream": True, "stream_options": {"x": 1, "include_usage": True}}
    assert str(settings.urls["chat"]).endswith("/chat/completions")


@pytest.mark.parametrize(
    ("preset", "model", "given", "to"),
    [
        ("openai", "gpt-5-mini", {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ("openai", "o3", {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ("openai", "gpt-4o", {"max_tokens": 9}, {"max_tokens": 9}),
        ("openai", "o3", {"max_tokens": 9, "max_completion_tokens": 7}, {"max_completion_tokens": 7}),
        ("ollama", "qwen3", {"max_completion_tokens": 9}, {"max_tokens": 9}),
        ("lmstudio", "qwen3", {"max_completion_tokens": 9}, {"max_tokens": 9}),
        ("llamacpp", "", {"max_completion_tokens": 9}, {"max_tokens": 9}),
        ("vllm", "m", {"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
        ("lmdeploy", "m", {"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
        ("lmstudio", "m", {"response_format": {"type": "json_object"}}, {"response_format": ANY_OBJECT}),
        ("lmstudio", "m", {"response_format": {"type": "text"}}, {}),
        ("lmstudio", "m", {"response_format": ANY_OBJECT}, {"response_format": ANY_OBJECT}),
        ("anthropic", "m", {"response_format": {"type": "text"}}, {}),
        (
            "anthropic",
            "m",
            {"n": 1, "logprobs": False, "logit_bias": None},
            {"n": 1, "logprobs": False, "logit_bias": None},
        ),
    ],
)
def test_fields_in_other_words(preset: str, model: str, given: dict[str, Any], to: dict[str, Any]) -> None:
    before = repr(given)
    assert sent(opened(preset, model=model), **given) == to
    assert repr(given) == before, "the client's request is left as it was"


@pytest.mark.parametrize(
    ("preset", "operation", "field"),
    [
        ("anthropic", "chat", {"n": 2}),
        ("anthropic", "chat", {"logprobs": True}),
        ("anthropic", "chat", {"response_format": {"type": "json_schema", "json_schema": {}}}),
        ("anthropic", "chat", {"response_format": {"type": "json_object"}}),
        ("anthropic", "completions", {}),
        ("ollama", "chat", {"n": 2}),
        ("ollama", "chat", {"logit_bias": {"1": 5}}),
        ("ollama", "rerank", {}),
        ("lmstudio", "chat", {"logprobs": True}),
        ("vllm", "completions", {"suffix": "end"}),
        ("llamacpp", "completions", {"suffix": "end"}),
        ("openai", "rerank", {}),
    ],
)
def test_what_would_be_ignored_is_refused(preset: str, operation: Any, field: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="'tier'"):
        wire_body(Generation(operation, field), opened(preset))


def test_addresses_of_azure() -> None:
    base = "https://res.openai.azure.com"
    old = opened("azure", url=base, model="my deployment", options={"api_version": "2024-10-21"})
    assert str(old.urls["chat"]) == (
        f"{base}/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"
    )
    assert str(opened("azure", url=f"{base}/").urls["embeddings"]) == f"{base}/openai/v1/embeddings"
    assert not old.on_premises


def test_where_prompts_stay() -> None:
    assert opened().on_premises
    assert opened(url="http://localhost:11434/v1").on_premises
    assert opened("ollama", model="qwen3:8b").on_premises
    assert not opened("ollama", model="gpt-oss:120b-cloud").on_premises
    assert not opened("ollama", model="glm-4.6:cloud").on_premises
    assert not opened(url="http://192.168.0.9/v1").on_premises
    assert not opened(options={"on_premises": False}).on_premises


WRONG: dict[str, dict[str, Any]] = {
    "no preset 'openay'": {"preset": "openay"},
    "no option 'timeout'": {"options": {"timeout": 3}},
    "names no model": {"model": ""},
    "does none of": {"preset": "anthropic", "operations": ("embeddings",)},
    "holds a user or password": {"url": f"http://me:{SECRET}@127.0.0.1/v1"},
    "no http address": {"url": "http:///v1"},
    "is no address": {"url": "http://127.0.0.1:99999/v1"},
    "must end before": {"url": "http://127.0.0.1/v1?key=1"},
    "names one operation": {"url": "http://127.0.0.1/v1/chat/completions"},
    "keys are not written": {"headers": {"Authorization": f"Bearer {SECRET}"}},
    "may not set Host": {"headers": {"Host": "x"}},
    "cannot be sent": {"headers": {"X-A": "a\r\nX-B: b"}},
    "NO_SUCH_VARIABLE": {"key_env": "NO_SUCH_VARIABLE"},
    "both key_env and key_file": {"key_file": "key.txt"},
    "cannot be read": {"key_env": "", "key_file": "no/such/key.txt"},
    "needs a key": {"preset": "anthropic", "key_env": ""},
    "prompts leave this machine": {"url": "https://api.example.com/v1", "options": {"on_premises": True}},
    "must be above 0": {"options": {"max_response_mb": 0}},
    "ca_file": {"options": {"ca_file": "no/such.pem"}},
}


@pytest.mark.parametrize(("match", "more"), WRONG.items(), ids=WRONG.keys())
def test_settings_that_cannot_be(match: str, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        opened(**more)
    assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("text", ["two words", "line\nbreak", "ключ", "", "x" * 9000])
def test_what_cannot_be_a_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        opened(key_env="", key_file=str(file))
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("preset", "header", "value"),
    [
        ("openai", "authorization", f"Bearer {SECRET}"),
        ("vllm", "authorization", f"Bearer {SECRET}"),
        ("azure", "api-key", SECRET),
    ],
)
async def test_how_the_key_is_sent(preset: str, header: str, value: str) -> None:
    headers = {"OpenAI-Organization": "org"}
    async with serving(whole()) as up, engine(up.url, preset=preset, key_env="UPSTREAM_KEY", headers=headers) as tier:
        await tier.generate(ask())
    (seen,) = up.seen
    assert seen.headers[header] == value
    assert seen.headers["openai-organization"] == "org"
    assert sum(SECRET in text for text in seen.headers.values()) == 1


async def test_a_key_file_that_changes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first\n")
    async with serving(whole()) as up, engine(up.url, key_file=str(file)) as tier:
        await tier.generate(ask())
        other = tmp_path / "new"
        other.write_text("second-key\n")
        other.replace(file)
        await tier.generate(ask())
        file.unlink()
        await tier.generate(ask())
        assert "cannot be read" in tier.status().detail
        file.write_text("third")
        await tier.generate(ask())
        assert tier.status().detail == ""
    keys = [one.headers["authorization"] for one in up.seen]
    assert keys == ["Bearer first", "Bearer second-key", "Bearer second-key", "Bearer third"]


def echo(status: str) -> Behaviour:
    """A server that repeats the headers it was sent, as debug pages do."""

    async def answer(upstream: Upstream, writer: Writer) -> None:
        said = {"error": {"message": f"Incorrect API key provided: {upstream.seen[-1].headers}"}}
        await whole(said, status=status)(upstream, writer)

    return answer


BAD = streamed(events(chunk("a"), {"error": {"message": f"key {SECRET} is used up"}}, done=False))
LEAKS: list[Behaviour] = [
    *map(echo, ("400 X", "401 X", "403 X", "404 X", "429 X", "500 X", "503 X", "302 Found")),
    reset(),
    whole(raw=b"<html>", kind="text/html"),
    whole({"error": {"message": f"bad key {SECRET}"}}),
    BAD,
]


@pytest.mark.parametrize("turn", LEAKS)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_key_is_shown_nowhere(turn: Behaviour, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    async with serving(turn) as up, engine(up.url, key_env="UPSTREAM_KEY", retries=1) as tier:
        for _ in range(6):  # until the breaker tells of the last failure
            try:
                if stream:
                    await collect(tier, ask(stream=True))
                else:
                    await tier.generate(ask())
            except RightsizedError as error:
                shown += [repr(error), str(error), "".join(traceback.format_exception(error))]
                shown += [repr(pickle.loads(pickle.dumps(error))), repr(error.__context__), repr(error.__cause__)]
            shown += [repr(tier), repr(tier.status()), tier.digest]
    assert up.seen[0].headers["authorization"] == f"Bearer {SECRET}", "the key was sent"
    assert any("The server of the tier" in text for text in shown), "something failed"
    everything = "\n".join([*shown, caplog.text, *(str(record.__dict__) for record in caplog.records)])
    assert SECRET not in everything
    assert SECRET[:12] not in everything


def test_representations_hide_the_key() -> None:
    settings = opened()
    assert SECRET in os.environ["UPSTREAM_KEY"]
    for shown in (repr(settings), repr(settings.key), str(settings.tier), repr(vars(settings.key).keys())):
        assert SECRET not in shown


def test_digest_names_address_kind_and_model() -> None:
    same, other = opened(), opened(model="n")
    assert same.digest == opened(price_in=3.0).digest != other.digest
    assert same.digest.startswith("sha256:")


def test_found_by_its_name() -> None:
    assert resolve("rightsized.engines", "remote") is open_engine
    tier = open_engine(TierConfig("a", url=URL, model="m"), EngineContext(Egress(), ""))
    assert tier.operations == {"chat", "completions"}
    assert tier.name == "a"
