"""The simulated promotions: the rules in force keep to their level, and what they replace does not."""

from __future__ import annotations

import numpy as np

from benchmarks.triage_promotion import AUDITS, DELTA, Path, Random, path_of, repeats, storm


def rates(scenario: object, path: Path, count: int) -> dict[str, float]:
    assert callable(scenario)
    random: Random = np.random.default_rng(3)
    seen = [scenario(path, random) for _ in range(count)]
    return {name: sum(one[name] for one in seen) / count for name in seen[0]}


def test_texts_that_traffic_repeats_stay_in_and_an_outage_counts_once() -> None:
    path = path_of(AUDITS, np.random.default_rng(0))
    repeated, outage = rates(repeats, path, 80), rates(storm, path, 40)
    assert repeated["repeated texts kept"] <= 2 * DELTA  # 80 draws; half of delta is spent
    assert repeated["repeated texts left out"] > 4 * DELTA
    assert outage["outage counted once"] <= DELTA
