"""From an OpenAI request to the calls that llama.cpp is asked: one a prompt and choice.

A field that would change the answer and that llama.cpp does not know is refused: dropped in silence, it would give an
answer to another question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rightsized.core.errors import InputError, UnsupportedError
from rightsized.core.generation import Generation
from rightsized.engines.llamacpp.shapes import is_tokens

Body = dict[str, Any]

SAMPLING = frozenset(
    (
        "temperature",
        "top_p",
        "max_tokens",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "top_k",
        "min_p",
        "typical_p",
        "repeat_penalty",
        "repeat_last_n",
        "dynatemp_range",
        "dynatemp_exponent",
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
        "xtc_probability",
        "xtc_threshold",
        "top_n_sigma",
        "dry_multiplier",
        "dry_base",
        "dry_allowed_length",
        "dry_penalty_last_n",
        "dry_sequence_breakers",
        "samplers",
        "ignore_eos",
        "min_keep",
        "grammar",
        "json_schema",
    )
)
CHAT = SAMPLING | frozenset(
    (
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "top_logprobs",
        "chat_template_kwargs",
        "reasoning_format",
        "reasoning_effort",
    )
)
HANDLED = frozenset(
    (
        "model",
        "stream",
        "stream_options",
        "n",
        "prompt",
        "suffix",
        "logprobs",
        "max_completion_tokens",
        "response_format",
        "adapter",
        "best_of",
        "echo",
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prediction",
        "verbosity",
    )
)


class Call(NamedTuple):
    """One request to llama.cpp, for one choice."""

    path: str
    body: Body
    choice: int


class Abilities(NamedTuple):
    """What the loaded model can do, as far as requests must know it."""

    adapters: tuple[str, ...]
    default_adapter: str
    sampling: Mapping[str, float]
    reuse_prompt: bool
    fixed_seed: bool
    tools: bool


def calls(generation: Generation, abilities: Abilities, prompts: list[Any]) -> list[Call]:
    """The calls that answer a chat or completions request, in the order of its choices.

    Args:
        prompts: what `prompts_of` gave, fill-in-the-middle prompts already built; one None for a chat.
    Raises:
        UnsupportedError, InputError.
    """
    body = generation.body
    shared = _shared(generation, abilities)
    count = choices(body)
    path = "/v1/chat/completions" if generation.operation == "chat" else "/v1/completions"
    found: list[Call] = []
    for prompt in prompts:
        for _ in range(count):
            index = len(found)
            given = dict(shared) if prompt is None else shared | {"prompt": prompt}
            if index and isinstance(shared.get("seed"), int):
                given["seed"] = shared["seed"] + index  # the same seed would write the same choice again
            found.append(Call(path, given, index))
    return found


def prompts_of(generation: Generation) -> list[Any]:
    """The prompts of a request: texts or lists of token ids. Raises InputError."""
    if generation.operation == "chat":
        return [None]
    prompt = generation.body.get("prompt")
    if isinstance(prompt, str) or is_tokens(prompt):
        return [prompt]
    if isinstance(prompt, list) and prompt and all(isinstance(p, str) or is_tokens(p) for p in prompt):
        return prompt
    raise InputError("`prompt` must be a text, a list of token ids, or a list of such.")


def choices(body: Mapping[str, Any]) -> int:
    """How many answers to each prompt."""
    return int(body.get("n") or 1)


def constrained(body: Mapping[str, Any]) -> bool:
    """Whether the answer must keep to a schema or a grammar."""
    given = body.get("response_format")
    kind = given.get("type") if isinstance(given, dict) else None
    return kind in ("json_object", "json_schema") or bool(body.get("json_schema")) or bool(body.get("grammar"))


def must_call(body: Mapping[str, Any]) -> bool:
    """Whether the answer must call a tool."""
    choice = body.get("tool_choice")
    return bool(body.get("tools")) and (choice == "required" or isinstance(choice, dict))


def lora(body: Mapping[str, Any], abilities: Abilities) -> list[Body]:
    """The weight of each adapter for one request: `adapter` names one, or several with their scales.

    Raises InputError.
    """
    named = body.get("adapter", abilities.default_adapter) or {}
    scales = {named: 1.0} if isinstance(named, str) else named
    unknown = sorted(set(scales) - set(abilities.adapters))
    if unknown:
        known = ", ".join(abilities.adapters) or "none"
        raise InputError(f"This tier has no adapter {unknown[0]!r}.", fix=f"Adapters here: {known}.", param="adapter")
    return [{"id": place, "scale": float(scales.get(name, 0.0))} for place, name in enumerate(abilities.adapters)]


def _shared(generation: Generation, abilities: Abilities) -> Body:
    body, chat = generation.body, generation.operation == "chat"
    _refuse(body, chat=chat, tools=abilities.tools)
    passed = CHAT if chat else SAMPLING
    given: Body = dict(abilities.sampling)
    if abilities.fixed_seed:
        given["seed"] = 0
    given |= {key: value for key, value in body.items() if key in passed and value is not None}
    if (most := body.get("max_completion_tokens")) is not None:
        given["max_tokens"] = most
    given |= _named_tool(body) if chat else _format(body)
    given |= _logprobs(body, chat=chat)
    given["cache_prompt"] = abilities.reuse_prompt
    if abilities.adapters:
        given["lora"] = lora(body, abilities)
    return given


def _refuse(body: Mapping[str, Any], *, chat: bool, tools: bool) -> None:
    passed = CHAT if chat else SAMPLING
    unknown = sorted(k for k, v in body.items() if k not in passed and k not in HANDLED and v is not None)
    if unknown:
        words = f"The llama.cpp engine does not know the field {unknown[0]!r}."
        raise UnsupportedError(words, fix="Leave it out.", param=unknown[0])
    if body.get("echo") or (body.get("best_of") or 1) != 1:
        words, param = (
            "The llama.cpp engine does neither `echo` nor `best_of`.",
            "echo" if body.get("echo") else "best_of",
        )
        raise UnsupportedError(words, fix="Leave them out.", param=param)
    if body.get("tools") and body.get("tool_choice") != "none" and not tools:
        raise UnsupportedError(
            "The chat template of this model takes no tools.", fix="Use a model whose template does.", param="tools"
        )
    for message in body.get("messages") or ():
        parts = message.get("content") if isinstance(message, dict) else None
        kinds = {part.get("type") for part in parts if isinstance(part, dict)} if isinstance(parts, list) else set()
        if kinds - {"text", "refusal"}:
            kind = sorted(map(str, kinds - {"text"}))[0]
            raise UnsupportedError(f"This model reads text only, not {kind!r}.", param="messages")


def _named_tool(body: Mapping[str, Any]) -> Body:
    """A choice of one tool by name: that tool alone, required. Raises InputError."""
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return {}
    name = (choice.get("function") or {}).get("name")
    found = [tool for tool in body.get("tools") or () if (tool.get("function") or {}).get("name") == name]
    if not found:
        raise InputError(f"tool_choice names the tool {name!r}, which is none of `tools`.")
    return {"tools": found, "tool_choice": "required"}


def _format(body: Mapping[str, Any]) -> Body:
    """`response_format` for completions, where llama.cpp knows only a schema."""
    given = body.get("response_format")
    if given is None or given["type"] == "text":
        return {}
    if given["type"] == "json_object":
        return {"json_schema": given.get("schema") or {"type": "object"}}
    return {"json_schema": given["json_schema"].get("schema") or {}}


def _logprobs(body: Mapping[str, Any], *, chat: bool) -> Body:
    asked = body.get("logprobs")
    if chat:
        return {"logprobs": True, "top_logprobs": max(1, body.get("top_logprobs") or 0)} if asked is True else {}
    if asked is None or asked is False:
        return {}
    return {"logprobs": max(1, int(asked))}
