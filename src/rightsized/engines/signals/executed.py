"""What the tests that came with a request came to; they were run elsewhere (`engines/testrun`), nothing is run here."""

from __future__ import annotations

from rightsized.engines.signals.signal import Exchange, Side


class Executed:
    """Whether the answer passed its tests. Tests that were not run are none."""

    name = "tests"
    side: Side = "answer"
    features = ("given", "passed", "failed", "timeout")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        found = exchange.tested
        return (float(bool(found)), float(found == "passed"), float(found == "failed"), float(found == "timeout"))
