"""`rightsized fit`: from labelled examples to a certified task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.progress import progress_bars
from rightsized.core.errors import InputError

if TYPE_CHECKING:
    from rightsized.core.types import Promise
    from rightsized.tasks.judged import LabelRule
    from rightsized.tasks.segments import SegmentRule

PROMISES = ("selective_error", "wrong_local_rate")


@dataclass(frozen=True, kw_only=True)
class FitOptions(Common):
    file: Annotated[Path, typer.Argument(help="Labelled examples: CSV, TSV, JSONL or Parquet, also .gz.")]
    task: Annotated[str, typer.Option(help="Name of the task.")]
    text: Annotated[str, typer.Option(help="Column with the text.")] = "text"
    label: Annotated[str, typer.Option(help="Column with the label.")] = "label"
    id: Annotated[str | None, typer.Option(help="Column with an id; rows that repeat one stay together.")] = None
    group: Annotated[
        str | None, typer.Option(help="Column that names the conversation, where rows belong together.")
    ] = None
    multi_label: Annotated[bool, typer.Option("--multi-label", help="A text may have several labels: a|b.")] = False
    out_of_scope: Annotated[str, typer.Option(help="Label of rows that fit no label; they are never trained.")] = (
        "out_of_scope"
    )
    max_error: Annotated[float, typer.Option(help="Error budget, such as 0.02.")] = 0.05
    confidence: Annotated[float, typer.Option(help="Confidence level of the certificate.")] = 0.95
    promise: Annotated[str, typer.Option(help="selective_error or wrong_local_rate.")] = "selective_error"
    calibrate: Annotated[
        Path | None, typer.Option(help="Rows to calibrate on: a random sample of real traffic, not used to train.")
    ] = None
    sampling: Annotated[
        str, typer.Option(help="How the calibrate rows were sampled, in words, for the certificate.")
    ] = ""
    segment_by: Annotated[
        str,
        typer.Option(help="Test parts of the traffic on their own: by label (the predicted one), or by a column."),
    ] = ""
    segment: Annotated[
        list[str] | None,
        typer.Option(help="A part to test; may be repeated. Default: every label, or every value the train rows have."),
    ] = None
    segment_share: Annotated[
        float, typer.Option(help="Part of delta that the parts share equally; the rest is for all messages.")
    ] = 0.5
    label_kind: Annotated[
        str, typer.Option(help="Who labelled the calibrate rows: human, exact (it follows from the data), judge:NAME.")
    ] = "human"
    judge_check: Annotated[
        Path | None,
        typer.Option(help="Rows drawn at random that people labelled beside the judge; only with them is wrong said."),
    ] = None
    judge_column: Annotated[str, typer.Option(help="Column of --judge-check with the judge's label.")] = "judge"
    judge_share: Annotated[
        float, typer.Option(help="Part of the error budget for wrong answers that the judge let pass.")
    ] = 0.5
    traffic: Annotated[
        Path | None, typer.Option(help="Unlabelled texts of real traffic: how much of it will be answered here.")
    ] = None
    encoder: Annotated[str, typer.Option(help="Encoder to embed with.")] = "minilm"
    budget_ms: Annotated[float | None, typer.Option(help="Latency budget, milliseconds at the 95th percentile.")] = None
    budget_mb: Annotated[float | None, typer.Option(help="Memory budget, megabytes.")] = None
    memory_limit_mb: Annotated[float | None, typer.Option(help="Memory the fit itself may take; more ends it.")] = None
    incremental: Annotated[
        bool,
        typer.Option("--incremental", help="Start from the version in force: faster, not repeatable from the file."),
    ] = False
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0


def run(options: FitOptions) -> Result:
    """Train, calibrate, certify and report a task from labelled examples.

    Both lower rungs are trained (n-grams, encoder head); a certificate says how much each may answer.
    """
    from rightsized.jobs.local import run_in_child
    from rightsized.store.home import Home
    from rightsized.tasks.judged import check_labels
    from rightsized.tasks.records import FitReport
    from rightsized.tasks.report import summary
    from rightsized.tasks.segments import check_rule

    _check(options)
    check_labels(_labelled(options))
    check_rule(_segments(options), cast("Promise", options.promise), options.label)
    config = options.settings()
    with progress_bars(options.json) as progress:
        report = run_in_child(
            Home(config.home),
            "fit",
            entry="rightsized.tasks.fit:fit_job",
            arguments=_arguments(options, config.home),
            result_type=FitReport,
            progress=progress,
            memory_mb=options.memory_limit_mb,
        )
    return Result(summary(report), _text(report))


def _check(options: FitOptions) -> None:
    if options.promise not in PROMISES:
        raise InputError(f"--promise {options.promise!r} is not known.", fix=f"Known: {', '.join(PROMISES)}.")
    for name, value in (("--max-error", options.max_error), ("--confidence", options.confidence)):
        if not 0 < value < 1:
            raise InputError(f"{name} {value:g} must lie between 0 and 1, such as 0.02 for 2%.")


def _arguments(options: FitOptions, home: str) -> dict[str, Any]:
    return {
        "home": home,
        "file": str(options.file),
        "calibrate": str(options.calibrate) if options.calibrate else None,
        "task": options.task,
        "columns": {
            "text": options.text,
            "label": options.label,
            "group": options.group,
            "id": options.id,
            "multi_label": options.multi_label,
            "out_of_scope": options.out_of_scope,
        },
        "targets": {
            "max_error": options.max_error,
            "confidence": options.confidence,
            "promise": options.promise,
            "budget_ms": options.budget_ms,
            "budget_mb": options.budget_mb,
        },
        "sampling": options.sampling,
        "labelled": msgspec.to_builtins(_labelled(options)),
        "traffic": str(options.traffic) if options.traffic else None,
        "segments": msgspec.to_builtins(_segments(options)),
        "encoder": options.encoder,
        "seed": options.seed,
        "incremental": options.incremental,
    }


def _labelled(options: FitOptions) -> LabelRule:
    from rightsized.tasks.judged import LabelRule

    check = str(options.judge_check) if options.judge_check else None
    return LabelRule(options.label_kind, check, None, options.judge_column, options.judge_share)


def _segments(options: FitOptions) -> SegmentRule:
    from rightsized.tasks.segments import SegmentRule

    return SegmentRule(options.segment_by, tuple(options.segment or ()), options.segment_share)


def _text(report: Any) -> str:
    from rightsized.cli.tables import aligned, percent

    measured = report.measured
    rows = [
        ["state", report.state],
        ["rows", f"{report.n_train:,} train, {report.n_calibrate:,} calibrate, {report.n_report:,} report"],
        ["accuracy", f"{percent(measured.accuracy)} on {measured.slice}"],
        ["answered here", f"{percent(measured.coverage)}"],
        ["wrong among those", f"{percent(measured.selective_error)}"],
        ["answered here and wrong", f"{percent(measured.wrong_local_rate)}"],
        ["latency", f"p50 {report.latency.p50:.1f} ms, p95 {report.latency.p95:.1f} ms"],
        ["memory", f"{report.rss_mb:.0f} MB"],
        ["report", report.report],
    ]
    findings = "".join(f"\nnote: {finding.message}" for finding in report.findings)
    return f"{report.certificate.sentence}\n\n{aligned(['', ''], rows).strip()}{findings}"


app = typer.Typer()
add(app, "fit", FitOptions, run)
