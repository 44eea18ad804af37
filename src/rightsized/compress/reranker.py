"""From a cross-encoder's checkpoint to a model folder: both precisions, the tokenizer, and a card that says how close.

A `Variant.cosine` is here the correlation of INT8 scores with fp32 scores over all pairs of the probe texts.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rightsized.compress.checkpoint import Checkpoint
from rightsized.compress.closeness import with_closeness
from rightsized.compress.int8 import Int8
from rightsized.compress.network import Float32, Precision
from rightsized.compress.probes import PROBES
from rightsized.compress.reranker_graph import build_reranker
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import TOKENIZER_FILE
from rightsized.engines.reranker import ENGINE, OnnxReranker
from rightsized.store import atomic, cards
from rightsized.store.cards import Card, Variant
from rightsized.store.model_cards import licence_and_languages
from rightsized.store.sources.source import Fetched

LEAST_CORRELATION = 0.98  # below it INT8 is not offered, because it orders passages otherwise
_PROBES = 12  # texts that are paired with each other: 144 pairs


def build_variants(
    checkpoint: Checkpoint, into: Path, *, name: str, fetched: Fetched, created: float, progress: Progress = no_progress
) -> Card:
    """Build a model folder out of a cross-encoder's checkpoint.

    Args:
        checkpoint: one that `reranker_graph.is_reranker` takes.
        into: an empty folder; gets `model.fp32.onnx`, `model.int8.onnx`, `tokenizer.json`.
        name: the model's name.
        fetched: where it came from.
        created: seconds since the epoch.
    Raises:
        StoreError, IntegrityError: the checkpoint is unsupported or damaged.
    """
    precisions: tuple[Precision, ...] = (Float32(), Int8())
    for step, precision in enumerate(precisions):
        progress("build", step, len(precisions))
        model = build_reranker(checkpoint, precision)
        atomic.write(into / f"model.{precision.name}.onnx", model.SerializeToString())
    shutil.copyfile(checkpoint.folder / TOKENIZER_FILE, into / TOKENIZER_FILE)
    progress("build", len(precisions), len(precisions))
    card = _card(checkpoint, into, name=name, fetched=fetched, created=created)
    return _compared(card, into, progress)


def correlation(first: OnnxReranker, second: OnnxReranker, texts: Sequence[str]) -> float:
    """Pearson's correlation of two rerankers' scores over all pairs of texts; 0 where one gives all one score."""
    pairs = [(a, b) for a in texts for b in texts]
    scores = np.array([[one.score_now(a, b) for a, b in pairs] for one in (first, second)])
    if not (scores.std(axis=1) > 0).all():
        return 0.0
    return float(np.corrcoef(scores)[0, 1])


def _card(checkpoint: Checkpoint, into: Path, *, name: str, fetched: Fetched, created: float) -> Card:
    files = cards.describe_folder(into)
    licence, languages = licence_and_languages(checkpoint.folder / "README.md")
    shape = checkpoint.shape
    return Card(
        name=name,
        digest=cards.digest_files(files),
        engine=ENGINE,
        architecture=f"{shape.layers} layers, {shape.heads} heads, one score a pair",
        family=checkpoint.family.name,
        parameters=checkpoint.parameters,
        size_bytes=sum(fact.size for fact in files.values()),
        context=checkpoint.context,
        dimension=0,
        languages=fetched.languages or languages,
        licence=fetched.licence or licence,
        source=fetched.source,
        origin=cards.weights_digest(checkpoint.weight_files),
        files=files,
        created=created,
        variants={v: Variant(file=f"model.{v}.onnx") for v in ("fp32", "int8")},
        default_variant="int8",
    )


def _compared(card: Card, folder: Path, progress: Progress) -> Card:
    """The card with the measured closeness of INT8; without INT8 where it is not close."""
    progress("compare", 0, 0)
    exact, small = (OnnxReranker(folder, card, variant=variant) for variant in ("fp32", "int8"))
    close = correlation(exact, small, PROBES[:_PROBES])
    exact.close()
    small.close()
    return with_closeness(card, folder, close, LEAST_CORRELATION)
