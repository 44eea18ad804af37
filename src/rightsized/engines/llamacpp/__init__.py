"""llama.cpp: GGUF models on this machine, each in a process of its own.

`worker` is that process, `process` starts and mends it, `client` talks to it, `requests` and `replies` translate
between OpenAI's shape and llama.cpp's, `generator` puts them together. Imports are made in the function below, so
that the worker, which is a module of this package too, starts without the parts that only its parent needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightsized.core.tiers import EngineContext, TierConfig

if TYPE_CHECKING:
    from rightsized.engines.llamacpp.generator import LlamaCppGenerator


def open_engine(tier: TierConfig, context: EngineContext) -> LlamaCppGenerator:
    """The model of a `[[tiers]]` table with `engine = "llamacpp"`. The process starts with `start()`.

    Raises ConfigError (an option is wrong), NotFoundError (no such model), IntegrityError (not a GGUF file),
    MissingExtraError (xllamacpp is not installed).
    """
    from rightsized.engines.llamacpp.generator import open_generator

    return open_generator(tier, context)
