"""What a language model is made of, as far as memory goes: its tensors and the sizes of its attention cache.

Comes from a GGUF header, or from a `config.json` with the checkpoint's safetensors headers beside it, if there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

from rightsized.core.errors import InputError
from rightsized.store.gguf import Header
from rightsized.store.gguf_recipes import Facts, Placed
from rightsized.store.gguf_types import FILE_TYPE_NAMES

# Architectures whose layers llama.cpp gives a short cache where they look back through a window only: every n-th layer
# looks back without limit (n as in llama.cpp's src/models; 0 in the header's own list of layers). Other architectures
# keep the whole context, whatever window their card names.
WINDOWED = {
    "afmoe": 4,
    "cohere2": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "olmo2": 4,
    "plamo3": 8,
}
RECURRENT = ("mamba", "mamba2", "rwkv6", "rwkv7", "jamba", "falcon-h1", "granitehybrid", "lfm2", "nemotron_h")


class Blueprint(NamedTuple):
    """`key_heads` has one entry a layer; `window` is 0 where every layer looks back without limit.

    `stored` is what the tensors are stored as now: a quantisation's name, F16, F32; `exact` is False where tensors were
    taken from a checkpoint whose layout is not known here.
    """

    architecture: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    key_heads: tuple[int, ...]
    key_length: int
    value_length: int
    vocabulary: int
    experts: int
    experts_used: int
    context: int
    window: int
    window_layers: tuple[bool, ...]
    tensors: tuple[Placed, ...]
    stored: str
    exact: bool = True

    @property
    def parameters(self) -> int:
        return sum(prod(tensor.dimensions) for tensor in self.tensors)

    @property
    def facts(self) -> Facts:
        """What the quantisation rules ask for."""
        return Facts(self.architecture, self.layers, self.heads, max(self.key_heads, default=0), self.experts)


def from_header(header: Header, path: Path) -> Blueprint:
    """The blueprint of a GGUF file.

    Raises:
        InputError: not a language model with attention, or its header does not say how large it is.
    """
    architecture = header.architecture
    layers, heads = header.integer("block_count"), _largest(header, "attention.head_count")
    width = header.integer("embedding_length")
    if not (architecture and layers and width):
        raise InputError(f"{path} does not say how many layers it has and how wide they are; it is no language model.")
    if architecture in RECURRENT or not heads:
        raise InputError(
            f"{path} is of the architecture {architecture!r}, whose memory this planner cannot compute.",
            fix="Start it and look: its state does not grow with the context as an attention cache does.",
        )
    tensors = tuple(Placed(t.name, t.dimensions, t.kind) for t in header.tensors)
    window = header.integer("attention.sliding_window") if architecture in WINDOWED else 0
    return Blueprint(
        architecture=architecture,
        layers=layers,
        width=width,
        feed_forward=_largest(header, "feed_forward_length"),
        heads=heads,
        key_heads=_per_layer(header, "attention.head_count_kv", layers, heads),
        key_length=header.integer("attention.key_length", width // heads),
        value_length=header.integer("attention.value_length", width // heads),
        vocabulary=_vocabulary(header),
        experts=header.integer("expert_count"),
        experts_used=header.integer("expert_used_count"),
        context=header.integer("context_length"),
        window=window,
        window_layers=window_layers(architecture, layers, window, header.metadata),
        tensors=tensors,
        stored=stored_as(header),
    )


def stored_as(header: Header) -> str:
    """What a file is stored as: `general.file_type`; where it says nothing, the commonest type of its tensors."""
    number = header.metadata.get("general.file_type")
    if isinstance(number, int) and number in FILE_TYPE_NAMES:
        return FILE_TYPE_NAMES[number]
    sizes: dict[str, int] = {}
    for tensor in header.tensors:
        sizes[tensor.kind.name] = sizes.get(tensor.kind.name, 0) + tensor.elements
    return max(sizes, key=lambda name: sizes[name], default="F32")


def window_layers(architecture: str, layers: int, window: int, metadata: Mapping[str, object]) -> tuple[bool, ...]:
    """For each layer whether it looks back through the window only."""
    if not window:
        return (False,) * layers
    pattern = metadata.get(f"{architecture}.attention.sliding_window_pattern", WINDOWED[architecture])
    if isinstance(pattern, tuple):
        listed = tuple(bool(value) for value in pattern[:layers])
        return listed + (False,) * (layers - len(listed))
    period = pattern if isinstance(pattern, int) and pattern > 0 else WINDOWED[architecture]
    return tuple(layer % period < period - 1 for layer in range(layers))


def _largest(header: Header, key: str) -> int:
    value = header.metadata.get(f"{header.architecture}.{key}", 0)
    if isinstance(value, tuple):
        return max((int(v) for v in value if isinstance(v, int)), default=0)
    return int(value) if isinstance(value, int) else 0


def _per_layer(header: Header, key: str, layers: int, default: int) -> tuple[int, ...]:
    value = header.metadata.get(f"{header.architecture}.{key}", default)
    if isinstance(value, tuple):
        return tuple(int(v) for v in value[:layers] if isinstance(v, int))
    return (int(value) if isinstance(value, int) else default,) * layers


def _vocabulary(header: Header) -> int:
    for tensor in header.tensors:
        if tensor.name == "token_embd.weight":
            return tensor.dimensions[-1]
    return header.integer("vocab_size")
