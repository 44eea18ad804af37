"""The check that binds a task to a LoRA adapter: the request names it, whatever the client asked for."""

from __future__ import annotations

from typing import Any

from rightsized.core.generation import Generation
from rightsized.guard.policy.outputs import AdapterRule
from rightsized.guard.safety.check import FINE, Check

FIELD = "adapter"  # of the body


class Adapter(Check[AdapterRule]):
    """An adapter module: only tiers that have it are asked, and they are asked for it."""

    def vetoes(self, tier: str) -> str:
        return (
            "" if self.rule.adapter in self.means.adapters.get(tier, ()) else f"it has no adapter {self.rule.adapter}"
        )

    def prepared(self, body: dict[str, Any], generation: Generation) -> dict[str, Any]:
        return {**body, FIELD: self.rule.adapter}

    async def request(self, generation: Generation) -> str:
        asked = generation.body.get(FIELD)
        return FINE if asked in (None, self.rule.adapter) else "the request asks for another adapter"
