"""A rung of your own in the ladder, and a test of it without weights.

A rung is anything with a name, a tier, a model digest, a cost, and `score(text)`: a prediction and the probability that
it is right. It knows nothing of thresholds or of other requests. This one answers messages that hold an order number.

    python examples/custom_rung.py
"""

from __future__ import annotations

import asyncio
import re

from rightsized.cascade.route import Cascade, CascadeSetup
from rightsized.core.protocols import Rung, Scored
from rightsized.core.types import TIER_TASK, LabelScore, Prediction, Reply, Request
from rightsized.engines.fake import FakeRung


class OrderNumberRung:
    """Sure of `orders` where the text holds an order number such as FO-123456, and of nothing else."""

    name = "order-number"
    tier = TIER_TASK
    model = "sha256:" + "0" * 64  # digest of all that the score depends on; here: this rule
    cost = 0.0
    _pattern = re.compile(r"\bFO-\d{6}\b")

    async def score(self, text: str) -> Scored:
        """The same text always gets the same score."""
        sure = 0.99 if self._pattern.search(text) else 0.0
        return Scored(Prediction("orders", ("orders",), (LabelScore("orders", sure),)), sure)


def ladder(*rungs: Rung) -> Cascade:
    """The rungs in order, a person after the last. Real thresholds come from calibration, never by hand."""
    thresholds = tuple(0.9 for _ in rungs)
    return Cascade(CascadeSetup(task="support", version="test", rungs=rungs, thresholds=thresholds, state="none"))


async def answers() -> list[Reply]:
    """Three messages: one for the rule, one for the model behind it, one for a person."""
    model = FakeRung({"Where is my parcel?": ("delivery", 0.97)}, name="model", default=("orders", 0.4))
    cascade = ladder(OrderNumberRung(), model)
    texts = ("About FO-204117, please.", "Where is my parcel?", "Hello?")
    return [await cascade.answer(Request(task="support", text=text)) for text in texts]


def main() -> None:
    for reply in asyncio.run(answers()):
        tried = ", ".join(f"{attempt.rung} {attempt.score:.2f}" for attempt in reply.attempts)
        print(f"{reply.label or 'for a person'} (tried: {tried})")


if __name__ == "__main__":
    main()
