"""What becomes of an INT8 graph once it has been compared with the exact one: kept with its figure, or left out."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from rightsized.store import cards
from rightsized.store.cards import Card, Variant


def with_closeness(card: Card, folder: Path, close: float, least: float) -> Card:
    """The card with the closeness of INT8; where that is below `least`, without INT8, whose file is deleted."""
    variants = {"fp32": card.variants["fp32"], "int8": Variant(card.variants["int8"].file, round(close, 6))}
    if close >= least:
        return replace(card, variants=variants)
    (folder / variants.pop("int8").file).unlink()
    files = cards.describe_folder(folder)
    return replace(
        card,
        variants=variants,
        default_variant="fp32",
        files=files,
        digest=cards.digest_files(files),
        size_bytes=sum(fact.size for fact in files.values()),
    )
