"""The page on small models: its settings work as they stand, and it names every option there is."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from rightsized.core.config import load
from rightsized.core.egress import Egress
from rightsized.core.generation import Generation
from rightsized.core.tiers import EngineContext
from rightsized.engines.llamacpp import open_engine
from rightsized.engines.llamacpp.options import Options
from tests.engines.tiny_gguf import write_adapter, write_llama, write_reranker

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "small-model-on-this-machine.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
BODIES = {
    "chat": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4},
    "completions": {"prompt": "Hello", "max_tokens": 4},
    "embeddings": {"input": "Hello"},
    "rerank": {"query": "the cat", "documents": ["the cat", "a dog"]},
}


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_settings_on_the_page_work(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    write_llama(tmp_path / "models" / "small.gguf", context=4096)
    write_adapter(tmp_path / "models" / "support-lora.gguf")
    write_reranker(tmp_path / "models" / "reranker.gguf")
    (tmp_path / "rightsized.toml").write_text(block, "utf-8")
    config = load(environment={})
    assert config.tiers

    async def scenario() -> None:
        for tier in config.tiers:
            engine = open_engine(tier, EngineContext(Egress(), config.home))
            await engine.start()
            try:
                for operation in tier.operations:
                    answer = await engine.generate(Generation(operation, BODIES[operation]))
                    assert answer.usage.prompt_tokens > 0
            finally:
                await engine.close()

    asyncio.run(scenario())


def test_every_option_is_on_the_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8").partition("## Options")[2], re.MULTILINE)
    assert rows == list(Options.__struct_fields__)
