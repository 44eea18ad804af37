"""Writes a checkpoint of transformers as GGUF, for the architectures of the parity tests.

Names come from the gguf package's own table; the rest is what llama.cpp expects of each family: rotated halves
interleaved for Llama's kin, Gemma's norms one larger, experts stacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

from tests.engines.tiny_gguf import Vocabulary, add_tokenizer, finish

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "mixtral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma": gguf.MODEL_ARCH.GEMMA,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "phi": gguf.MODEL_ARCH.PHI2,
    "phi3": gguf.MODEL_ARCH.PHI3,
    "starcoder2": gguf.MODEL_ARCH.STARCODER2,
    "gpt_bigcode": gguf.MODEL_ARCH.STARCODER,
}
INTERLEAVED = ("llama", "mistral", "mixtral")
Array = np.ndarray


def write_checkpoint(case: str, weights: Path, config: dict[str, Any], words: Vocabulary, path: Path) -> Path:
    """The GGUF file of a saved model and its configuration."""
    kind = ARCHITECTURES[case]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[kind])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_shape(writer, case, config)
    add_tokenizer(writer, words)
    layers = int(config.get("num_hidden_layers") or config["n_layer"])
    names = gguf.get_tensor_name_map(kind, layers)
    for name, array in _arrays(case, load_file(weights), config):
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert stored is not None, name
        writer.add_tensor(stored, np.ascontiguousarray(array, np.float32))
    return finish(writer, path)


def _add_shape(writer: gguf.GGUFWriter, case: str, config: dict[str, Any]) -> None:
    width = int(config.get("hidden_size") or config["n_embd"])
    heads = int(config.get("num_attention_heads") or config["n_head"])
    one = config.get("head_dim") or width // heads
    writer.add_name("tiny")  # some names switch on the quirks of a vocabulary
    writer.add_context_length(int(config.get("max_position_embeddings") or config["n_positions"]))
    writer.add_embedding_length(width)
    writer.add_block_count(int(config.get("num_hidden_layers") or config["n_layer"]))
    writer.add_feed_forward_length(int(config.get("intermediate_size") or config["n_inner"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(1 if case == "gpt_bigcode" else int(config["num_key_value_heads"]))
    writer.add_vocab_size(int(config["vocab_size"]))
    if "rms_norm_eps" in config:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    else:
        writer.add_layer_norm_eps(
            config.get("norm_epsilon") or config.get("layer_norm_eps") or config["layer_norm_epsilon"]
        )
    if case != "gpt_bigcode":
        rope = config.get("rope_parameters") or {}
        writer.add_rope_freq_base(float(rope.get("rope_theta") or config["rope_theta"]))
        factor = rope.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1.0
        writer.add_rope_dimension_count(int(one * factor))
        writer.add_key_length(one)
        writer.add_value_length(one)
    if case == "mixtral":
        writer.add_expert_count(config["num_local_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
    if case in ("gemma2", "phi3"):
        writer.add_sliding_window(config["sliding_window"])
    if case == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])


def _arrays(case: str, arrays: dict[str, Array], config: dict[str, Any]) -> Iterator[tuple[str, Array]]:
    for name, array in arrays.items():
        if ".experts.gate_up_proj" in name:  # experts x (gate above up) x width
            base = name.replace("mlp.experts.gate_up_proj", "block_sparse_moe.experts")
            half = array.shape[1] // 2
            yield f"{base}.w1.weight", array[:, :half]
            yield f"{base}.w3.weight", array[:, half:]
        elif ".experts.down_proj" in name:
            yield name.replace("mlp.experts.down_proj", "block_sparse_moe.experts.w2.weight"), array
        elif case == "mixtral" and ".mlp.gate." in name:
            yield name.replace("mlp.gate", "block_sparse_moe.gate"), array
        elif case in INTERLEAVED and ".q_proj." in name:
            yield name, _interleave(array, config["num_attention_heads"])
        elif case in INTERLEAVED and ".k_proj." in name:
            yield name, _interleave(array, config["num_key_value_heads"])
        elif case.startswith("gemma") and name.endswith("norm.weight"):
            yield name, array + 1
        elif not name.endswith((".attn.bias", ".masked_bias", "inv_freq")):
            yield name, array


def _interleave(array: Array, heads: int) -> Array:
    """Rotated pairs stand side by side in llama.cpp's Llama, half a head apart in transformers."""
    return array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)
