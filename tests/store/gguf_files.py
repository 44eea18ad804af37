"""Makes GGUF files of any shape without weights: the file is sparse, its tensors are zeros that take no room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from rightsized.store.gguf import Tensor, read_header
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
CONFIG = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}
CONFIG |= {"num_hidden_layers": 2, "vocab_size": 128, "max_position_embeddings": 64}


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


def cut(whole: Path, folder: Path, stem: str, count: int) -> list[Path]:
    """The parts of a model, as llama.cpp's `gguf-split` writes them: all metadata in the first, tensors over all."""
    folder.mkdir()
    header, data = read_header(whole), whole.read_bytes()
    kept = [data[start:end] for start, end in header.spans.values()]
    share = -(-len(header.tensors) // count)
    paths = []
    for number in range(count):
        own = header.tensors[number * share : (number + 1) * share]
        places = [header.data_start + tensor.offset for tensor in own]

        def fill(position: int, file: BinaryIO, own: tuple[Tensor, ...] = own, places: Sequence[int] = places) -> None:
            file.write(data[places[position] : places[position] + own[position].size])

        records = (kept if number == 0 else []) + [record("split.no", number), record("split.count", count)]
        records.append(record("split.tensors.count", len(header.tensors)))
        paths.append(folder / f"{stem}-{number + 1:05}-of-{count:05}.gguf")
        write_gguf(paths[-1], records, [Planned(t.name, t.dimensions, t.kind) for t in own], fill)
    return paths
