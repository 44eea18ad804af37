"""Opens the detector of personal data with the tagger of names, which is built from the installed encoder once.

The only place that joins our weights, the encoder in the store and the recognisers.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from rightsized.core.errors import StoreError
from rightsized.core.pii import PiiConfig
from rightsized.data import folder as data_folder
from rightsized.engines.tagger import SETTINGS_FILE, OnnxTagger, TaggerSettings, built_from
from rightsized.guard.pii.detector import TAGGER, PiiDetector
from rightsized.store.cards import Card
from rightsized.store.models import ModelStore

WEIGHTS_FILE = "names.safetensors"
MODEL = "names"  # name of the built tagger in the store


def shipped() -> tuple[Path, TaggerSettings]:
    """The file of our weights, and what stands beside it."""
    folder = data_folder("names")
    settings = msgspec.json.decode((folder / SETTINGS_FILE).read_bytes(), type=TaggerSettings)
    return folder / WEIGHTS_FILE, settings


def open_tagger(store: ModelStore) -> OnnxTagger:
    """Open the tagger; where it is not installed yet, or was built from other weights, build and install it.

    Building takes about two seconds and reads nothing but this machine's disk.

    Raises:
        NotFoundError: the encoder is not installed; names the command that pulls it.
        StoreError, IntegrityError: the encoder is not the one that the weights were fitted on, or a file is damaged.
    """
    weights, settings = shipped()
    encoder = store.card(settings.encoder)
    source = built_from(weights, encoder)
    if not store.has(MODEL) or store.card(MODEL).source != source:
        _build(store, weights, settings, encoder)
    return OnnxTagger(store.folder(MODEL), store.card(MODEL))


def open_detector(store: ModelStore, config: PiiConfig | None = None) -> PiiDetector:
    """The detector with its tagger. Raises as `open_tagger`; with `off = ["tagger"]` it needs no encoder."""
    config = config or PiiConfig()
    return PiiDetector(config, None if TAGGER in config.off else open_tagger(store))


def _build(store: ModelStore, weights: Path, settings: TaggerSettings, encoder: Card) -> None:
    from rightsized.compress.tagger import build, card_of  # onnx is loaded only to build

    if encoder.origin != settings.encoder_weights or "int8" not in encoder.variants:
        raise StoreError(
            f"The tagger of names was fitted on another encoder than the installed {encoder.name!r}.",
            fix=f"Run: rightsized models remove {encoder.name} && rightsized models pull {encoder.name}",
        )
    with store.staging(MODEL) as work:
        built = work / "built"
        built.mkdir()
        build(weights, settings, store.folder(encoder.name), encoder, built)
        store.install(built, card_of(built, MODEL, settings, encoder, built_from(weights, encoder), time.time()))
