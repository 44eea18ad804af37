"""The tensors that a `config.json` stands for once converted to GGUF, family by family.

Names and shapes are those that llama.cpp's converter writes; a test compares them with converted checkpoints. A family
that is not here is planned from its safetensors headers (`planner_checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from rightsized.core.errors import InputError

Shapes = list[tuple[str, tuple[int, ...]]]


class Sizes(NamedTuple):
    """The numbers of a `config.json` under one set of names, with the defaults that transformers gives them."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    key_heads: int
    head: int
    vocabulary: int
    context: int
    experts: int
    experts_used: int
    expert_width: int
    window: int
    tied: bool
    attention_bias: bool
    bias: bool


class Family(NamedTuple):
    """How one family is laid out. `tied` and `defaults` are what transformers assumes where a config does not say."""

    architecture: str
    shapes: Callable[[Sizes], Shapes]
    tied: bool = False
    defaults: Mapping[str, int] = MappingProxyType({})


def sizes(config: Mapping[str, Any], family: Family) -> Sizes:
    """Read the numbers out of a config.

    Raises:
        InputError: one that every model needs is missing.
    """
    config = {**family.defaults, **config}
    width = _needed(config, "hidden_size", "n_embd")
    heads = _needed(config, "num_attention_heads", "n_head")
    several = not config.get("multi_query", True)
    default_keys = heads if family.architecture != "starcoder" or several else 1
    return Sizes(
        layers=_needed(config, "num_hidden_layers", "n_layer"),
        width=width,
        feed_forward=_first(config, "intermediate_size", "n_inner", default=4 * width),
        heads=heads,
        key_heads=_first(config, "num_key_value_heads", default=default_keys),
        head=_first(config, "head_dim", default=_default_head(family.architecture, width, heads)),
        vocabulary=_needed(config, "vocab_size"),
        context=_first(config, "max_position_embeddings", "n_positions", default=0),
        experts=_first(config, "num_local_experts", "num_experts", default=0),
        experts_used=_first(config, "num_experts_per_tok", default=0),
        expert_width=_first(config, "moe_intermediate_size", default=0),
        window=_window(config),
        tied=bool(config.get("tie_word_embeddings", family.tied)),
        attention_bias=bool(config.get("attention_bias", False)),
        bias=bool(config.get("use_bias", True)),
    )


def _window(config: Mapping[str, Any]) -> int:
    if config.get("use_sliding_window") is False:
        return 0
    return _first(config, "sliding_window", default=0)


def _default_head(architecture: str, width: int, heads: int) -> int:
    return 256 if architecture in ("gemma", "gemma2", "gemma3") else width // heads


def _llama(size: Sizes) -> Shapes:
    """Llama, Mistral and Mixtral; with other names below also Qwen and Gemma."""
    return _decoder(size, lambda i: _attention(i, size, bias=size.attention_bias) + _gated(i, size))


def _qwen2(size: Sizes) -> Shapes:
    def layer(i: int) -> Shapes:
        query_key_value = [(f"blk.{i}.attn_{n}.bias", (rows,)) for n, rows in _projections(size)]
        return _attention(i, size) + query_key_value + _gated(i, size)

    return _decoder(size, layer)


def _qwen3(size: Sizes) -> Shapes:
    return _decoder(size, lambda i: _attention(i, size) + _head_norms(i, size) + _gated(i, size))


def _gemma2(size: Sizes) -> Shapes:
    return _decoder(size, lambda i: _attention(i, size) + _gated(i, size) + _after_norms(i, size))


def _gemma3(size: Sizes) -> Shapes:
    return _decoder(
        size, lambda i: _attention(i, size) + _head_norms(i, size) + _gated(i, size) + _after_norms(i, size)
    )


def _phi(size: Sizes) -> Shapes:
    def layer(i: int) -> Shapes:
        found = [(f"blk.{i}.attn_norm.{part}", (size.width,)) for part in ("weight", "bias")]
        return found + _attention(i, size, bias=True, norm=False) + _plain(i, size)

    found = _decoder(size, layer)
    return [*found, ("output_norm.bias", (size.width,)), ("output.bias", (size.vocabulary,))]


def _phi3(size: Sizes) -> Shapes:
    def layer(i: int) -> Shapes:
        rows = (size.heads + 2 * size.key_heads) * size.head
        return [
            (f"blk.{i}.attn_norm.weight", (size.width,)),
            (f"blk.{i}.attn_qkv.weight", (size.width, rows)),
            (f"blk.{i}.attn_output.weight", (size.heads * size.head, size.width)),
            (f"blk.{i}.ffn_norm.weight", (size.width,)),
            (f"blk.{i}.ffn_up.weight", (size.width, 2 * size.feed_forward)),
            (f"blk.{i}.ffn_down.weight", (size.feed_forward, size.width)),
        ]

    return _decoder(size, layer)


def _starcoder2(size: Sizes) -> Shapes:
    def layer(i: int) -> Shapes:
        norms = [(f"blk.{i}.{n}.{p}", (size.width,)) for n in ("attn_norm", "ffn_norm") for p in ("weight", "bias")]
        return norms + _attention(i, size, bias=size.bias, norm=False) + _plain(i, size, bias=size.bias)

    return [*_decoder(size, layer), ("output_norm.bias", (size.width,))]


