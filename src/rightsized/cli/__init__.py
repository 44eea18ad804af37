"""The command line: which commands there are. One file a command, imported when the command is asked for.

A new command is one row of `COMMANDS` and one module with an `app`; tests/cli/test_lazy.py compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rightsized import __version__
from rightsized.cli.lazy import LazyGroup, Listed

COMMANDS = {
    "fit": Listed("rightsized.cli.fit", "Train, calibrate, certify and report a task from labelled examples."),
    "ask": Listed("rightsized.cli.ask", "Answer one text, through the running server where there is one."),
    "eval": Listed(
        "rightsized.cli.evaluation",
        "Measure a task on labelled rows: accuracy, share answered here, both risks, calibration error.",
    ),
    "serve": Listed(
        "rightsized.cli.serve", "Serve every task of this home until stopped: API, metrics and pages on one port."
    ),
    "gateway": Listed(
        "rightsized.cli.gateway", "Show the tiers, what each may be sent and costs, and what is promised of `auto`."
    ),
    "demo": Listed(
        "rightsized.cli.demo", "Pull the encoder, fit two sample tasks, and serve them with something to see."
    ),
    "models": Listed("rightsized.cli.models", "Models on this machine: encoders and language models."),
    "tasks": Listed("rightsized.cli.tasks", "Fitted tasks and their versions: list, versions, rollback."),
    "queue": Listed("rightsized.cli.queue", "Messages that wait for a person: list, label, undo, export."),
    "decisions": Listed("rightsized.cli.decisions", "What was asked, who saw it, what it cost: list, show, sum."),
    "ledger": Listed("rightsized.cli.ledger", "The log of decisions: verify, prove, export, search, erase."),
    "calibrate": Listed("rightsized.cli.calibrate", "Certify models that write: collect, chat, versions, rollback."),
    "certificate": Listed("rightsized.cli.certificate", "Certificates of tasks and cascades: show, verify."),
    "report": Listed("rightsized.cli.report", "A task's right-sizing report, or this home's audit report."),
    "keys": Listed("rightsized.cli.keys", "API keys: create, list, rotate, revoke."),
    "pii": Listed("rightsized.cli.pii", "Personal, health and secret data in texts: scan, types."),
    "egress": Listed("rightsized.cli.egress", "What may leave this machine, and what has."),
    "policy": Listed("rightsized.cli.policy", "The policy: show, check, explain, test, replay."),
    "triage": Listed("rightsized.cli.triage", "Mail and tickets: connect, run, queue, rules, learn."),
    "search": Listed("rightsized.cli.search", "Search documents: take in, keep up to date, query."),
}


class Commands(LazyGroup):
    """What `rightsized` can do."""

    table = COMMANDS


app = typer.Typer(
    name="rightsized",
    cls=Commands,
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with `arguments` (default: the process's own)."""
    app(args=list(arguments) if arguments is not None else None)
