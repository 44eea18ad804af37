"""Bytes that a language model takes in llama.cpp on the processor: weights, attention cache, working memory.

Batches of 512, as a tier's defaults are. The working memory is the widest moment of a layer; the formula was found by
comparing with what llama.cpp reports for eleven shapes, and a test compares them again.
"""

from __future__ import annotations

from math import prod

from rightsized.store.gguf_recipes import RECIPES, assign
from rightsized.store.gguf_types import named
from rightsized.store.planner_blueprint import Blueprint

PHYSICAL_BATCH = 512  # tokens that llama.cpp works on at once
CELLS = 256  # the attention cache grows by so many tokens
UNPACKED = ("F32", "BF16", "F16")
# Two matrices a block instead of three; how many rows of the model's width are alive beside them.
_UNGATED = {"phi2": 2, "gptneox": 2, "starcoder": 1, "starcoder2": 1, "gpt2": 1}
_REARRANGED = ("Q4_0", "Q4_K")  # types that llama.cpp lays out anew for AVX2


def weights_of(blueprint: Blueprint) -> list[tuple[str, int]]:
    """Bytes of the weights by quantisation, most precise first; a packed file can only be used as it is."""
    stored = blueprint.stored
    if stored not in UNPACKED:
        return [(stored, sum(tensor.kind.bytes_of(prod(tensor.dimensions)) for tensor in blueprint.tensors))]
    names = [name for name in RECIPES if name not in UNPACKED or name == stored]
    if stored == "F32":
        names.insert(1, "F16")
    return [(name, weight_bytes(blueprint, name)) for name in names]


def weight_bytes(blueprint: Blueprint, recipe: str) -> int:
    """Bytes of all tensors under a recipe: the data part of the GGUF file that it would give."""
    types = assign(recipe, blueprint.tensors, blueprint.facts)
    pairs = zip(blueprint.tensors, types, strict=True)
    return sum(kind.bytes_of(prod(tensor.dimensions)) for tensor, kind in pairs)


def rearranged_bytes(blueprint: Blueprint, quantisation: str) -> int:
    """Bytes of the Q4 matrices that llama.cpp copies into another layout on processors with AVX2."""
    if quantisation in RECIPES and blueprint.stored in UNPACKED:
        types = assign(quantisation, blueprint.tensors, blueprint.facts)
    else:
        types = [tensor.kind for tensor in blueprint.tensors]
    return sum(
        kind.bytes_of(prod(tensor.dimensions))
        for tensor, kind in zip(blueprint.tensors, types, strict=True)
        if kind.name in _REARRANGED and "token_embd" not in tensor.name and tensor.dimensions[1] % 8 == 0
    )


def cache_bytes(blueprint: Blueprint, context: int, cache_type: str = "f16") -> int:
    """Bytes of the attention cache: keys and values of every layer, a window's worth where a layer sees no more."""
    kind = named(cache_type)
    full, short = _cells(blueprint, context)
    total = 0
    for layer, heads in enumerate(blueprint.key_heads):
        row = heads * (blueprint.key_length + blueprint.value_length)
        total += kind.bytes_of(row * (short if blueprint.window_layers[layer] else full))
    return total


def compute_bytes(blueprint: Blueprint, context: int, *, flash_attention: bool = False) -> int:
    """Bytes of the working memory for one batch: the widest moment of a layer, the masks, one row of logits.

    Without flash attention every head keeps a score for every token of the context, and masks are float32.
    """
    full, short = _cells(blueprint, context)
    batch = min(PHYSICAL_BATCH, full)
    masks = full + (short if any(blueprint.window_layers) else 0)
    widest = _feed_forward(blueprint)
    if flash_attention:
        return batch * (4 * widest + 2 * masks + 64) + 4 * blueprint.vocabulary
    keys = max(blueprint.key_heads) * blueprint.key_length
    seen = short if all(blueprint.window_layers) else full
    attention = seen * blueprint.heads + 5 * blueprint.width + 2 * blueprint.heads * blueprint.key_length
    return batch * 4 * (max(widest, attention) + 2 * keys + masks + 16) + 4 * blueprint.vocabulary


def _feed_forward(blueprint: Blueprint) -> int:
    """Numbers alive for one token at the widest moment of a feed-forward layer."""
    width, inner = blueprint.width, blueprint.feed_forward
    if blueprint.experts:
        used = max(blueprint.experts_used, 1)
        return max(3 * used * inner + 5 * width, 2 * used * (inner + width))
    if blueprint.architecture in _UNGATED:
        return 2 * inner + _UNGATED[blueprint.architecture] * width
    return 3 * inner + 5 * width


def _cells(blueprint: Blueprint, context: int) -> tuple[int, int]:
    """Tokens that a full and a windowed layer's cache hold."""
    full = -(-context // CELLS) * CELLS
    short = -(-min(context, blueprint.window + PHYSICAL_BATCH) // CELLS) * CELLS
    return full, short
