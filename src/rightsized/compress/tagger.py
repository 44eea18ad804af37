"""From an installed encoder and our weights to the folder of the name tagger: graph, tokenizer, settings, card."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import onnx
from safetensors import SafetensorError
from safetensors.numpy import load

from rightsized.compress.tagger_graph import build_tagger
from rightsized.core.errors import IntegrityError
from rightsized.engines.onnx import TOKENIZER_FILE
from rightsized.engines.tagger import ENGINE, MODEL_FILE, SETTINGS_FILE, TaggerSettings
from rightsized.engines.tagger_words import SLOTS
from rightsized.store import atomic, cards
from rightsized.store.cards import Card, Variant


def build(weights: Path, settings: TaggerSettings, encoder: Path, card: Card, into: Path) -> None:
    """Write `model.int8.onnx`, `tokenizer.json` and `names.json` into an empty folder.

    Args:
        weights: our safetensors file; `names.json` stands beside it.
        settings: what stands in `names.json`.
        encoder: folder of the installed encoder.
        card: its card.
    Raises:
        StoreError, IntegrityError: encoder and weights do not belong together, or weights are damaged.
    """
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != settings.sha256:
        raise IntegrityError(
            f"{weights.name} was altered: its sha256 is not the one beside it.", fix="Install rightsized again."
        )
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise IntegrityError(f"{weights.name} is damaged: {error}.", fix="Install rightsized again.") from None
    model = onnx.load(str(encoder / card.variants["int8"].file))
    graph = build_tagger(model, arrays, frozen=settings.frozen, own=settings.own, slots=SLOTS)
    atomic.write(into / MODEL_FILE, graph.SerializeToString())
    shutil.copyfile(encoder / TOKENIZER_FILE, into / TOKENIZER_FILE)
    shutil.copyfile(weights.with_name(SETTINGS_FILE), into / SETTINGS_FILE)


def card_of(folder: Path, name: str, settings: TaggerSettings, encoder: Card, source: str, created: float) -> Card:
    """The card of a tagger that was built in `folder`."""
    files = cards.describe_folder(folder)
    return Card(
        name=name,
        digest=cards.digest_files(files),
        engine=ENGINE,
        architecture=f"{settings.frozen} layers of {encoder.name}, {settings.own} of our own",
        family=encoder.family,
        parameters=0,
        size_bytes=sum(fact.size for fact in files.values()),
        context=encoder.context,
        dimension=encoder.dimension,
        languages=("en",),
        licence=f"Apache-2.0; fitted on CC BY 4.0 and CC BY 3.0 data; below it {encoder.licence}",
        source=source,
        origin=settings.sha256,
        files=files,
        created=created,
        variants={"int8": Variant(file=MODEL_FILE)},
        default_variant="int8",
    )
