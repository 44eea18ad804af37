"""`rightsized triage`: mail and tickets labelled, routed and summarised; what is not certain waits for a person."""

from __future__ import annotations

import typer

from rightsized.cli.commands import add
from rightsized.cli.triage_actions import ActionOptions, ActionsOptions, actions, retry, undo
from rightsized.cli.triage_connect import ConnectOptions, connect
from rightsized.cli.triage_fields import app as fields
from rightsized.cli.triage_forget import ForgetOptions, forget
from rightsized.cli.triage_learn import app as learn
from rightsized.cli.triage_queue import (
    AssignOptions,
    CorrectOptions,
    DoneOptions,
    ForecastOptions,
    JoinOptions,
    MessageOptions,
    QueueOptions,
    accept,
    assign,
    correct,
    detach,
    done,
    draft,
    forecast,
    join,
    queue,
    reopen,
    show,
)
from rightsized.cli.triage_retention import RetentionOptions, retention
from rightsized.cli.triage_rules import app as rules
from rightsized.cli.triage_run import RunOptions, run
from rightsized.cli.triage_simulate import SimulateOptions, simulate

app = typer.Typer(name="triage", help="Mail and tickets: connect, run, queue, rules, learn.", no_args_is_help=True)

add(app, "connect", ConnectOptions, connect)
add(app, "run", RunOptions, run)
add(app, "queue", QueueOptions, queue)
add(app, "forecast", ForecastOptions, forecast)
add(app, "show", MessageOptions, show)
add(app, "accept", MessageOptions, accept)
add(app, "correct", CorrectOptions, correct)
add(app, "assign", AssignOptions, assign)
add(app, "draft", MessageOptions, draft)
add(app, "done", DoneOptions, done)
add(app, "reopen", MessageOptions, reopen)
add(app, "detach", MessageOptions, detach)
add(app, "join", JoinOptions, join)
add(app, "actions", ActionsOptions, actions)
add(app, "undo", ActionOptions, undo)
add(app, "retry", ActionOptions, retry)
add(app, "forget", ForgetOptions, forget)
add(app, "retention", RetentionOptions, retention)
add(app, "simulate", SimulateOptions, simulate)
app.add_typer(rules)
app.add_typer(fields)
app.add_typer(learn)
