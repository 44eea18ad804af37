"""Any OpenAI-compatible server as a tier: vLLM, Ollama, LM Studio, LMDeploy, llama.cpp, OpenAI, Anthropic, Azure.

In `rightsized.toml`: `engine = "remote"` with `url`, `model` and `preset`; a key is named by `key_env` or `key_file`.
Nothing is reached that `[egress] allow` does not name, except this machine.
"""

from __future__ import annotations

from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.engines.remote.generator import RemoteGenerator
from rightsized.engines.remote.settings import read_settings

__all__ = ["RemoteGenerator", "open_engine"]


def open_engine(tier: TierConfig, context: EngineContext) -> RemoteGenerator:
    """The tier of a `[[tiers]]` table with `engine = "remote"`. Raises ConfigError."""
    return RemoteGenerator(read_settings(tier), context.egress)
