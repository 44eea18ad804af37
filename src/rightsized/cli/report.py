"""`rightsized report`: the right-sizing report of a fitted task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ReportOptions(Common):
    task: Annotated[str, typer.Argument(help="Name of the task.")]
    out: Annotated[Path | None, typer.Option(help="Write the page here; default: print where it is.")] = None


def run(options: ReportOptions) -> Result:
    """Show where a task's right-sizing report is, or write it somewhere."""
    from rightsized.store import atomic
    from rightsized.store.home import Home
    from rightsized.tasks.records import FitReport
    from rightsized.tasks.report import summary
    from rightsized.tasks.versions import TaskStore

    store = TaskStore(Home(options.settings().home))
    report = store.read(options.task, "report.json", FitReport)
    page = store.folder(options.task) / "report.html"
    if options.out and options.out.is_dir():
        message = f"{options.out} is a folder; the page is one file."
        raise InputError(message, fix=f"Use --out {options.out / f'{options.task}.html'}")
    if options.out:
        atomic.export(options.out, page.read_bytes())
    where = options.out or page
    return Result({**summary(report), "report": str(where)}, f"{report.certificate.sentence}\n\n{where}")
