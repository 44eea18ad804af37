"""Figures of a fitted task on labelled rows it has not seen: `rightsized eval` and `FittedTask.evaluate`.

Rows are scored by the rungs that serve. What each figure means is in `evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rightsized.core.config import Config
from rightsized.core.errors import DataError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Frozen
from rightsized.tasks.dataset import OUT_OF_SCOPE, Columns, Dataset, from_lists, read
from rightsized.tasks.evaluate import ScoredRows, auroc, confusions, measure
from rightsized.tasks.records import Confusion, Measured
from rightsized.tasks.score import score_rows
from rightsized.tasks.service import LocalService, open_service


class Evaluation(Frozen, frozen=True):
    """Figures on `n` rows; accuracy and macro F1 over those that some label fits. Intervals are in `measured`."""

    task: str
    n: int
    accuracy: float
    macro_f1: float
    coverage: float
    wrong_local_rate: float
    selective_error: float
    ece: float
    oos_auroc: float | None
    out_of_scope_rows: int
    thresholds: tuple[float | None, ...]
    state: str
    measured: Measured
    unknown_labels: tuple[str, ...] = ()
    confusions: tuple[Confusion, ...] = ()

    def figures(self) -> dict[str, Any]:
        """The plain figures by name."""
        names = ("n", "accuracy", "macro_f1", "coverage", "wrong_local_rate", "selective_error", "ece", "oos_auroc")
        return {name: getattr(self, name) for name in names}


async def evaluate_file(
    config: Config, task: str, file: Path, columns: tuple[str, str, str | None], progress: Progress = no_progress
) -> Evaluation:
    """Figures on a labelled file. `columns`: text column, label column, label of out-of-scope rows or None."""
    async with open_service(config, purpose="eval", record=False) as service:
        multi_label = service.loaded(task).task.multi_label
        text, label, oos = columns
        data = read(file, Columns(text=text, label=label, multi_label=multi_label, out_of_scope=oos or OUT_OF_SCOPE))
        return await _evaluate(service, task, data, progress)


async def evaluate_rows(service: LocalService, task: str, texts: Sequence[str], labels: Sequence[Any]) -> Evaluation:
    """Figures on labelled texts."""
    columns = Columns(multi_label=service.loaded(task).task.multi_label)
    return await _evaluate(service, task, from_lists(texts, labels, columns), no_progress)


async def _evaluate(service: LocalService, task: str, data: Dataset, progress: Progress) -> Evaluation:
    if not len(data):
        raise DataError(f"{data.name} has no usable row.", fix="Each row needs a text and a label.")
    loaded = service.loaded(task)
    unknown = sorted({label for row in data.labels for label in row} - set(loaded.task.labels))
    if unknown and not any(set(row) & set(loaded.task.labels) for row in data.labels):
        raise DataError(
            f"None of the labels of {data.name} is one of the task's: {', '.join(unknown[:5])}.",
            fix=f"The task {task!r} knows: {', '.join(loaded.task.labels[:20])}. Check --label.",
        )
    multi_label = loaded.task.multi_label
    rows = await score_rows(loaded.rungs, data, multi_label=multi_label, stage="Scoring", progress=progress)
    thresholds = loaded.certificate.thresholds
    measured = measure(rows, thresholds, "none", multi_label)
    return Evaluation(
        task=task,
        n=len(data),
        accuracy=measured.accuracy.value,
        macro_f1=measured.macro_f1,
        coverage=measured.coverage.value,
        wrong_local_rate=measured.wrong_local_rate.value,
        selective_error=measured.selective_error.value,
        ece=measured.ece,
        oos_auroc=_oos_auroc(rows),
        out_of_scope_rows=sum(not labels for labels in data.labels),
        thresholds=thresholds,
        state=loaded.state,
        measured=measured,
        unknown_labels=tuple(unknown),
        confusions=confusions(rows),
    )


def _oos_auroc(rows: ScoredRows) -> float | None:
    """How well `out_of_scope` tells rows that no label fits from the others; None where there are none of either."""
    score = np.array([p.out_of_scope for p in rows.predicted[-1]], dtype=np.float64)
    outside = np.array([not labels for labels in rows.labels], dtype=bool)
    if not outside.any() or outside.all():
        return None
    return auroc(score[outside], score[~outside])
