"""`rightsized eval`: a task's figures on labelled rows it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned


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
        [name, "none" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"]
        for name, value in found.figures().items()
    ]
    return Result(found, aligned(["figure", "value"], rows))