def _starcoder(size: Sizes) -> Shapes:
    def layer(i: int) -> Shapes:
        rows = (size.heads + 2 * size.key_heads) * size.head
        norms = [(f"blk.{i}.{n}.{p}", (size.width,)) for n in ("attn_norm", "ffn_norm") for p in ("weight", "bias")]
        fused = [(f"blk.{i}.attn_qkv.weight", (size.width, rows)), (f"blk.{i}.attn_qkv.bias", (rows,))]
        out = [(f"blk.{i}.attn_output.weight", (size.width, size.width)), (f"blk.{i}.attn_output.bias", (size.width,))]
        return norms + fused + out + _plain(i, size)

    positions = ("position_embd.weight", (size.width, size.context))
    return [*_decoder(size, layer), ("output_norm.bias", (size.width,)), positions]


def _decoder(size: Sizes, layer: Callable[[int], Shapes]) -> Shapes:
    found: Shapes = [("token_embd.weight", (size.width, size.vocabulary)), ("output_norm.weight", (size.width,))]
    if not size.tied:
        found.append(("output.weight", (size.width, size.vocabulary)))
    for i in range(size.layers):
        found += layer(i)
    return found


def _projections(size: Sizes) -> list[tuple[str, int]]:
    return [("q", size.heads * size.head), ("k", size.key_heads * size.head), ("v", size.key_heads * size.head)]


def _attention(i: int, size: Sizes, *, bias: bool = False, norm: bool = True) -> Shapes:
    found: Shapes = [(f"blk.{i}.attn_norm.weight", (size.width,))] if norm else []
    for name, rows in _projections(size):
        found.append((f"blk.{i}.attn_{name}.weight", (size.width, rows)))
        if bias:
            found.append((f"blk.{i}.attn_{name}.bias", (rows,)))
    found.append((f"blk.{i}.attn_output.weight", (size.heads * size.head, size.width)))
    if bias:
        found.append((f"blk.{i}.attn_output.bias", (size.width,)))
    return found


def _head_norms(i: int, size: Sizes) -> Shapes:
    return [(f"blk.{i}.attn_{name}_norm.weight", (size.head,)) for name in ("q", "k")]


def _after_norms(i: int, size: Sizes) -> Shapes:
    return [(f"blk.{i}.{name}.weight", (size.width,)) for name in ("post_attention_norm", "post_ffw_norm")]


def _gated(i: int, size: Sizes) -> Shapes:
    base, width = f"blk.{i}.", size.width
    found: Shapes = [(base + "ffn_norm.weight", (width,))]
    if not size.experts:
        inner = size.feed_forward
        gate = [(base + f"ffn_{n}.weight", (width, inner)) for n in ("gate", "up")]
        return [*found, *gate, (base + "ffn_down.weight", (inner, width))]
    inner = size.expert_width or size.feed_forward
    found += [(base + f"ffn_{n}_exps.weight", (width, inner, size.experts)) for n in ("gate", "up")]
    found.append((base + "ffn_down_exps.weight", (inner, width, size.experts)))
    return [*found, (base + "ffn_gate_inp.weight", (width, size.experts))]


def _plain(i: int, size: Sizes, *, bias: bool = True) -> Shapes:
    shapes: Shapes = [
        (f"blk.{i}.ffn_up.weight", (size.width, size.feed_forward)),
        (f"blk.{i}.ffn_down.weight", (size.feed_forward, size.width)),
    ]
    biases: Shapes = [
        (f"blk.{i}.ffn_up.bias", (size.feed_forward,)),
        (f"blk.{i}.ffn_down.bias", (size.width,)),
    ]
    return shapes + (biases if bias else [])


def _needed(config: Mapping[str, Any], *names: str) -> int:
    value = _first(config, *names, default=0)
    if value < 1:
        raise InputError(f"This config.json does not say {names[0]}.", fix="Give the config.json of a language model.")
    return value


def _first(config: Mapping[str, Any], *names: str, default: int) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return default


# The published models that read images leave these out of their `text_config`.
_GEMMA3 = MappingProxyType(
    {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 262_208,
        "max_position_embeddings": 131_072,
    }
)
FAMILIES: Mapping[str, Family] = {
    "llama": Family("llama", _llama),
    "mistral": Family("llama", _llama),
    "mixtral": Family("llama", _llama),
    "qwen2": Family("qwen2", _qwen2),
    "qwen3": Family("qwen3", _qwen3),
    "qwen3_moe": Family("qwen3moe", _qwen3),
    "gemma": Family("gemma", _llama, tied=True),
    "gemma2": Family("gemma2", _gemma2, tied=True),
    "gemma3_text": Family("gemma3", _gemma3, tied=True, defaults=_GEMMA3),
    "phi": Family("phi2", _phi),
    "phi3": Family("phi3", _phi3),
    "starcoder2": Family("starcoder2", _starcoder2, tied=True),
    "gpt_bigcode": Family("starcoder", _starcoder, tied=True),
}
