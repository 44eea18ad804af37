"""Exchanges about sums, right or wrong for reasons that a verifier can see: for tests of calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

THINGS = ("apples", "books", "tickets", "lamps", "stamps", "chairs", "bottles", "tiles", "roses", "coins")
PLACES = ("the market", "a school", "the station", "her garden", "a workshop", "an office", "the harbour")


def sum_rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows for `calibrate chat`: a small tier that slips more on long sums, a large one that seldom does."""
    random = np.random.default_rng(seed)
    return [_row(random, number) for number in range(n)]


def _row(random: np.random.Generator, number: int) -> dict[str, Any]:
    terms = random.integers(2, 7)
    values = [int(v) for v in random.integers(11, 99, terms)]
    thing, place = THINGS[random.integers(len(THINGS))], PLACES[random.integers(len(PLACES))]
    counts = ", then ".join(f"{value} {thing}" for value in values)
    prompt = f"Order {number}: at {place} somebody counts {counts}. How many {thing} are that in all?"
    slip = random.random() < 0.08 * terms
    small, large = _answer(random, values, slip), _answer(random, values, random.random() < 0.04)
    right = str(sum(values))
    return {
        "prompt": prompt,
        "answers": {"small": small, "large": large},
        "correct": {"small": small.endswith(f"#### {right}"), "large": large.endswith(f"#### {right}")},
        "expected": right,
        "domain": "long" if terms > 4 else "short",
    }


def _answer(random: np.random.Generator, values: list[int], slip: bool) -> str:
    total = sum(values)
    said = total + (int(random.integers(1, 30)) if slip else 0)
    return f"That makes {' + '.join(map(str, values))} = {said}.\n#### {said}"


def write_rows(path: Path, rows: list[dict[str, Any]], *drop: str) -> Path:
    """The rows as JSON lines, without the named fields."""
    kept = [{name: value for name, value in row.items() if name not in drop} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")
    return path
