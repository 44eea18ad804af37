"""Makes GGUF files of any shape without weights: the file is sparse, its tensors are zeros that take no room."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rightsized.store.gguf_recipes import assign
from rightsized.store.gguf_types import named
from rightsized.store.gguf_write import Planned, record, write_gguf
from rightsized.store.planner_blueprint import Blueprint
from rightsized.store.planner_checkpoint import from_config

TINYLLAMA = {
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "num_hidden_layers": 22,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}


def hollow_gguf(path: Path, config: Mapping[str, Any], recipe: str = "F32") -> Blueprint:
    """A GGUF file of the shape that `config` describes; llama.cpp loads it. Returns the blueprint planned from."""
    plan = from_config(config)
    tensors = [tensor._replace(kind=named("F32")) for tensor in plan.tensors]
    kinds = assign(recipe, tensors, plan.facts)
    planned = [Planned(t.name, t.dimensions, kind) for t, kind in zip(tensors, kinds, strict=True)]

    def leave_a_hole(position: int, file: BinaryIO) -> None:
        file.seek(planned[position].size - 1, 1)
        file.write(b"\0")

    write_gguf(path, _records(plan), planned, leave_a_hole)
    return plan


def _records(plan: Blueprint) -> list[bytes]:
    name = plan.architecture
    facts: dict[str, int | float] = {
        "block_count": plan.layers,
        "embedding_length": plan.width,
        "feed_forward_length": plan.feed_forward,
        "context_length": plan.context,
        "vocab_size": plan.vocabulary,
        "attention.head_count": plan.heads,
        "attention.head_count_kv": plan.key_heads[0],
        "attention.key_length": plan.key_length,
        "attention.value_length": plan.value_length,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.layer_norm_epsilon": 1e-5,
        "rope.dimension_count": plan.key_length,
    }
    if plan.experts:
        facts |= {"expert_count": plan.experts, "expert_used_count": plan.experts_used}
        facts |= {"expert_feed_forward_length": plan.feed_forward}
    if plan.window:
        facts |= {"attention.sliding_window": plan.window}
    records = [record("general.architecture", name), record("tokenizer.ggml.model", "no_vocab")]
    return records + [record(f"{name}.{key}", value) for key, value in facts.items()]
