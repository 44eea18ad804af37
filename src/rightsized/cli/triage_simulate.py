"""`rightsized triage simulate`: a desk played through on arrivals under several policies, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.tables import aligned
from rightsized.cli.triage_opened import InboxOption, known_inboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightsized.apps.triage.desk.settings import DeskSettings
    from rightsized.apps.triage.desk.simulation.comparison import Comparison, Estimate, Setting
    from rightsized.apps.triage.desk.simulation.stream import Coming, Generator

    Stream = Callable[[Generator], Sequence[Coming]]

Pattern = StrEnum("Pattern", ["all", "steady", "monday", "storm"])
MOST_HISTORY = 20_000  # messages of an inbox that are played again, the latest


@dataclass(frozen=True, kw_only=True)
class SimulateOptions(Common):
    inbox: InboxOption = "inbox"
    pattern: Annotated[Pattern, typer.Option(help="Arrivals to generate.")] = Pattern.all
    recorded: Annotated[
        Path | None,
        typer.Option(help="CSV file with the column at, and queue, level, text, about as far as known, instead."),
    ] = None
    history: Annotated[bool, typer.Option("--history", help="Play the inbox's own messages again, instead.")] = False
    replications: Annotated[int, typer.Option(help="How often chance is thrown.", min=2, max=1000)] = 20
    people: Annotated[int, typer.Option(help="People who answer, where desk.toml names none.", min=1, max=200)] = 4
    load: Annotated[
        float, typer.Option(help="Share of their time that generated messages take, sorted by hand.", min=0.05, max=3)
    ] = 0.9
    assume: Annotated[
        list[str] | None,
        typer.Option(help="An assumption, such as sort_minutes=2 or levels.urgent=0.1; may be given several times."),
    ] = None
    policy: Annotated[list[str] | None, typer.Option(help="Only these policies; may be given several times.")] = None
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0)] = 0


def simulate(options: SimulateOptions) -> Result:
    """Play arrivals through under several policies: what would be late, and how many minutes people would work.

    Every policy meets the same messages. Handling times, automation and error rates are assumptions; --json names all.
    Nothing of the inbox is changed.
    """
    from rightsized.apps.triage.desk.settings import load
    from rightsized.apps.triage.desk.simulation.comparison import compare
    from rightsized.cli.progress import progress_bars

    folder = _folder(options)
    desk = load(folder)
    setting = _setting(options, desk)
    found = []
    with progress_bars(options.json) as progress:
        for name, stream in _streams(options, folder, setting).items():
            ticks = iter(range(1, options.replications + 1))

            def tick(name: str = name, ticks: Any = ticks) -> None:
                progress(name, next(ticks), options.replications)

            found.append(compare(name, stream, setting, options.replications, options.seed, tick=tick))
    return Result(_data(options, setting, found), "\n\n".join(map(_told, found)) + f"\n\n{NOTE}")


HEADER = ("policy", "late", "in time", "minutes of work", "cost", "cost beside ours")
NOTE = "In brackets: 95% intervals over replications. Handling and error rates are assumptions: --json names them."


def _folder(options: SimulateOptions) -> Path:
    from rightsized.apps.triage.inboxes import FOLDER
    from rightsized.apps.triage.settings import check_name
    from rightsized.store.home import Home

    return Home(options.settings().home).path / FOLDER / check_name(options.inbox)


def _setting(options: SimulateOptions, desk: DeskSettings) -> Setting:
    from rightsized.apps.triage.desk.incidents import print_of
    from rightsized.apps.triage.desk.simulation.comparison import Setting
    from rightsized.apps.triage.desk.simulation.playing import team_of
    from rightsized.apps.triage.desk.simulation.policies import BASELINES, POLICIES
    from rightsized.apps.triage.desk.simulation.stream import assumptions
    from rightsized.apps.triage.desk.simulation.texts import sample
    from rightsized.apps.triage.desk.staff import Person
    from rightsized.core.errors import InputError

    people = desk.people or tuple(Person(f"person {n}") for n in range(1, options.people + 1))
    asked = options.policy or [*BASELINES, "earliest_due", "ours"]
    for name in asked:
        if name not in POLICIES:
            raise InputError(f"No policy is named {name!r}.", fix=f"There are: {', '.join(POLICIES)}.")
    ordinary = [] if options.recorded or options.history else sample().ordinary
    earlier = [print_of(str(n), 0.0, text) for n, (text, _) in enumerate(ordinary)]
    return Setting(desk, assumptions(options.assume or []), team_of(desk, people), tuple(asked), earlier)


def _streams(options: SimulateOptions, folder: Path, setting: Setting) -> dict[str, Stream]:
    from functools import partial

    from rightsized.apps.triage.desk.simulation.patterns import PATTERNS, Load, daily_messages, recorded
    from rightsized.apps.triage.desk.simulation.texts import URGENT_WORDS, sample
    from rightsized.core.errors import InputError

    if options.recorded and options.history:
        raise InputError("Both --recorded and --history are given.", fix="Give one of them.")
    if options.recorded or options.history:
        coming = recorded(options.recorded, URGENT_WORDS) if options.recorded else _history(folder)
        return {"recorded" if options.recorded else "history": lambda _: coming}
    daily = daily_messages(options.load, len(setting.team.people), setting.desk, setting.given)
    load = Load(daily, setting.desk, sample())
    asked = PATTERNS if options.pattern is Pattern.all else [options.pattern.value]
    return {name: partial(PATTERNS[name], load) for name in asked}


def _history(folder: Path) -> list[Coming]:
    """What came into an inbox, as it was read."""
    import contextlib

    from rightsized.apps.triage.desk.simulation.patterns import flagged
    from rightsized.apps.triage.desk.simulation.stream import Coming
    from rightsized.apps.triage.desk.simulation.texts import URGENT_WORDS
    from rightsized.apps.triage.inboxes import no_inbox
    from rightsized.apps.triage.store import MessageStore
    from rightsized.apps.triage.store.records import Waits
    from rightsized.core.errors import NotFoundError

    if not folder.is_dir():
        raise no_inbox(folder.name, known_inboxes(folder.parent.parent))
    found = []
    with contextlib.closing(MessageStore(folder)) as store:
        for one in store.waiting(Waits(status=None, newest=True, limit=MOST_HISTORY)):
            text = one.mail.text if one.mail else ""
            urgent = flagged(text, URGENT_WORDS) if text else None
            found.append(Coming(one.received, one.queue, one.level, urgent, text, one.incident))
    if not found:
        raise NotFoundError(f"The inbox {folder.name!r} has no messages.", fix="Take some in: rightsized triage run")
    return found[::-1]


def _data(options: SimulateOptions, setting: Setting, found: list[Comparison]) -> dict[str, Any]:
    import msgspec

    desk = setting.desk
    return {
        "assumptions": msgspec.to_builtins(setting.given),
        "desk": {
            "people": [one.name for one in setting.team.people],
            "targets": msgspec.to_builtins(desk.targets),
            "work": msgspec.to_builtins(desk.work),
            "incident": msgspec.to_builtins(desk.incident),
        },
        "load": None if options.recorded or options.history else options.load,
        "seed": options.seed,
        "patterns": [msgspec.to_builtins(one) for one in found],
    }


def _told(one: Comparison) -> str:
    rows = [
        [
            outcome.policy,
            _number(outcome.breaches, "{:,.1f}"),
            _number(outcome.within, "{:.1%}"),
            _number(outcome.human_minutes, "{:,.0f}"),
            _number(outcome.cost, "{:,.0f}"),
            _number(outcome.less["cost"], "{:+,.0f}") if outcome.less and outcome.policy != "ours" else "",
        ]
        for outcome in one.outcomes
    ]
    head = f"{one.pattern}: {one.messages.mean:,.0f} messages, {one.replications} replications"
    linked = one.linked
    said = ""
    if linked.storm_messages:
        said = (
            f"\n{linked.recognised:,} of {linked.storm_messages:,} messages of storms recognised, "
            f"{linked.wrongly_linked:,} others linked, {linked.incidents:,} incidents"
        )
    elif linked.incidents:
        said = f"\n{linked.incidents:,} incidents, {linked.wrongly_linked:,} messages linked"
    return f"{head}\n{aligned(HEADER, rows)}{said}"


def _number(one: Estimate, form: str) -> str:
    return f"{form.format(one.mean)} ({form.format(one.low)} to {form.format(one.high)})"
