"""`rightsized report`: the right-sizing report of a fitted task, and the audit report of the whole home."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rightsized.cli.commands import Common, Result, add
from rightsized.core.errors import InputError
from rightsized.tasks.moments import moment

DAY_S = 86_400.0
TASK = "task"


class Reports(TyperGroup):
    """`report NAME` is short for `report task NAME`, unless NAME is one of the other reports."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [TASK, *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="report",
    cls=Reports,
    help="A task's right-sizing report, or this home's audit report.",
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True)
class ReportOptions(Common):
    task: Annotated[str, typer.Argument(help="Name of the task.")]
    out: Annotated[Path | None, typer.Option(help="Write the page here; default: print where it is.")] = None


@dataclass(frozen=True, kw_only=True)
class AuditOptions(Common):
    days: Annotated[float, typer.Option(help="Of the last so many days.", min=0.0)] = 90.0
    since: Annotated[str | None, typer.Option(help="From this day on (2026-01-31, UTC), in place of --days.")] = None
    until: Annotated[str | None, typer.Option(help="Up to this day, which is left out. Default: now.")] = None
    check: Annotated[bool, typer.Option(help="Check every entry of the record first.")] = True
    out: Annotated[Path, typer.Option(help="Write the page here.")] = Path("audit.html")


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
    if options.out:
        _no_folder(options.out, f"{options.task}.html")
        atomic.export(options.out, page.read_bytes())
    where = options.out or page
    return Result({**summary(report), "report": str(where)}, f"{report.certificate.sentence}\n\n{where}")


def audit(options: AuditOptions) -> Result:
    """Write the audit report: what ran, under which rule, what left this machine, and whether the record is whole.

    Ends with status 1 where the record is not as it was signed.
    """
    import msgspec

    from rightsized.cli.progress import progress_bars
    from rightsized.store import atomic
    from rightsized.tasks.compliance import Asked, gather, render

    _no_folder(options.out, "audit.html")
    until = moment(options.until, "--until") or time.time()
    since = moment(options.since, "--since")
    since = until - options.days * DAY_S if since is None else since
    if since >= until:
        raise InputError("The period ends before it begins.", fix="Give --since an earlier day than --until.")
    with progress_bars(options.json) as progress:
        report = gather(options.settings(), Asked(since, until, options.check), progress)
    atomic.export(options.out, render(report).encode())
    data: dict[str, Any] = {**msgspec.to_builtins(report), "report": str(options.out)}
    done, log = report.outcomes, report.log
    whole = "not checked" if log.unaltered is None else "whole" if log.unaltered else "NOT AS IT WAS SIGNED"
    text = (
        f"{done.requests:,} requests: {done.answered:,} answered, {done.to_person:,} left to a person, "
        f"{done.failed + done.interrupted:,} failed or interrupted.\n"
        f"The record is {whole}.\n\n{options.out}"
    )
    return Result(data, text, status=1 if log.unaltered is False else 0)


def _no_folder(out: Path, name: str) -> None:
    if out.is_dir():
        raise InputError(f"{out} is a folder; the page is one file.", fix=f"Use --out {out / name}")


add(app, TASK, ReportOptions, run)
add(app, "audit", AuditOptions, audit)
