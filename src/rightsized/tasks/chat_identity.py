"""What a tier is, by digest, as the settings name it: a certificate about one model says nothing of another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from rightsized.core.tiers import TierConfig

# What can change a tier's answers. Prices, time limits and where data may go do not.
_ANSWERS_DEPEND_ON = ("engine", "model", "url", "preset", "options")


def serving_tiers(tiers: Iterable[TierConfig]) -> dict[str, str]:
    """`tier.NAME`: digest of engine, model and address. A remote model cannot be pinned further than that."""
    return {f"tier.{tier.name}": _digest(tier) for tier in tiers}


def _digest(tier: TierConfig) -> str:
    body = [getattr(tier, name) for name in _ANSWERS_DEPEND_ON]
    return "sha256:" + hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
