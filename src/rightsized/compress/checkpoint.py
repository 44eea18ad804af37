"""Reads an encoder's checkpoint folder as the Hugging Face layout has it: config, safetensors, pooling, tokenizer.

Reads and checks only; pickled weights are refused, because opening them runs code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open

from rightsized.compress.families import family_of
from rightsized.compress.families.family import Family
from rightsized.compress.network import FloatArray
from rightsized.core.errors import IntegrityError, StoreError
from rightsized.core.types import Frozen

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
DEFAULT_EPSILON = 1e-12  # of layer normalisation, where the family does not state one
Pooling = Literal["mean", "cls"]
_UNSUPPORTED_MODULES = ("Dense", "CNN", "LSTM", "WeightedLayerPooling", "WordWeights", "BoW")


class Shape(Frozen, frozen=True):
    """Sizes of the network: layers, heads, width, most tokens it has positions for."""

    layers: int
    heads: int
    dimension: int
    positions: int
    activation: str
    epsilon: float
    padding: int


class Checkpoint:
    """An encoder's folder: its settings at once, its weights when asked for."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError (unsupported) or IntegrityError (damaged), naming the file."""
        self.folder = folder
        self.config = _json(folder / "config.json", required=True)
        self.family: Family = family_of(str(self.config.get("model_type")))
        self.shape = self._shape()
        self.pooling: Pooling = self._pooling()
        self._files = self._open()
        self._prefix = next((p for p in self.family.prefixes if p + self.family.tensors["words"] in self._files), None)
        if self._prefix is None:
            raise IntegrityError(
                f"{folder} holds no tensor {self.family.tensors['words']!r}: not this kind of encoder."
            )

    @property
    def context(self) -> int:
        """Most tokens of one text, special ones included: what the authors set, within what positions allow."""
        offset = self.shape.padding + 1 if self.family.positions == "offset" else 0
        limits = [self.shape.positions - offset]
        limits += [int(v) for v in (_json(self.folder / "sentence_bert_config.json").get("max_seq_length"),) if v]
        return min(limits)

    @property
    def weight_files(self) -> list[Path]:
        """The safetensors files, by name."""
        index = _json(self.folder / INDEX).get("weight_map", {})
        return [self.folder / Path(str(name)).name for name in sorted(set(index.values())) or [WEIGHTS]]

    @property
    def parameters(self) -> int:
        """Numbers in all tensors of the encoder."""
        sizes = (handle.get_slice(name).get_shape() for name, handle in self._files.items())
        return int(sum(np.prod(shape, dtype=np.int64) for shape in sizes))

    def tensor(self, name: str, layer: int = 0, suffix: str = "") -> FloatArray:
        """A weight by our name, as float32. Raises IntegrityError where it is absent or not finite."""
        return self.stored(f"{self._prefix}{self.family.tensors[name].format(layer)}{suffix}")

    def stored(self, theirs: str) -> FloatArray:
        """A weight by the checkpoint's own name, as float32. Raises IntegrityError where it is absent or not finite."""
        if theirs not in self._files:
            raise IntegrityError(f"{self.folder} holds no tensor {theirs!r}.")
        try:
            value = np.asarray(self._files[theirs].get_tensor(theirs))
        except (SafetensorError, TypeError, AttributeError) as error:
            raise IntegrityError(f"Tensor {theirs!r} in {self.folder} cannot be read: {error}.") from None
        value = value.astype(np.float32)
        if not np.isfinite(value).all():
            raise IntegrityError(f"Tensor {theirs!r} in {self.folder} holds values that are not finite.")
        return value

    def linear(self, name: str, layer: int) -> tuple[FloatArray, FloatArray]:
        """Weight (in, out) and bias (out,) of a dense layer."""
        return self.tensor(name, layer, ".weight").T, self.tensor(name, layer, ".bias")

    def norm(self, name: str, layer: int = 0) -> tuple[FloatArray, FloatArray]:
        """Scale and bias of a layer normalisation, in the new or the TensorFlow-era naming."""
        old = f"{self._prefix}{self.family.tensors[name].format(layer)}.gamma"
        scale, bias = (".gamma", ".beta") if old in self._files else (".weight", ".bias")
        return self.tensor(name, layer, scale), self.tensor(name, layer, bias)

    def _shape(self) -> Shape:
        def read(ours: str) -> Any:
            theirs = self.family.settings[ours]
            if theirs and theirs not in self.config:
                raise IntegrityError(f"{self.folder / 'config.json'} has no {theirs!r}.")
            return self.config.get(theirs)

        if self.config.get("position_embedding_type", "absolute") != "absolute":
            raise StoreError(f"Relative positions ({self.config['position_embedding_type']}) are not supported.")
        try:
            shape = Shape(
                layers=int(read("layers")),
                heads=int(read("heads")),
                dimension=int(read("dimension")),
                positions=int(read("positions")),
                activation=str(read("activation")),
                epsilon=float(read("epsilon") or DEFAULT_EPSILON),
                padding=int(self.config.get("pad_token_id") or 0),
            )
        except (TypeError, ValueError) as error:
            raise IntegrityError(f"{self.folder / 'config.json'} cannot be used: {error}.") from None
        if shape.heads < 1 or shape.dimension % shape.heads:
            raise IntegrityError(f"A width of {shape.dimension} cannot be split among {shape.heads} heads.")
        return shape

    def _pooling(self) -> Pooling:
        path = self.folder / "modules.json"
        modules = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]]) if path.exists() else []
        for module in modules:
            if (kind := str(module.get("type", "")).rpartition(".")[2]) in _UNSUPPORTED_MODULES:
                raise StoreError(f"{self.folder} adds a {kind!r} layer after the encoder, which is not supported.")
        settings = _json(self.folder / "1_Pooling" / "config.json")
        chosen = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True]
        if not chosen or chosen == ["pooling_mode_mean_tokens"]:
            return "mean"
        if chosen == ["pooling_mode_cls_token"]:
            return "cls"
        raise StoreError(f"Pooling {', '.join(chosen)} is not supported; mean and cls are.")

    def _open(self) -> dict[str, Any]:
        opened: dict[str, Any] = {}
        for path in self.weight_files:
            if not path.exists():
                raise StoreError(
                    f"{self.folder} holds no {path.name}.",
                    fix="Only safetensors weights are read; pickled ones (pytorch_model.bin) can run code when opened.",
                )
            try:
                handle = safe_open(str(path), framework="numpy")
                opened.update(dict.fromkeys(handle.keys(), handle))
            except SafetensorError as error:
                raise IntegrityError(f"{path} is damaged: {error}.", fix="Download it again.") from None
        return opened


def _json(path: Path, *, required: bool = False) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        if required:
            raise StoreError(f"{path.parent} is no encoder: it holds no {path.name}.") from None
        return {}
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path} is not valid JSON: {error}.") from None
