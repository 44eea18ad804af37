"""Progress bars on standard error for anything over a second; silent where nobody watches or --json is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rightsized.core.protocols import Progress, no_progress


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Progress]:
    """A Progress that draws one bar a stage."""
    if quiet or not sys.stderr.isatty():
        yield no_progress if quiet else _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        stages: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total or None)
            bars.update(stages[stage], completed=done, total=total or None)

        yield report


def _lines() -> Progress:
    """One line a stage, for logs."""
    seen: set[str] = set()

    def report(stage: str, done: int, total: int) -> None:
        if stage not in seen:
            seen.add(stage)
            sys.stderr.write(f"{stage} ...\n")
            sys.stderr.flush()

    return report
