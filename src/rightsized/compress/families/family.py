"""What differs between encoders that are otherwise the same network: post-norm transformer layers."""

from __future__ import annotations

from typing import Literal

from rightsized.core.types import Frozen


class Family(Frozen, frozen=True):
    """Names of weights and settings in one family's checkpoints.

    `tensors` maps our names to theirs; `{}` stands for the layer's number. `settings` does the same for
    `config.json`. `prefixes` may stand before every name. `positions` says how positions are numbered: from 0
    (`plain`), or from padding index + 1, skipping padding tokens (`offset`).
    """

    name: str
    prefixes: tuple[str, ...]
    tensors: dict[str, str]
    settings: dict[str, str]
    positions: Literal["plain", "offset"] = "plain"
    token_types: bool = True
