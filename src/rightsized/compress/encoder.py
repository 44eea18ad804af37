"""From a checkpoint to a model folder: both precisions, the tokenizer, and a card that says how close they are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rightsized.compress import reranker
from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.closeness import with_closeness
from rightsized.compress.graph import build_encoder
from rightsized.compress.int8 import Int8
from rightsized.compress.network import Float32, Precision
from rightsized.compress.probes import PROBES
from rightsized.compress.reranker_graph import is_reranker
from rightsized.core.errors import StoreError
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import TOKENIZER_FILE, OnnxEncoder
from rightsized.store import atomic, cards
from rightsized.store.cards import Card, Variant
from rightsized.store.model_cards import licence_and_languages
from rightsized.store.sources.source import Fetched

LEAST_COSINE = 0.98  # mean over the probes; below it INT8 is not offered, because it is another model


def build_variants(
    raw: Path, into: Path, *, name: str, fetched: Fetched, created: float, progress: Progress = no_progress
) -> Card:
    """Build a model folder out of a checkpoint folder; a cross-encoder's becomes a reranker.

    Args:
        raw: config.json, tokenizer.json, safetensors.
        into: an empty folder; gets `model.fp32.onnx`, `model.int8.onnx`, `tokenizer.json`.
        name: the model's name.
        fetched: where it came from.
        created: seconds since the epoch.
    Raises:
        StoreError, IntegrityError: the checkpoint is unsupported or damaged.
    """
    checkpoint = Checkpoint(raw)
    if not (raw / TOKENIZER_FILE).exists():
        raise StoreError(f"{raw} holds no {TOKENIZER_FILE}.", fix="Save the model's fast tokenizer beside its weights.")
    if is_reranker(checkpoint):
        return reranker.build_variants(checkpoint, into, name=name, fetched=fetched, created=created, progress=progress)
    precisions: tuple[Precision, ...] = (Float32(), Int8())
    for step, precision in enumerate(precisions):
        progress("build", step, len(precisions))
        model = build_encoder(checkpoint, precision)
        atomic.write(into / f"model.{precision.name}.onnx", model.SerializeToString())
    shutil.copyfile(raw / TOKENIZER_FILE, into / TOKENIZER_FILE)
    progress("build", len(precisions), len(precisions))
    card = _card(checkpoint, into, name=name, fetched=fetched, created=created)
    return _compared(card, into, progress)


def mean_cosine(first: OnnxEncoder, second: OnnxEncoder, texts: Sequence[str]) -> float:
    """Mean cosine between two encoders' vectors of the same texts."""
    a, b = first.encode_all_now(texts).vectors, second.encode_all_now(texts).vectors
    return float(np.mean(np.sum(a * b, axis=1, dtype=np.float64)))


def _card(checkpoint: Checkpoint, into: Path, *, name: str, fetched: Fetched, created: float) -> Card:
    files = cards.describe_folder(into)
    licence, languages = licence_and_languages(checkpoint.folder / "README.md")
    shape = checkpoint.shape
    variants = {v: Variant(file=f"model.{v}.onnx") for v in ("fp32", "int8")}
    return Card(
        name=name,
        digest=cards.digest_files(files),
        engine="onnx",
        architecture=f"{shape.layers} layers, {shape.heads} heads, {checkpoint.pooling} pooling",
        family=checkpoint.family.name,
        parameters=checkpoint.parameters,
        size_bytes=sum(fact.size for fact in files.values()),
        context=checkpoint.context,
        dimension=shape.dimension,
        languages=fetched.languages or languages,
        licence=fetched.licence or licence,
        source=fetched.source,
        origin=cards.weights_digest(checkpoint.weight_files),
        files=files,
        created=created,
        variants=variants,
        default_variant="int8",
    )


def _compared(card: Card, folder: Path, progress: Progress) -> Card:
    """The card with the measured closeness of INT8; without INT8 where it is not close."""
    progress("compare", 0, 0)
    exact, small = (OnnxEncoder(folder, card, variant=variant) for variant in ("fp32", "int8"))
    cosine = mean_cosine(exact, small, PROBES)
    exact.close()
    small.close()
    return with_closeness(card, folder, cosine, LEAST_COSINE)
