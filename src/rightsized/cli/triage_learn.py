"""`rightsized triage learn`: labels that people give become a better model, tested before it is put in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.apps.triage.learning.records import Comparison, Paired, Question, Reach, ShadowReport
    from rightsized.core.types import Decision, Interval
    from rightsized.store.home import Home
    from rightsized.tasks.records import FitReport, Review
    from rightsized.tasks.slices import FitPlan

SHOWN_CHARS = 70  # of a text, in lists
How = StrEnum("How", ["active", "uncertain", "random"])
Do = StrEnum("Do", ["start", "status", "stop"])
app = typer.Typer(
    name="learn",
    help="Better models from people's labels: status, ask, curve, refit, compare, shadow, promote.",
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(Common):
    task: Annotated[str, typer.Argument(help="Name of the task.")]


@dataclass(frozen=True, kw_only=True)
class StartOptions(TaskOptions):
    labels: Annotated[
        Path, typer.Argument(help="Table of labels: columns label, and where there are some description and example.")
    ]
    max_error: Annotated[float, typer.Option(help="Error budget, such as 0.02.")] = 0.05
    encoder: Annotated[str, typer.Option(help="Encoder to embed with.")] = "minilm"


@dataclass(frozen=True, kw_only=True)
class AskOptions(TaskOptions):
    count: Annotated[int, typer.Option(help="How many messages.", min=1, max=1000)] = 20
    how: Annotated[How, typer.Option(help="Doubt and diversity, doubt alone, or at random.")] = How.active
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Common):
    decision: Annotated[str, typer.Argument(help="Decision id.")]
    label: Annotated[str, typer.Argument(help="The right label; out_of_scope where none fits.")]
    reviewer: Annotated[str | None, typer.Option(help="Who says so. Default: the user's name.")] = None


@dataclass(frozen=True, kw_only=True)
class RefitOptions(TaskOptions):
    full: Annotated[
        bool, typer.Option("--full", help="Choose and score everything anew; else it is a matter of seconds.")
    ] = False
    labels: Annotated[
        int,
        typer.Option(help="Test it on so many audits that come after it; 0: on as many as simulation asks for.", min=0),
    ] = 0
    max_error: Annotated[float, typer.Option(help="Another error budget; 0 keeps the running version's.")] = 0.0
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0


@dataclass(frozen=True, kw_only=True)
class ShadowOptions(Common):
    do: Annotated[Do, typer.Argument(help="start, status or stop.")]
    task: Annotated[str, typer.Argument(help="Name of the task.")]


def status(options: TaskOptions) -> Result:
    """Show how learning of a task stands, and what to do next."""
    from rightsized.apps.triage.learning.standing import standing

    found = standing(_home(options), options.task, options.settings().audit.rate)
    rows = [
        ["in force", f"{found.version} ({found.state})"],
        ["waiting for a person", str(found.waiting)],
        ["corrections to learn from", f"{found.corrections}, and {found.held} kept back to compare with"],
        ["audits", f"{found.audits}, {found.audits_labelled} labelled, {found.fresh} of them in no test so far"],
    ]
    if found.candidate:
        rows.append(["candidate", f"{found.candidate.version}, made beside {found.candidate.base}"])
        rows.append(["labels its test takes", str(found.wanted)])
    if found.shadow:
        rows.append(["shadow run", _shadow_line(found.shadow)])
    if found.drift:
        rows.append(["drift", found.drift])
    if found.alarm:
        rows.append(["alarm", found.alarm])
    return Result(found, "\n".join([aligned(["", options.task], rows), "", *found.next]))


def start(options: StartOptions) -> Result:
    """Make a first model from labels' names and descriptions; examples, where there are some, make it better."""
    from rightsized.apps.triage.learning.start import start as begin
    from rightsized.core.types import Targets
    from rightsized.tasks.report import summary

    targets = Targets(max_error=options.max_error)
    report = _fitting(
        options,
        lambda home, fit: begin(home, options.task, options.labels, fit, targets=targets, encoder=options.encoder),
    )
    text = f"{report.certificate.sentence}\nWhoever labels starts from its suggestions: rightsized queue list"
    return Result(summary(report), text)


def ask(options: AskOptions) -> Result:
    """List the messages whose labels would teach most. Their labels train; audited messages are never among them."""
    import msgspec

    from rightsized.apps.triage.learning.ask import ask as choose
    from rightsized.apps.triage.learning.choose import Strategy

    how = msgspec.convert(options.how.value, Strategy)
    with progress_bars(options.json) as bars:
        found = choose(_home(options), options.task, options.count, strategy=how, seed=options.seed, progress=bars)
    rows = [[one.decision, one.kind, f"{one.uncertainty:.2f}", _best(one), _short(one.text)] for one in found]
    if not rows:
        return Result(found, "No message without a label is on record.")
    said = "Label each: rightsized triage learn label DECISION LABEL"
    return Result(found, f"{aligned(['decision', 'label by', 'doubt', 'guess', 'text'], rows)}\n{said}")


