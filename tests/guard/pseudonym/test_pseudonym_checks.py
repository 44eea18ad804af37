"""Checks of answers, and everything else above a tier, see the text restored; the tier sees none of it."""

from __future__ import annotations

from typing import Any

from pseudonym_parts import PatternDetector, ScriptedTier, content, end, placeholders

from rightsized.cascade.generate import Calibrated, Ladder, LadderSetup
from rightsized.cascade.promise import Promise
from rightsized.cascade.tier import Tier, text_of
from rightsized.core.generation import Completion, Generation
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Request
from rightsized.guard.pseudonym import Pseudonymised


class Reader:
    """A verifier that keeps what it was shown, and accepts what names Anna."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    async def outside(self, generation: Generation) -> str:
        return ""

    async def before(self, tier: str, generation: Generation) -> float:
        return 1.0

    async def after(self, tier: str, generation: Generation, completion: Completion, samples: Any = ()) -> float:
        self.shown.append((generation.body["messages"][0]["content"], text_of(completion)))
        return 1.0 if "Anna" in completion.text else 0.0


async def test_a_check_reads_the_values() -> None:
    tier = ScriptedTier(lambda g: [content(f"Dear {placeholders(g)[0]}"), end()])
    hidden = Pseudonymised(tier, PatternDetector())
    verifier = Reader()
    setup = LadderSetup(
        (Tier(TierConfig("cloud", engine="fake", data_classes=("secret",)), hidden),),
        Promise("estimated"),
        Calibrated(("cloud",), (0.5,), (), verifier),
    )
    generation = Generation("chat", {"messages": [{"role": "user", "content": "Write to Anna"}]})
    reply = await Ladder(setup).answer(Request("chat", "", generation=generation))
    assert reply.completion is not None
    assert reply.completion.text == "Dear Anna"
    assert verifier.shown == [("Write to Anna", "Dear Anna")]
    assert "Anna" not in str(tier.sent[0].body)
