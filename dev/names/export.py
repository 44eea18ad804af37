"""Writes the tagger's weights: safetensors and JSON. Large matrices become int8 with one scale a column."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from rightsized.compress.int8 import quantise

WEIGHTS, SETTINGS = "names.safetensors", "names.json"
_ROWWISE = ("features",)
_LEAST = 20_000  # numbers in a matrix from which on it is stored as int8


def write(folder: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any], encoder: Path) -> None:
    """Write both files."""
    stored: dict[str, np.ndarray] = {}
    for name, value in sorted(arrays.items()):
        if value.ndim < 2 or value.size < _LEAST:
            stored[name] = value.astype(np.float32)
            continue
        axis = 1 if name in _ROWWISE else 0
        steps, scale = quantise(value, axis)
        stored[name] = steps
        stored[f"{name}.scale"] = (scale[:, None] if axis else scale).astype(np.float32)
    content = save(stored)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(content)
    card = json.loads((encoder / "card.json").read_text("utf-8"))
    facts = {**facts, "encoder": card["name"], "encoder_weights": card["origin"]}
    facts["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / SETTINGS).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", "utf-8")
