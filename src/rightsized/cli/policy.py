"""`rightsized policy`: show, check, explain, test and replay the policy of this home. Nothing is sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError
from rightsized.tasks.moments import moment

if TYPE_CHECKING:
    from rightsized.tasks.policy_trial import Trial

app = typer.Typer(name="policy", help="The policy: show, check, explain, test, replay.", no_args_is_help=True)
Class = StrEnum("Class", ["public", "internal", "personal", "health", "secret"])
Role = StrEnum("Role", ["client", "viewer", "reviewer", "operator", "auditor", "admin"])
Operation = StrEnum("Operation", ["classify", "chat", "completions", "embeddings", "rerank"])
DAY = 86_400.0
SHOWN = 20  # changed decisions listed for people; --json lists all


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(Common):
    data_class: Annotated[Class | None, typer.Option(help="What the request holds. Default: gateway.data_class.")] = (
        None
    )
    task: Annotated[str, typer.Option(help="The task. Default: the cascade of the gateway.")] = ""
    model: Annotated[str, typer.Option(help="What it names as its model. Default: auto.")] = ""
    operation: Annotated[Operation | None, typer.Option(help="What is asked for. Default: chat; classify.")] = None
    tenant: Annotated[str, typer.Option(help="Tenant of the key.")] = ""
    key: Annotated[str, typer.Option(help="Id of the key.")] = ""
    role: Annotated[list[Role] | None, typer.Option(help="Role of whoever asks; may be repeated.")] = None


@dataclass(frozen=True, kw_only=True)
class CasesOptions(Common):
    file: Annotated[Path, typer.Argument(help="Cases with what is expected of each, TOML.")]


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(Common):
    days: Annotated[float, typer.Option(help="Decisions of the last so many days; 0 is all.")] = 0.0
    since: Annotated[str | None, typer.Option(help="From this time on (2026-11-01, UTC), in place of --days.")] = None


def show(options: Common) -> Result:
    """Show the policy in force: its file, digest and rules."""
    import msgspec

    trial = _trial(options)
    policy = trial.policy
    tables = (("requests", policy.requests), ("flows", policy.flows), ("residency", policy.residency))
    rows = [
        [table, rule.id, getattr(rule, "effect", "stay"), _conditions(rule)]
        for table, rules in tables
        for rule in rules
    ]
    rows += [["outputs", rule.id, rule.on_fail, _conditions(rule)] for rule in policy.outputs]
    lines = [f"{policy.origin} ({policy.digest[:19]})"]
    defaults = policy.defaults
    lines.append(
        f"Where no rule speaks: requests {defaults.requests}, on this machine {defaults.on_premises}, elsewhere deny."
    )
    lines.append(aligned(["table", "rule", "effect", "where"], rows) if rows else "No rules.")
    return Result(msgspec.to_builtins(policy), "\n".join(lines))


def check(options: Common) -> Result:
    """Check the policy: its form, and names that nothing here has. Exit status 1 where something looks like a slip."""
    from rightsized.tasks.policy_trial import check as checked

    trial = _trial(options)
    notes = checked(trial, options.settings())
    lines = [f"{one.rule}: {one.message}" for one in notes]
    text = "\n".join(lines) or f"{trial.policy.origin}: {len(trial.policy.ids)} rules, nothing to remark."
    return Result({"policy": trial.policy.digest, "notes": notes}, text, status=1 if notes else 0)


def explain(options: ExplainOptions) -> Result:
    """Say what would happen to a request, and by which rules. Nothing is sent."""
    from rightsized.tasks.policy_trial import explain as explained

    trial = _trial(options)
    told = explained(
        trial,
        trial.facts(
            task=options.task,
            operation=options.operation and options.operation.value,
            model=options.model,
            data_class=options.data_class and options.data_class.value,
            tenant=options.tenant,
            key=options.key,
            roles=tuple(role.value for role in options.role or ()),
        ),
    )
    about = ", ".join(f"{name} {_words(value)}" for name, value in told.facts.items() if value)
    lines = [f"{about}: {told.outcome}", _verdicts(told.verdicts)]
    others = [one for one in told.fitting if one not in told.verdicts]
    if others:
        lines += ["", "Rules that fit and do not decide:", _verdicts(others)]
    return Result(told, "\n".join(lines))


def test(options: CasesOptions) -> Result:
    """Ask the policy about each case of a file. Exit status 1 where one differs from what is expected."""
    from rightsized.tasks.policy_trial import cases, run

    trial = _trial(options)
    tried = [run(trial, case) for case in cases(options.file)]
    wrong = [one for one in tried if one.wrong]
    lines = [f"{one.name}: {'; '.join(one.wrong)}" for one in wrong]
    lines.append(f"{len(tried) - len(wrong)} of {len(tried)} cases as expected.")
    data = {"policy": trial.policy.digest, "cases": tried, "failed": len(wrong)}
    return Result(data, "\n".join(lines), status=1 if wrong else 0)


def replay(options: ReplayOptions) -> Result:
    """Say what this policy would have said of the decisions on record. Nothing is sent or changed."""
    from rightsized.tasks.policy_trial import replay as replayed

    if options.days < 0:
        raise InputError(f"--days {options.days:g} must not be below 0.")
    since = moment(options.since, "--since") or (time.time() - options.days * DAY if options.days else 0.0)
    found = replayed(_trial(options), options.settings(), since)
    lines = [f"{found.decisions:,} decisions: {found.same:,} the same, {len(found.changed):,} otherwise."]
    if found.unclear:
        lines.append(f"{found.unclear:,} were recorded before the record held what the rules look at.")
    rows = [
        [one.decision, one.task, one.data_class or "-", one.was, one.now, one.rule] for one in found.changed[:SHOWN]
    ]
    if rows:
        lines.append(aligned(["decision", "task", "class", "was", "would be", "rule"], rows))
    return Result(found, "\n".join(lines))


def _trial(options: Common) -> Trial:
    from rightsized.tasks.policy_trial import Trial

    return Trial(options.settings())


def _verdicts(verdicts: Any) -> str:
    rows = [[one.subject, one.effect, one.rule, one.reason] for one in verdicts]
    return aligned(["what", "effect", "rule", "reason"], rows)


def _conditions(rule: Any) -> str:
    """The conditions of a rule in one line; those left out are left out here."""
    skipped = ("id", "effect", "reason", "on_fail")
    named = [(name, getattr(rule, name)) for name in rule.__struct_fields__ if name not in skipped]
    return "; ".join(f"{name} {_words(value)}" for name, value in named if value not in ((), None, "", {})) or "always"


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


add(app, "show", Common, show)
add(app, "check", Common, check)
add(app, "explain", ExplainOptions, explain)
add(app, "test", CasesOptions, test)
add(app, "replay", ReplayOptions, replay)