def label(options: LabelOptions) -> Result:
    """Say what the right label of a message is, whether it waits for a person or was answered.

    Of an audited message that waits the label tests; of every other message it trains.
    """
    import asyncio
    import getpass

    from rightsized.tasks.remote import find_server
    from rightsized.tasks.service import open_service

    by = options.reviewer or getpass.getuser()
    server = find_server(_home(options))
    if server is not None:
        waits = _waits(server.decision(options.decision))
        give = server.label if waits else server.feedback
        review = give(options.decision, options.label, by)
    else:

        async def inside() -> Review:
            async with open_service(options.settings(), purpose="learn", record=True) as service:
                give = service.label if _waits(service.decision(options.decision)) else service.feedback
                return await give(options.decision, options.label, by)

        review = asyncio.run(inside())
    return Result(review, f"{review.decision}: {review.label} (by {review.reviewer}).")


def _waits(decision: Decision) -> bool:
    """Whether the label is given in the queue: of audits and of what every tier abstained on."""
    return decision.audit or (decision.reply is not None and decision.reply.status == "abstained")


def refit(options: RefitOptions) -> Result:
    """Fit a candidate on the corrections so far, and compare it. It is not in force until `promote`."""
    from rightsized.apps.triage.learning.candidate import refit as make
    from rightsized.apps.triage.learning.compare import compare as judge
    from rightsized.apps.triage.learning.records import Refitted

    found = _fitting(
        options,
        lambda home, fit: make(
            home,
            options.task,
            fit,
            full=options.full,
            seed=options.seed,
            max_error=options.max_error,
            labels=options.labels,
        ),
    )
    with progress_bars(options.json) as bars:
        compared = judge(_home(options), options.task, bars)
    needed = f" By simulation {found.needed:,} fresh audits would do to certify it." if found.needed else ""
    if found.declared:
        needed = f" It will be tested on the next {found.declared:,} audits."
    text = (
        f"Candidate {found.version}: {found.corrections} new corrections among {found.examples} examples; "
        f"{found.held} kept back.{needed}\n{_comparison(compared)}"
    )
    return Result(Refitted(found, compared), text)


def curve(options: TaskOptions) -> Result:
    """Show how right a task is with a part of its labels, and how many more would reach the error budget."""
    from rightsized.apps.triage.learning.records import Curve
    from rightsized.jobs.local import run_in_child

    home = _home(options)
    with progress_bars(options.json) as bars:
        found = run_in_child(
            home,
            "curve",
            entry="rightsized.apps.triage.learning.curve:curve_job",
            arguments={"home": str(home.path), "task": options.task, "seed": 0},
            result_type=Curve,
            progress=bars,
        )
    rows = [[f"{one.labels:,}", _share(one.right), _share(one.answered)] for one in found.points]
    header = ["labels", "right", f"answered within {found.max_error:g}"]
    reached = [_reach("the surest half of the messages", found.half), _reach("every message", found.all)]
    if found.needed:
        reached.append(f"By simulation a test takes {found.needed:,} fresh labels of audited messages.")
    note = f"Of {found.messages:,} labelled messages, cross-fitted; no promise."
    return Result(found, "\n".join([aligned(header, rows), "", *reached, note]))


def compare(options: TaskOptions) -> Result:
    """Compare the candidate with the running model: on corrections kept back, and on old examples out-of-fold."""
    from rightsized.apps.triage.learning.compare import compare as judge

    with progress_bars(options.json) as bars:
        found = judge(_home(options), options.task, bars)
    return Result(found, _comparison(found))


def shadow(options: ShadowOptions) -> Result:
    """Let the candidate read along with live traffic: recorded, never acted upon. start, status or stop."""
    from rightsized.apps.triage.learning.candidate import candidate_of
    from rightsized.apps.triage.learning.shadow import catch_up, report
    from rightsized.tasks import shadow_run

    home = _home(options)
    if options.do is Do.start:
        run = shadow_run.start(home, options.task, candidate_of(home, options.task).version)
        return Result(run, f"{run.version} reads along from the next message on.")
    run = shadow_run.of(home, options.task)
    catch_up(home, run)
    if options.do is Do.stop:
        run = shadow_run.stop(home, options.task)
    found = report(home, run)
    lines = [_shadow_line(found), *([_paired(found.labelled)] if found.labelled else [])]
    rows = [[one.label, one.running, one.candidate, _short(one.text)] for one in found.differing]
    table = ["", aligned(["label", "running", "candidate", "text"], rows)] if rows else []
    return Result(found, "\n".join([*lines, *table]))


