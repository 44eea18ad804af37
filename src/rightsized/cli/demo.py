"""`rightsized demo`: the sample tasks, fitted and served: what `make up` runs."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from rightsized.cli.commands import Common, add
from rightsized.cli.progress import progress_bars
from rightsized.core.config import Config

SUPPORT, TONE = "support", "tone"


@dataclass(frozen=True, kw_only=True)
class DemoOptions(Common):
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one. Default: 8321.")] = None
    serve: Annotated[bool, typer.Option(help="Serve the tasks once they are fitted.")] = True


def run(options: DemoOptions) -> None:
    """Pull the encoder, fit two sample tasks, and serve them with something to see.

    `support` routes messages to eight departments and comes out certified; `tone` has few examples and is estimated.
    What is there already is left as it is, and messages are sent only to a task that has had none.
    """
    from rightsized.cli.serve import serve_home
    from rightsized.data import path

    config = options.settings(**{"server.host": options.host, "server.port": options.port})
    _pull(config, options.json)
    _fit(config, options.json)
    if options.serve:
        with path("support_stream.csv").open(encoding="utf-8", newline="") as stream:
            texts = [row["text"] for row in csv.DictReader(stream)]
        serve_home(config, options.json, (SUPPORT, texts))


def _pull(config: Config, quiet: bool) -> None:
    from rightsized.core.egress import Egress
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore
    from rightsized.tasks.encoders import plan_pull, pull_encoder

    store = ModelStore(Home(config.home))
    if any(card.name == "minilm" for card in store.list()):
        return
    egress = Egress.at(config.home, config.egress.allow).watch()
    with progress_bars(quiet) as progress, egress.granted(plan_pull("minilm", store).destination):
        pull_encoder("minilm", store=store, egress=egress, progress=progress)


def _fit(config: Config, quiet: bool) -> None:
    from rightsized.core.types import Targets
    from rightsized.data import path
    from rightsized.jobs.local import run_in_child
    from rightsized.store.home import Home
    from rightsized.tasks.dataset import Columns
    from rightsized.tasks.records import FitReport
    from rightsized.tasks.slices import FitPlan
    from rightsized.tasks.versions import TaskStore

    support = FitPlan(
        home=config.home,
        task=SUPPORT,
        file=str(path("support_train.csv")),
        calibrate=str(path("support_calibrate.csv")),
        columns=Columns(label="department"),
        targets=Targets(max_error=0.05),
        sampling="drawn at random from the sample support mailbox",
    )
    tone = FitPlan(home=config.home, task=TONE, file=str(path("tone.csv")), columns=Columns(label="tone"))
    there = TaskStore(Home(config.home)).names()
    for plan in (support, tone):
        if plan.task in there:
            continue
        import msgspec

        with progress_bars(quiet) as progress:
            report = run_in_child(
                Home(config.home),
                "fit",
                entry="rightsized.tasks.fit:fit_job",
                arguments=msgspec.to_builtins(plan),
                result_type=FitReport,
                progress=progress,
            )
        if not quiet:
            sys.stdout.write(f"{plan.task}: {report.certificate.sentence}\n\n")
            sys.stdout.flush()


app = typer.Typer()
add(app, "demo", DemoOptions, run, own_net=True)
