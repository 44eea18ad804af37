"""The blueprint of a checkpoint: its `config.json`, and the headers of its safetensors files where they are there."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.store.gguf_recipes import Placed
from rightsized.store.gguf_types import named
from rightsized.store.planner_blueprint import WINDOWED, Blueprint, window_layers
from rightsized.store.planner_families import FAMILIES, Family, Sizes, sizes

CONFIG = "config.json"
MAX_HEADER = 100 << 20  # bytes; the limit that the format's own library sets
# Types in a safetensors header; what ggml has no name for is counted as two bytes.
_STORED = {"F32": "F32", "F16": "F16", "BF16": "BF16", "F64": "F64", "I8": "I8", "I32": "I32", "I64": "I64"}
Stored = Mapping[str, tuple[str, tuple[int, ...]]]  # name of a tensor: its type and shape


def from_folder(folder: Path) -> Blueprint:
    """The blueprint of a checkpoint folder.

    Raises:
        NotFoundError: no config.json. InputError: it describes no language model that can be planned.
        IntegrityError: a safetensors file is cut short.
    """
    config = read_config(folder / CONFIG)
    shards = sorted(folder.glob("*.safetensors"))
    shards = [shard for shard in shards if not shard.name.startswith("consolidated")] or shards  # Mistral's second copy
    stored = {name: entry for shard in shards for name, entry in read_safetensors(shard).items()}
    return from_config(config, stored)


def from_config(config: Mapping[str, Any], stored: Stored | None = None) -> Blueprint:
    """The blueprint that a config describes; `stored` (name to type and shape) decides where they differ.

    Raises:
        InputError: the family is not known and there are no tensors to count instead.
    """
    inner = config.get("text_config")
    if isinstance(inner, dict):
        config = {**config, **inner}
    kind = str(config.get("model_type", ""))
    family = FAMILIES.get(kind)
    if family is None:
        if not stored:
            raise InputError(
                f"Models of the type {kind!r} cannot be planned from their config.json alone.",
                fix=f"Give the folder with its safetensors files. Known from the config: {', '.join(FAMILIES)}.",
            )
        return _counted(config, kind, stored)
    size = sizes(config, family)
    if stored:
        size = size._replace(tied=not any(name.endswith("lm_head.weight") for name in stored))
    precision = _precision(config, stored)
    return _blueprint(family, size, config, tuple(_placed(family.shapes(size), precision)), precision)


def _placed(shapes: list[tuple[str, tuple[int, ...]]], precision: str) -> list[Placed]:
    """As the converter stores them: matrices in the precision asked for, everything else as float32."""
    return [Placed(name, dims, named(precision if len(dims) > 1 else "F32")) for name, dims in shapes]


def _blueprint(
    family: Family, size: Sizes, config: Mapping[str, Any], tensors: tuple[Placed, ...], precision: str
) -> Blueprint:
    window = size.window if family.architecture in WINDOWED else 0
    pattern = config.get("sliding_window_pattern")
    listed = {f"{family.architecture}.attention.sliding_window_pattern": pattern} if pattern else {}
    layers = window_layers(family.architecture, size.layers, window, listed)
    kinds = config.get("layer_types")
    if window and isinstance(kinds, list):
        layers = tuple(str(entry) == "sliding_attention" for entry in kinds)
    return Blueprint(
        architecture=family.architecture,
        layers=size.layers,
        width=size.width,
        feed_forward=size.expert_width or size.feed_forward,
        heads=size.heads,
        key_heads=(size.key_heads,) * size.layers,
        key_length=size.head,
        value_length=size.head,
        vocabulary=size.vocabulary,
        experts=size.experts,
        experts_used=size.experts_used,
        context=size.context,
        window=window,
        window_layers=layers,
        tensors=tensors,
        stored=precision,
    )


def _counted(config: Mapping[str, Any], kind: str, stored: Stored) -> Blueprint:
    """A family that is not known: the sizes that most configs give, and the tensors as they lie in the files."""
    size = sizes(config, Family(kind, lambda _: []))
    tensors = [
        Placed(name if name.endswith("weight") else f"{name}.weight", tuple(reversed(shape)) or (1,), _kind(type_name))
        for name, (type_name, shape) in stored.items()
    ]
    family = Family(kind, lambda _: [])
    plan = _blueprint(family, size, config, tuple(tensors), _precision(config, stored))
    return plan._replace(exact=False)


def _kind(type_name: str) -> Any:
    return named(_STORED.get(type_name, "F16"))


def _precision(config: Mapping[str, Any], stored: Stored | None) -> str:
    if stored:
        counts: dict[str, int] = {}
        for type_name, shape in stored.values():
            counts[type_name] = counts.get(type_name, 0) + prod(shape)
        most = _STORED.get(max(counts, key=lambda name: counts[name]), "F16")
        if most in ("F32", "F16", "BF16"):
            return most  # else packed by a method of its own, such as GPTQ: the converter unpacks it
    stated = str(config.get("dtype") or config.get("torch_dtype") or "float16")
    return {"float32": "F32", "bfloat16": "BF16"}.get(stated.removeprefix("torch."), "F16")


def read_config(path: Path) -> dict[str, Any]:
    """A `config.json`. Raises NotFoundError, InputError."""
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist.", fix="Give a GGUF file or a checkpoint's folder.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} holds no object.")
    return config


def read_safetensors(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every tensor in a safetensors file, from its header alone.

    Raises:
        IntegrityError: not a safetensors file, or cut short.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise IntegrityError(f"{path} is not a whole safetensors file.", fix="Fetch it again.")
        try:
            header = json.loads(file.read(length))
            entries = {
                name: (str(entry["dtype"]), tuple(map(int, entry["shape"])), int(entry["data_offsets"][1]))
                for name, entry in header.items()
                if name != "__metadata__"
            }
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise IntegrityError(f"{path} has a header that cannot be read: {error}.", fix="Fetch it again.") from None
    last = max((end for _, _, end in entries.values()), default=0)
    if 8 + length + last > size:
        raise IntegrityError(f"{path} is cut short by {8 + length + last - size} bytes.", fix="Fetch it again.")
    return {name: (kind, shape) for name, (kind, shape, _) in entries.items()}
