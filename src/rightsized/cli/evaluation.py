"""`rightsized eval`: a task's figures on labelled rows it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned
from rightsized.core.types import Interval

if TYPE_CHECKING:
    from rightsized.tasks.evaluation import Evaluation


@dataclass(frozen=True, kw_only=True)
class EvalOptions(Common):
    task: Annotated[str, typer.Argument(help="Name of the task.")]
    file: Annotated[Path, typer.Argument(help="Labelled rows: CSV, TSV, JSONL or Parquet, also .gz.")]
    text: Annotated[str, typer.Option(help="Column with the text.")] = "text"
    label: Annotated[str, typer.Option(help="Column with the label.")] = "label"
    oos_label: Annotated[str | None, typer.Option(help="Label of out-of-scope rows, for oos_auroc.")] = None


def run(options: EvalOptions) -> Result:
    """Measure a task on labelled rows: accuracy, share answered here, both risks, calibration error."""
    import asyncio

    from rightsized.tasks.evaluation import evaluate_file

    with progress_bars(options.json) as progress:
        found = asyncio.run(
            evaluate_file(
                options.settings(),
                options.task,
                options.file,
                (options.text, options.label, options.oos_label),
                progress,
            )
        )
    rows = [
        [
            name,
            "none" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}",
            _range(found, name),
        ]
        for name, value in found.figures().items()
    ]
    notes = []
    if found.out_of_scope_rows:
        notes.append(f"{found.out_of_scope_rows} rows are out of scope: accuracy and macro_f1 are over the others.")
    if found.unknown_labels:
        notes.append(
            f"The task does not know these labels; they count as wrong: {', '.join(found.unknown_labels[:10])}."
        )
    if found.state not in ("certified", "estimated"):
        notes.append(f"The task is {found.state} now: nothing is answered here, whatever the thresholds would allow.")
    return Result(found, "\n".join([aligned(["figure", "value", "range"], rows), *notes]))


def _range(found: Evaluation, name: str) -> str:
    interval = getattr(found.measured, name, None)
    return f"{interval.low:.4f} to {interval.high:.4f}, n = {interval.n:,}" if isinstance(interval, Interval) else ""


app = typer.Typer()
add(app, "eval", EvalOptions, run)
