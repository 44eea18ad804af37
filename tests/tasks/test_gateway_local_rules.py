"""Safety rules on a real llama.cpp tier: an adapter bound to the task, and JSON that the model is held to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.config import load
from rightsized.core.errors import ForbiddenError
from rightsized.core.generation import Caller, Generation
from rightsized.core.types import Reply
from rightsized.tasks.gateway import LocalGateway
from tests.engines.tiny_gguf import folder, model, write_adapter

pytest.importorskip("xllamacpp")

TIERS = """
[[tiers]]
name = "plain"
engine = "fake"

[[tiers]]
name = "local"
engine = "llamacpp"
model = "{model}"
options = {{threads = 1, adapters = {{tone = "{adapter}"}}}}
"""
ADAPTER = '[[outputs]]\nid = "tone-of-ours"\ncheck = "adapter"\nadapter = "tone"\n'
SCHEMA = """
[[outputs]]
id = "form"
check = "schema"
[outputs.schema]
type = "object"
required = ["label"]
additionalProperties = false
properties.label = {enum = ["refund", "delivery"]}
"""


def asked(**more: Any) -> Generation:
    body = {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 24, **more}
    return Generation("chat", body)


def answers(tmp_path: Path, policy: str, *generations: Generation) -> list[Reply]:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "policy.toml").write_text(f"version = 1\n{policy}")
    file = tmp_path / "rightsized.toml"
    file.write_text(TIERS.format(model=model(), adapter=write_adapter(folder() / "rule.gguf")))

    async def main() -> list[Reply]:
        gateway = LocalGateway(load(file, environment={}, flags={"home": str(home)}))
        await gateway.start()
        try:
            return [await gateway.generate(one, Caller()) for one in generations]
        finally:
            await gateway.close()

    return asyncio.run(main())


def text(reply: Reply) -> str:
    assert reply.completion is not None
    return reply.completion.text


def test_a_task_is_answered_with_its_adapter_and_no_other_way(tmp_path: Path) -> None:
    bare, named = answers(tmp_path, "", asked(), asked(adapter="tone"))
    (bound,) = answers(tmp_path, ADAPTER, asked())
    assert bound.rung == "local"
    assert text(bound) == text(named) != text(bare)
    assert [(v.rule, v.effect) for v in bound.verdicts if v.rule == "tone-of-ours"] == [("tone-of-ours", "allow")]
    with pytest.raises(ForbiddenError, match="another adapter"):
        answers(tmp_path, ADAPTER, asked(adapter="mine"))


def test_a_model_is_held_to_a_schema_while_it_writes(tmp_path: Path) -> None:
    """Weights drawn by chance write nothing that makes sense, let alone JSON, unless they are held to it."""
    (reply,) = answers(tmp_path, SCHEMA, asked(max_tokens=96))
    assert json.loads(text(reply))["label"] in ("refund", "delivery")
    assert not reply.certified
