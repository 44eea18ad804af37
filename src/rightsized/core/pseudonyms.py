"""Settings of pseudonymising for one tier: `pseudonyms` in a `[[tiers]]` table."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class PseudonymConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How values are hidden from a tier with `pseudonymise = true`."""

    scope: Literal["request", "conversation"] = "request"  # how long a value keeps its placeholder
    keep: tuple[str, ...] = ()  # types of findings that are sent as they are
    note: bool = True  # tell the model, in its instructions, to copy placeholders exactly
