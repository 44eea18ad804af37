"""Scoring rows through the serving path: the very rungs that will answer, one text a call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from rightsized.core.protocols import Progress, Rung, Scored, no_progress
from rightsized.tasks.dataset import Dataset
from rightsized.tasks.evaluate import ScoredRows, right

IN_FLIGHT = 16  # texts handed to the rungs at a time; below the engine's queue, above its sessions


async def score_rows(
    rungs: Sequence[Rung],
    data: Dataset,
    *,
    multi_label: bool = False,
    stage: str = "Scoring",
    progress: Progress = no_progress,
) -> ScoredRows:
    """Ask every rung about every row. A rung sees one text a call, as in service."""
    n, k = len(data), len(rungs)
    score = np.zeros((n, k), dtype=np.float64)
    correct = np.zeros((n, k), dtype=bool)
    said: list[list[Scored]] = []
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(text: str) -> list[Scored]:
        async with gate:
            return [await rung.score(text) for rung in rungs]

    for start in range(0, n, 4 * IN_FLIGHT):
        said.extend(await asyncio.gather(*(one(text) for text in data.texts[start : start + 4 * IN_FLIGHT])))
        progress(stage, len(said), n)
    for i, scored in enumerate(said):
        score[i] = [s.score for s in scored]
        correct[i] = [right(s.prediction, data.labels[i], multi_label) for s in scored]
    predicted = [[scored[j].prediction for scored in said] for j in range(k)]
    return ScoredRows(list(data.texts), list(data.labels), score, correct, predicted)
