"""The command line, one file a command. Heavy parts are imported only by the command that needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rightsized import __version__
from rightsized.cli import (
    ask,
    calibrate,
    certificate,
    decisions,
    demo,
    egress,
    evaluation,
    fit,
    gateway,
    keys,
    ledger,
    models,
    pii,
    policy,
    queue,
    report,
    search,
    serve,
    tasks,
)
from rightsized.cli.commands import add

app = typer.Typer(
    name="rightsized",
    help="Finds the smallest model that keeps within your error budget, certifies it, and serves it here.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


add(app, "fit", fit.FitOptions, fit.run)
add(app, "ask", ask.AskOptions, ask.run)
add(app, "eval", evaluation.EvalOptions, evaluation.run)
add(app, "serve", serve.ServeOptions, serve.run, own_net=True)
add(app, "gateway", gateway.GatewayOptions, gateway.run)
add(app, "demo", demo.DemoOptions, demo.run, own_net=True)
for group in (
    models.app,
    tasks.app,
    queue.app,
    decisions.app,
    ledger.app,
    calibrate.app,
    certificate.app,
    report.app,
    keys.app,
    pii.app,
    egress.app,
    policy.app,
    search.app,
):
    app.add_typer(group)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with `arguments` (default: the process's own)."""
    app(args=list(arguments) if arguments is not None else None)
