"""`rightsized search adapt`: the encoder of a collection learns from its headings and texts; kept only if better."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_opened import opened
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError

if TYPE_CHECKING:
    from rightsized.apps.search.adapt.records import Adapted, Judgement
    from rightsized.apps.search.evaluate.bootstrap import Difference, Interval
    from rightsized.core.config import Config

_PROBLEMS_SHOWN = 10
_TORCH = ("torch", "safetensors", "numpy")
_NAMES = {"ndcg@10": "nDCG@10", "recall@10": "R@10"}


@dataclass(frozen=True, kw_only=True)
class AdaptCommandOptions(Common):
    collection: Annotated[str, typer.Argument(help="Name of the collection.")]
    judged: Annotated[
        Path | None,
        typer.Option(help="Judged questions: JSON lines (text, document, answer), or a folder in BEIR layout."),
    ] = None
    method: Annotated[
        str, typer.Option(help="projection: a linear map behind the encoder. layers: its last layers, with torch.")
    ] = "projection"
    epochs: Annotated[float, typer.Option(min=0.0, help="Times through all pairs; 0 is the method's own number.")] = 0.0
    pairs: Annotated[int, typer.Option(min=64, help="Most pairs learned from.")] = 4000
    layers: Annotated[int, typer.Option(min=1, help="Layers that are trained, from the top.")] = 2
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0
    python: Annotated[str, typer.Option(help="A Python that has torch, for --method layers. Default: this one.")] = ""
    memory_limit_mb: Annotated[float | None, typer.Option(help="Memory the work may take; more ends it.")] = None
    back: Annotated[bool, typer.Option("--back", help="Let the encoder of the settings serve again.")] = False


def adapt(options: AdaptCommandOptions) -> Result:
    """Adapt the encoder to a collection, without labels. It serves only if better on judged questions held out.

    Stopped at any moment, nothing has changed. The encoder that served before stays installed.
    """
    from rightsized.apps.search.adapt.job import ENTRY, AdaptPlan
    from rightsized.apps.search.adapt.records import METHODS, Adapted, AdaptOptions
    from rightsized.jobs.local import run_in_child
    from rightsized.store.home import Home

    config = options.settings()
    if options.back:
        return _back(config, options)
    if options.method not in METHODS:
        raise InputError(f"--method {options.method!r} is not known.", fix=f"Known: {', '.join(METHODS)}.")
    chosen = AdaptOptions(
        method=options.method,
        epochs=options.epochs,
        most_pairs=options.pairs,
        layers=options.layers,
        seed=options.seed,
    )
    plan = AdaptPlan(
        home=str(config.home),
        collection=options.collection,
        encoder=config.search.encoder,
        python=_python(options),
        judged=str(options.judged.absolute()) if options.judged else "",
        options=chosen,
    )
    with progress_bars(options.json) as progress:
        report = run_in_child(
            Home(config.home),
            "adapt",
            entry=ENTRY,
            arguments=msgspec.to_builtins(plan),
            result_type=Adapted,
            progress=progress,
            memory_mb=options.memory_limit_mb,
        )
    return Result(msgspec.to_builtins(report), told(report))


def _python(options: AdaptCommandOptions) -> str:
    if options.method != "layers":
        return ""
    from rightsized.compress.gguf.child import training_python

    return training_python(options.python, _TORCH)


def _back(config: Config, options: AdaptCommandOptions) -> Result:
    from rightsized.apps.search.adapt.adapting import go_back

    with opened(config, own=False) as collections, progress_bars(options.json) as progress:
        collection = collections.open(options.collection)
        encoded = go_back(collection, collection.encoder, progress)
    text = f"{options.collection} is searched with {config.search.encoder} again; {encoded:,} passages were encoded."
    return Result({"collection": options.collection, "encoder": config.search.encoder, "encoded": encoded}, text)


def told(report: Adapted) -> str:
    """A report for people."""
    trained = report.trained
    kinds = ", ".join(f"{count:,} by {kind}" for kind, count in trained.pairs.items())
    left_out = f"; {trained.judged_left_out:,} left out that ask what is judged" if trained.judged_left_out else ""
    lines = [
        f"{sum(trained.pairs.values()):,} pairs ({kinds}), {trained.negatives:,} mined negatives{left_out}.",
        f"{trained.chosen}; {trained.steps:,} steps in {trained.seconds:.0f} s, at most {trained.memory_mb:,.0f} MB.",
    ]
    if trained.held_out:
        lines.append(
            f"Of {trained.held_out:,} pairs kept back, {trained.before:.0%} found their partner first among a batch "
            f"before, and {trained.after:.0%} after."
        )
    if report.deciding is not None:
        lines.append(_table(report.deciding))
    lines.append(report.reason)
    if report.kept:
        lines.append(f"{report.model} serves now. Go back: rightsized search adapt {report.collection} --back")
    elif report.deciding is None:
        lines.append(f"The adapted encoder is installed as {report.model}.")
    return "\n".join([*lines, *report.problems[:_PROBLEMS_SHOWN]])


def _table(judgement: Judgement) -> str:
    rows = []
    for label, table in (("as served", judgement.served), ("meaning alone", judgement.meaning)):
        for metric, (before, after, gain) in table.items():
            rows.append([label, _NAMES[metric], _interval(before), _interval(after), _difference(gain)])
    return aligned([f"{judgement.questions:,} questions", "", "before", "after", "difference"], rows)


def _interval(one: Interval) -> str:
    return f"{one.mean:.3f} ({one.low:.3f}-{one.high:.3f})"


def _difference(one: Difference) -> str:
    return f"{one.mean:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
