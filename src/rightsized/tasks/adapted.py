"""Encoders made out of installed ones: their weights read for training, and what came of it installed beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import checked_file
from rightsized.store import atomic
from rightsized.store.cards import Card
from rightsized.store.models import ModelStore

if TYPE_CHECKING:
    from rightsized.compress.network import FloatArray
    from rightsized.compress.weights import Blueprint

FACTS = "adaptation.json"  # how the weights came about; part of the model, and so of its digest


def weights_of(store: ModelStore, name: str) -> tuple[Blueprint, dict[str, FloatArray]]:
    """Network and fp32 weights of an installed encoder.

    Raises:
        NotFoundError: not installed. IntegrityError: altered. UnsupportedError: it has no fp32 graph.
    """
    from rightsized.compress.reweighed import exact_file
    from rightsized.compress.weights import read_weights  # onnx is loaded only to read and build

    card = store.card(name)
    return read_weights(checked_file(store.folder(name), exact_file(card), card))


def install_reweighed(
    store: ModelStore,
    base: str,
    name: str,
    arrays: Mapping[str, FloatArray],
    facts: bytes,
    progress: Progress = no_progress,
) -> Card:
    """Install `base` with other weights as `name`; `facts` is JSON that says how they came about. Raises StoreError."""
    from rightsized.compress.reweighed import build_reweighed

    card = store.card(base)
    with store.staging(name) as work:
        atomic.write(work / FACTS, facts)
        made = build_reweighed(
            (store.folder(base), card),
            arrays,
            work,
            name=name,
            source=f"adapted:{card.name}@{card.digest}",
            created=time.time(),
            progress=progress,
        )
        return store.install(work, made)


def free_name(store: ModelStore, wanted: str) -> str:
    """The name, or the first of `name-2`, `name-3`, ... that no model has."""
    taken = {card.name for card in store.list()}
    further = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (wanted, *further) if name not in taken)
