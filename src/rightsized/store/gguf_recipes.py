"""Which type each tensor of a model gets under a named quantisation, such as Q4_K_M.

The names and the mixtures are llama.cpp's (llama-quant.cpp, without an importance matrix), so that a size planned here
is the size of the file that anybody's quantiser writes:

- tensors of one dimension, norms, expert gates, positions and small convolutions keep their type;
- the output matrix, or the token embeddings where they serve as output too, get Q6_K (Q8_0 under Q8_0);
- under Q4_K_M and Q5_K_M the value projections and the down projections of the first and last eighth of the layers,
  and of every third between, get Q6_K;
- with 8 experts the key and value projections get Q8_0, and under Q4_K_M the attention output Q5_K;
- a row that is no whole number of 256-blocks takes a 32-block type (Q4_K: Q5_0, Q5_K: Q5_1, Q6_K: Q8_0), and one
  that is no whole number of 32-blocks F16.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rightsized.core.errors import InputError
from rightsized.store.gguf_types import TensorType, named

# Largest first: the order in which a planner prefers them. Each with the type of the tensors that no rule names.
RECIPES: Mapping[str, str] = {
    "F32": "F32",
    "BF16": "BF16",
    "F16": "F16",
    "Q8_0": "Q8_0",
    "Q6_K": "Q6_K",
    "Q5_K_M": "Q5_K",
    "Q4_K_M": "Q4_K",
    "Q4_0": "Q4_0",
}
_KEPT = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "attn_rel_b.weight",
    "per_layer_model_proj",
    "altup",
    "laurel",
    ".position_embd",
    ".patch_embd",
)
_KEPT_WHOLE = ("position_embd.weight", "token_types.weight")
_SMALLER_BLOCK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "Q2_K": "Q4_0", "Q3_K": "Q4_0"}
_LAYER = re.compile(r"blk\.(\d+)\.")
_VALUES = ("attn_v.weight", "attn_qkv.weight", "attn_kv_b.weight")
_EMBEDDINGS, _OUTPUT = "token_embd.weight", "output.weight"
_LAYERS_OF_70B = 80  # Llama 2 and 3 70B: their small value projections get more bits


class Facts(NamedTuple):
    """What the rules ask about the model. `layers` counts all blocks."""

    architecture: str
    layers: int
    heads: int
    key_heads: int
    experts: int


class Placed(NamedTuple):
    """A tensor as the rules see it: its dimensions (row length first) and the type it has now."""

    name: str
    dimensions: tuple[int, ...]
    kind: TensorType


def in_order(names: Sequence[str]) -> list[int]:
    """Positions of the names in the order llama.cpp counts and writes tensors: by layer, then by name."""

    def key(position: int) -> tuple[int, str]:
        match = _LAYER.match(names[position])
        return (int(match[1]) if match else -1, names[position])

    return sorted(range(len(names)), key=key)


def quantisable(name: str, dimensions: Sequence[int]) -> bool:
    """Whether a tensor may be stored in blocks at all."""
    if len(_trimmed(dimensions)) < 2 or not name.endswith("weight") or name in _KEPT_WHOLE:
        return False
    return not any(part in name for part in _KEPT)


def assign(recipe: str, tensors: Sequence[Placed], facts: Facts) -> list[TensorType]:
    """The type of each tensor, in the order given.

    Raises:
        InputError: the recipe is not known.
    """
    name = recipe.upper()
    if name not in RECIPES:
        raise InputError(f"{recipe!r} is no quantisation known here.", fix=f"Known: {', '.join(RECIPES)}.")
    rules = _Rules(name, tensors, facts)
    types = {position: rules.type_of(tensors[position]) for position in in_order([t.name for t in tensors])}
    return [types[position] for position in range(len(tensors))]


class _Rules:
    """Counts value projections as it goes: the rules ask for the how-manieth one a tensor is."""

    def __init__(self, recipe: str, tensors: Sequence[Placed], facts: Facts) -> None:
        self._recipe = recipe
        self._facts = facts
        self._base = named(RECIPES[recipe])
        self._tied = all(tensor.name != _OUTPUT for tensor in tensors)
        self._values = sum(_is_value(tensor.name) for tensor in tensors)
        self._value = 0
        self._down = 0

    def type_of(self, tensor: Placed) -> TensorType:
        if not quantisable(tensor.name, tensor.dimensions):
            return tensor.kind
        if not self._base.quantised:
            return self._base
        return _fitting(named(self._wanted(tensor)), tensor.dimensions[0])

    def _wanted(self, tensor: Placed) -> str:
        base, name = self._base.name, tensor.name
        if name == _OUTPUT or (self._tied and name == _EMBEDDINGS):
            if self._facts.architecture == "falcon" or tensor.dimensions[0] % self._base.block or base == "Q8_0":
                return "Q8_0"
            return "Q6_K"
        if _is_value(name):
            return self._value_projection()
        if "ffn_down" in name:
            return self._down_projection(name)
        if self._facts.experts == 8:
            if "attn_k.weight" in name:
                return "Q8_0"
            if "attn_output.weight" in name and self._recipe == "Q4_K_M":
                return "Q5_K"
        return base

    def _value_projection(self) -> str:
        position, self._value = self._value, self._value + 1
        wanted = self._base.name
        if self._mixed and _more_bits(position, self._values):
            wanted = "Q6_K"
        facts = self._facts
        if facts.architecture == "llama" and facts.layers == _LAYERS_OF_70B and facts.heads != facts.key_heads:
            wanted = "Q5_K" if wanted == "Q4_K" else wanted
        return "Q8_0" if facts.experts == 8 else wanted

    def _down_projection(self, name: str) -> str:
        layer, self._down = self._down, self._down + 1
        if self._facts.experts > 1 and (match := _LAYER.match(name)):
            layer = int(match[1])  # several projections a layer: the count would run ahead
        layers = self._facts.layers
        if not self._mixed:
            return self._base.name
        if self._facts.architecture == "falcon" and self._recipe == "Q4_K_M":
            return "Q6_K" if layer < layers // 16 else "Q5_K" if _more_bits(layer, layers) else "Q4_K"
        return "Q6_K" if _more_bits(layer, layers) else self._base.name

    @property
    def _mixed(self) -> bool:
        return self._recipe in ("Q4_K_M", "Q5_K_M")


def _is_value(name: str) -> bool:
    return any(part in name for part in _VALUES)


def _more_bits(position: int, count: int) -> bool:
    eighth = count // 8
    return position < eighth or position >= 7 * count // 8 or (position - eighth) % 3 == 2


def _fitting(wanted: TensorType, row: int) -> TensorType:
    if row % wanted.block == 0:
        return wanted
    smaller = named(_SMALLER_BLOCK.get(wanted.name, wanted.name))
    return smaller if row % smaller.block == 0 else named("F16")


def _trimmed(dimensions: Sequence[int]) -> tuple[int, ...]:
    """Without trailing ones, as ggml counts dimensions."""
    found = tuple(dimensions)
    while len(found) > 1 and found[-1] == 1:
        found = found[:-1]
    return found