def promote(options: TaskOptions) -> Result:
    """Test the candidate on fresh audits, and put it in force only where it earns a certificate."""
    from rightsized.apps.triage.learning.promote import promote as attempt

    found = _fitting(options, lambda home, fit: attempt(home, options.task, fit))
    same = "the candidate to the last bit" if found.same_model else f"the candidate without {found.left_out} rows"
    head = f"{found.version} is in force" if found.promoted else "Not promoted; the running version stays in force"
    text = f"{head} (attempt {found.attempt}, {found.labels} audits; {same}).\n{found.refused or found.sentence}"
    return Result(found, text, status=0 if found.promoted else 1)


def rollback(options: TaskOptions) -> Result:
    """Put the version before the one in force back; a running server takes it up within seconds."""
    from rightsized.tasks.versions import TaskStore

    version = TaskStore(_home(options)).rollback(options.task)
    return Result({"task": options.task, "version": version}, f"{options.task} is back at {version}.")


def discover(options: TaskOptions) -> Result:
    """Propose new labels: groups of messages that no label fits. Nothing is created."""
    from rightsized.apps.triage.learning.discover import discover as look

    with progress_bars(options.json) as bars:
        found = look(_home(options), options.task, progress=bars)
    lines = []
    for one in found:
        lines.append(f"{one.name}: {one.n} messages, nearest to {one.nearest_label}")
        lines += [f"  - {_short(text)}" for text in one.examples]
    empty = "No group of messages that no label fits."
    return Result(found, "\n".join(lines) if lines else empty)


def noise(options: TaskOptions) -> Result:
    """List examples of the running version whose label the model firmly disagrees with. Nothing is changed."""
    from rightsized.apps.triage.learning.standing import noise as doubtful

    found = doubtful(_home(options), options.task)
    rows = [[str(one.row), one.given, one.suggested, f"{one.probability:.2f}", _short(one.text)] for one in found]
    empty = "No label stands out as wrong."
    return Result(found, aligned(["row", "label", "perhaps", "probability", "text"], rows) if rows else empty)


def _home(options: Common) -> Home:
    from rightsized.store.home import Home

    return Home(options.settings().home)


def _fitting(options: Common, work: Callable[[Home, Callable[[FitPlan], FitReport]], Any]) -> Any:
    """`work` with a way to fit: in a child process, with progress."""
    import msgspec

    from rightsized.jobs.local import run_in_child
    from rightsized.tasks.records import FitReport

    home = _home(options)
    with progress_bars(options.json) as progress:

        def fit(plan: FitPlan) -> FitReport:
            return run_in_child(
                home,
                "fit",
                entry="rightsized.tasks.fit:fit_job",
                arguments=msgspec.to_builtins(plan),
                result_type=FitReport,
                progress=progress,
            )

        return work(home, fit)


def _share(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _reach(what: str, found: Reach) -> str:
    if found.more is None or found.low is None or found.high is None:
        return f"More labels for {what} within the budget: no figure, {found.why}."
    if not found.more:
        return f"For {what} the error is within the budget already."
    return f"About {found.more:,} more labels ({found.low:,} to {found.high:,}) bring {what} within the budget."


def _comparison(found: Comparison) -> str:
    lines = [_paired(one) for one in (found.held, found.out_of_fold) if one]
    rows = [[one.label, one.running, one.candidate, _short(one.text)] for one in found.changed]
    table = ["", aligned(["label", "running", "candidate", "text"], rows)] if rows else []
    return "\n".join([found.verdict, *lines, *table])


def _paired(one: Paired) -> str:
    gain = one.difference
    return (
        f"{one.where}: {one.running:.3f} running, {one.candidate:.3f} candidate, difference {gain.value:+.3f} "
        f"({gain.low:+.3f} to {gain.high:+.3f}), {one.n} rows; {one.fixed} right only now, {one.broken} no longer."
    )


def _shadow_line(found: ShadowReport) -> str:
    ended = "ended" if found.stopped else "running"
    return (
        f"{found.version} ({ended}): {found.n} messages, the same label on {found.same}; the running model answered "
        f"{found.running_answered}, the candidate would {found.candidate_answered} (by thresholds that passed no test)"
    )


def _best(one: Question) -> str:
    return one.guesses[0].label if one.guesses else ""


def _short(text: str) -> str:
    return " ".join(text.split())[:SHOWN_CHARS]


add(app, "status", TaskOptions, status)
add(app, "start", StartOptions, start)
add(app, "ask", AskOptions, ask)
add(app, "label", LabelOptions, label)
add(app, "refit", RefitOptions, refit)
add(app, "curve", TaskOptions, curve)
add(app, "compare", TaskOptions, compare)
add(app, "shadow", ShadowOptions, shadow)
add(app, "promote", TaskOptions, promote)
add(app, "rollback", TaskOptions, rollback)
add(app, "discover", TaskOptions, discover)
add(app, "noise", TaskOptions, noise)
