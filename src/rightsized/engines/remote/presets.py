"""What each kind of server speaks beside the common OpenAI shape: one entry a server, data only.

A field that a server would silently leave out of account is refused here, since an answer that ignored it would look
like one that obeyed. Fields not named pass through. The source of each quirk stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from rightsized.core.errors import ConfigError
from rightsized.core.generation import Operation

ALL: frozenset[Operation] = frozenset(("chat", "completions", "embeddings", "rerank"))
TEXT: frozenset[Operation] = frozenset(("chat", "completions"))
_ANY_OBJECT = {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}


class Renamed(NamedTuple):
    """A field that has another name there, for models whose name matches."""

    field: str
    to: str
    models: re.Pattern[str] = re.compile("")


class Preset(NamedTuple):
    """How one kind of server differs.

    Attributes:
        operations: what it does at all.
        key_header, key_prefix: where its key goes.
        key_required: whether it answers nobody without a key.
        renamed: fields with another name there.
        refused: fields it ignores or rejects, each with the values that are the same as leaving it out.
        formats: response formats written otherwise; None: left out, "": refused.
        usage_in_streams: whether it takes `stream_options.include_usage`.
        path: where operations are; {model} is the model, {operation} the OpenAI path.
        leaves: models that this server runs elsewhere, though it listens on this machine.
        idle_s: how long an idle connection is kept, seconds. uvicorn closes after 5.
    """

    operations: frozenset[Operation] = ALL
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    key_required: bool = False
    renamed: tuple[Renamed, ...] = ()
    refused: Mapping[str, tuple[Any, ...]] = MappingProxyType({})
    formats: Mapping[str, dict[str, Any] | str | None] = MappingProxyType({})
    usage_in_streams: bool = True
    path: str = "/{operation}"
    model_required: bool = True
    leaves: re.Pattern[str] | None = None
    idle_s: float = 4.0


# OpenAI's API reference: max_tokens is deprecated and refused by reasoning models.
_REASONING = (Renamed("max_tokens", "max_completion_tokens", re.compile(r"(^|/)(o\d|gpt-5)")),)
# Older or smaller servers know the older name only, and would write without end.
_OLD_LIMIT = (Renamed("max_completion_tokens", "max_tokens"),)
_NO_SUFFIX: dict[str, tuple[Any, ...]] = {"suffix": ("",)}

PRESETS: dict[str, Preset] = {
    # Any other server: nothing is renamed or refused.
    "generic": Preset(),
    "openai": Preset(operations=ALL - {"rerank"}, renamed=_REASONING, idle_s=30.0),
    # platform.claude.com/docs/en/api/openai-sdk: n must be 1; these fields are ignored; chat only.
    "anthropic": Preset(
        operations=frozenset(("chat",)),
        key_required=True,
        refused={"n": (1,), "logprobs": (False,), "top_logprobs": (0,), "logit_bias": ({},), "prediction": ()},
        formats={"json_object": "", "json_schema": "", "text": None},
        idle_s=30.0,
    ),
    # learn.microsoft.com, Azure OpenAI REST reference: header api-key; /openai/v1 where no api_version is given,
    # see `settings`.
    "azure": Preset(
        operations=ALL - {"rerank"},
        key_header="api-key",
        key_prefix="",
        key_required=True,
        renamed=_REASONING,
        path="/openai/deployments/{model}/{operation}",
        idle_s=30.0,
    ),
    # docs.ollama.com/api/openai-compatibility: lists max_tokens and include_usage, neither n nor logit_bias.
    # Models named -cloud run at ollama.com.
    "ollama": Preset(
        operations=ALL - {"rerank"},
        renamed=_OLD_LIMIT,
        refused={"n": (1,), "logit_bias": ({},), "best_of": (1,), "echo": (False,)},
        leaves=re.compile(r"[:-]cloud$"),
    ),
    # docs.vllm.ai, OpenAI-compatible server: "suffix parameter is not supported".
    "vllm": Preset(refused=_NO_SUFFIX),
    # lmstudio-ai/lmstudio-bug-tracker 189 and 307: response_format may be json_schema, in newer versions also text;
    # a schema of any object is what json_object means.
    "lmstudio": Preset(
        operations=ALL - {"rerank"},
        renamed=_OLD_LIMIT,
        refused={"n": (1,), "logprobs": (False,), "top_logprobs": (0,)},
        formats={"json_object": _ANY_OBJECT, "text": None},
    ),
    # lmdeploy/serve/openai/protocol.py: both names of the limit, include_usage, every format.
    "lmdeploy": Preset(operations=TEXT, refused=_NO_SUFFIX),
    # ggml-org/llama.cpp 13700: max_completion_tokens had no effect. Fill-in-the-middle is /infill there, not `suffix`.
    # It serves one model under whatever name.
    "llamacpp": Preset(renamed=_OLD_LIMIT, refused=_NO_SUFFIX, model_required=False),
}

PATHS: dict[Operation, str] = {
    "chat": "chat/completions",
    "completions": "completions",
    "embeddings": "embeddings",
    "rerank": "rerank",
}


def find(name: str) -> Preset:
    """The preset of this name. Raises ConfigError that lists all."""
    if name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r} for remote servers.", fix=f"Presets: {', '.join(PRESETS)}.")
    return PRESETS[name]
