"""From an installed encoder and other weights for it to a model folder: both precisions, and a card that says so."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from rightsized.compress.closeness import with_closeness
from rightsized.compress.encoder import LEAST_COSINE, mean_cosine
from rightsized.compress.network import FloatArray
from rightsized.compress.probes import PROBES
from rightsized.compress.weights import reweighed
from rightsized.core.errors import UnsupportedError
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import TOKENIZER_FILE, OnnxEncoder
from rightsized.store import atomic, cards
from rightsized.store.cards import Card, Variant

PRECISIONS = ("fp32", "int8")


def build_reweighed(
    base: tuple[Path, Card],
    arrays: Mapping[str, FloatArray],
    into: Path,
    *,
    name: str,
    source: str,
    created: float,
    progress: Progress = no_progress,
) -> Card:
    """Build a model folder with the network, tokenizer and licence of another.

    Args:
        base: an installed encoder's folder, checked, and its card.
        arrays: all weights or some, by the names in our graphs.
        into: a folder; what stands there already becomes part of the model.
        name, source, created: for the card, whose `origin` is the sha256 of the base's fp32 graph.
    Raises:
        UnsupportedError: the base has no fp32 graph.
        IntegrityError: the arrays do not fit.
    """
    folder, card = base
    exact = exact_file(card)
    for step, precision in enumerate(PRECISIONS):
        progress("build", step, len(PRECISIONS))
        if precision in card.variants:
            model = reweighed(folder / card.variants[precision].file, arrays)
            atomic.write(into / f"model.{precision}.onnx", model.SerializeToString())
    shutil.copyfile(folder / TOKENIZER_FILE, into / TOKENIZER_FILE)
    progress("build", len(PRECISIONS), len(PRECISIONS))
    files = cards.describe_folder(into)
    made = replace(
        card,
        name=name,
        digest=cards.digest_files(files),
        size_bytes=sum(fact.size for fact in files.values()),
        source=source,
        origin=card.files[exact].sha256,
        files=files,
        created=created,
        variants={one: Variant(f"model.{one}.onnx") for one in PRECISIONS if one in card.variants},
    )
    return _compared(made, into) if "int8" in made.variants else made


def exact_file(card: Card) -> str:
    """The name of the fp32 graph. Raises UnsupportedError where there is none."""
    if "fp32" not in card.variants:
        raise UnsupportedError(f"The encoder {card.name!r} is installed without its fp32 weights.")
    return card.variants["fp32"].file


def _compared(card: Card, folder: Path) -> Card:
    exact, small = (OnnxEncoder(folder, card, variant=variant) for variant in PRECISIONS)
    cosine = mean_cosine(exact, small, PROBES)
    exact.close()
    small.close()
    return with_closeness(card, folder, cosine, LEAST_COSINE)
