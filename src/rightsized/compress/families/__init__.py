"""Families of encoders, one a file: how a checkpoint names its weights and counts its positions."""

from __future__ import annotations

from rightsized.compress.families import bert, distilbert, roberta
from rightsized.compress.families.family import Family
from rightsized.core.errors import StoreError

FAMILIES: dict[str, Family] = {
    family.name: family for module in (bert, distilbert, roberta) for family in module.FAMILIES
}


def family_of(model_type: str) -> Family:
    """The family of a `model_type`. Raises StoreError that lists the supported ones."""
    if model_type not in FAMILIES:
        raise StoreError(
            f"Encoders of type {model_type!r} are not supported.",
            fix=f"Supported types: {', '.join(sorted(FAMILIES))}. "
            "A model that writes becomes a GGUF file: rightsized models convert SOURCE",
        )
    return FAMILIES[model_type]
