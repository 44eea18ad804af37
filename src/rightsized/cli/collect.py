"""`rightsized calibrate collect`: the answers and further samples that a calibration reads, asked of the tiers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.core.errors import InputError
from rightsized.core.generation import DATA_CLASSES


@dataclass(frozen=True, kw_only=True)
class CollectOptions(Common):
    data: Annotated[Path, typer.Option(help="Prompts, JSONL: prompt or messages; other fields are kept.")]
    out: Annotated[Path, typer.Option(help="File for the rows with answers, JSONL. A run broken off goes on there.")]
    tiers: Annotated[str, typer.Option(help="Names in order of cost, with commas. Default: all of the settings.")] = ""
    data_class: Annotated[
        str, typer.Option(help=f"What the prompts hold, which decides who may be asked: {', '.join(DATA_CLASSES)}.")
    ] = ""
    logprobs: Annotated[bool, typer.Option("--logprobs", help="Ask for log probabilities too.")] = False
    at_once: Annotated[int, typer.Option(help="Rows asked at a time.")] = 8


def collect(options: CollectOptions) -> Result:
    """Ask every tier each prompt, and write the answers down for labelling.

    Draws the further samples that the settings give a tier, as in service. A tier that may not be sent a prompt is not
    asked it, and a pseudonymised one is sent placeholders. Each call is paid for. Label the rows
    ("correct" or "expected") and give them to calibrate chat.
    """
    import msgspec

    from rightsized.tasks.chat_collect import CollectPlan
    from rightsized.tasks.chat_collect import collect as collected

    if options.at_once < 1:
        raise InputError(f"--at-once {options.at_once} must be 1 or more.")
    if options.data_class and options.data_class not in DATA_CLASSES:
        raise InputError(f"--data-class {options.data_class!r} is not known.", fix=f"Known: {', '.join(DATA_CLASSES)}.")
    plan = CollectPlan(
        data=str(options.data),
        out=str(options.out),
        tiers=tuple(name.strip() for name in options.tiers.split(",") if name.strip()),
        data_class=next((known for known in DATA_CLASSES if known == options.data_class), None),
        logprobs=options.logprobs,
        at_once=options.at_once,
    )
    with progress_bars(options.json) as progress:
        report = collected(options.settings(), plan, progress)
    kept = "".join(
        f"\n{count:,} of them were not sent to {tier}, which may not have them or cannot take them."
        for tier, count in report.kept_back.items()
    )
    text = (
        f"{report.rows:,} rows asked of {', '.join(report.tiers)} in {report.seconds:.1f} s: {report.calls:,} calls,"
        f" ${report.cost:.4f}. {report.before:,} were there before.{kept}\nThey stand in {report.out}. Label them,"
        f" then: rightsized calibrate chat --data {report.out}"
    )
    return Result(msgspec.to_builtins(report), text)
