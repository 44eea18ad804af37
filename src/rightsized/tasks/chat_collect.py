"""Answers for labelling: every tier is asked each prompt, with the further samples that its check will read in service.

The calls are those that serve: the same engines, the same settings, the same function that draws samples. Nothing is
judged here. What was asked already is not asked again: a run that was broken off goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rightsized.cascade.logprobs import with_logprobs
from rightsized.cascade.samples import SamplePlan, draw
from rightsized.cascade.tier import Tier, text_of
from rightsized.core.config import Config
from rightsized.core.errors import DataError, ForbiddenError, InputError, NotFoundError
from rightsized.core.generation import DataClass, Generation
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.roles import LOCAL_ADMIN
from rightsized.core.types import Frozen, Request
from rightsized.engines.language import LanguageDetector
from rightsized.guard.policy.answerer import admitted
from rightsized.guard.policy.rulebook import Rulebook, facts_of
from rightsized.store import atomic
from rightsized.tasks.chat_data import body_of
from rightsized.tasks.chat_exchange import exchange_of
from rightsized.tasks.chat_identity import open_tier, sample_plans
from rightsized.tasks.policies import destination, open_policy

SUFFIX = ".jsonl"
AT_ONCE = 8  # rows under way at a time; a tier's own limit binds as well


class CollectPlan(Frozen, frozen=True):
    """What to ask. `tiers`: names in order of cost, empty: all; `data_class` is that of all prompts, empty: as declared
    by the settings for requests that say nothing."""

    data: str
    out: str
    tiers: tuple[str, ...] = ()
    data_class: DataClass | None = None
    logprobs: bool = False
    at_once: int = AT_ONCE


class CollectReport(Frozen, frozen=True):
    """Rows asked now, rows that stood in the file already, calls made, US dollars, and seconds."""

    out: str
    rows: int
    before: int
    tiers: tuple[str, ...]
    calls: int
    cost: float
    seconds: float


class _Asked(msgspec.Struct):
    """A row with its answers, and what it took."""

    row: dict[str, Any]
    calls: int
    cost: float


def collect(config: Config, plan: CollectPlan, progress: Progress = no_progress) -> CollectReport:
    """Ask, and append each row with its answers to the file as it is done.

    Raises:
        DataError, InputError, NotFoundError: the data or the names cannot be used; nothing was asked.
        ForbiddenError: a tier may not be sent this data; nothing was asked.
        UpstreamError, BusyError: a tier failed; what was done stays in the file.
    """
    out = Path(plan.out)
    if out.suffix.lower() != SUFFIX or out.is_dir():
        raise InputError(f"{out} is not the name of a {SUFFIX} file.", fix=f"Use {out.with_suffix(SUFFIX)}")
    rows = _lines(Path(plan.data))
    done = _lines(out) if out.is_file() else []
    if [_prompt(row) for row in done] != [_prompt(row) for row in rows[: len(done)]]:
        raise DataError(f"{out} holds answers to other prompts than {plan.data}.", fix="Name another file with --out.")
    tiers = _tiers(config, plan)
    asked = _ruled(config, tiers, [_generation(row, number, config, plan) for number, row in enumerate(rows, 1)])
    _allowed(tiers, asked)
    return asyncio.run(_collect(_Work(plan, tiers, sample_plans(config), rows, asked, len(done)), progress))


class _Work(msgspec.Struct):
    plan: CollectPlan
    tiers: list[Tier]
    samples: dict[str, SamplePlan]
    rows: list[dict[str, Any]]
    asked: list[Generation]
    before: int


async def _collect(work: _Work, progress: Progress) -> CollectReport:
    began, calls, cost = time.perf_counter(), 0, 0.0
    try:
        for tier in work.tiers:
            await tier.generator.start()
        for start in range(work.before, len(work.rows), work.plan.at_once):
            numbers = range(start, min(start + work.plan.at_once, len(work.rows)))
            found = await _all(work, numbers)
            _append(Path(work.plan.out), found)
            calls, cost = calls + sum(one.calls for one in found), cost + sum(one.cost for one in found)
            progress("Asking", numbers.stop, len(work.rows))
    finally:
        for tier in work.tiers:
            await tier.generator.close()
    names = tuple(tier.name for tier in work.tiers)
    done, seconds = len(work.rows) - work.before, time.perf_counter() - began
    return CollectReport(work.plan.out, done, work.before, names, calls, cost, seconds)


async def _all(work: _Work, numbers: range) -> list[_Asked]:
    """These rows side by side; the first failure ends the others."""
    tasks = [asyncio.create_task(_row(work, number)) for number in numbers]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _append(path: Path, found: Sequence[_Asked]) -> None:
    with atomic.disk_errors(path), path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(one.row) + b"\n" for one in found))


async def _row(work: _Work, number: int) -> _Asked:
    answers, logprobs, samples = {}, {}, {}
    calls, cost = 0, 0.0
    for tier in work.tiers:
        generation = msgspec.structs.replace(work.asked[number], model=tier.name)
        asked = with_logprobs(generation) if work.plan.logprobs else generation
        drawn = await draw(tier.generator, asked, work.samples.get(tier.name))
        if drawn.missing is not None:
            raise drawn.missing
        answers[tier.name] = text_of(drawn.completion)
        samples[tier.name] = [text_of(sample) for sample in drawn.samples]
        logprobs[tier.name] = list(exchange_of(generation, drawn.completion).logprobs)
        calls += 1 + len(drawn.samples)
        cost += tier.cost(drawn.completion.usage) + tier.cost(drawn.usage)
    more: dict[str, Any] = {"answers": answers}
    for field, values in (("samples", samples), ("logprobs", logprobs)):
        if kept := {name: value for name, value in values.items() if value}:
            more[field] = kept
    return _Asked(work.rows[number] | more, calls, cost)


def _tiers(config: Config, plan: CollectPlan) -> list[Tier]:
    known = {tier.name: tier for tier in config.tiers}
    for name in plan.tiers:
        if name not in known:
            raise NotFoundError(
                f"The settings name no tier {name!r}.", fix=f"Tiers there: {', '.join(known) or 'none'}."
            )
    chosen = [known[name] for name in plan.tiers or known]
    if not chosen:
        raise NotFoundError("The settings name no tier that writes.", fix="Add [[tiers]] to rightsized.toml.")
    detector = LanguageDetector() if any(tier.languages for tier in chosen) else None
    return [Tier(tier, open_tier(tier, config), *([detector] if detector else [])) for tier in chosen]


def _generation(row: dict[str, Any], number: int, config: Config, plan: CollectPlan) -> Generation:
    body = body_of(row, f"{Path(plan.data).name}, row {number}")
    return Generation("chat", body, data_class=plan.data_class or config.gateway.data_class)


def _ruled(config: Config, tiers: Sequence[Tier], asked: Sequence[Generation]) -> list[Generation]:
    """The requests with the tiers that the policy keeps each from. Raises ForbiddenError where nothing may have one."""
    policy = open_policy(config).current
    if policy is None:
        return list(asked)
    book = Rulebook(policy, [destination(tier.config, tier.generator) for tier in tiers])
    found = []
    for one in asked:
        body = msgspec.json.encode(one.body).decode()
        request = Request(config.gateway.cascade, body, generation=one, roles=LOCAL_ADMIN.roles)
        ruled = admitted(request, book.rule(facts_of(request, config.gateway.data_class)))
        found.append(ruled.generation or one)
    return found


def _allowed(tiers: Sequence[Tier], asked: Sequence[Generation]) -> None:
    """Raises before anything is sent where a tier may not or cannot take a prompt."""
    for tier in tiers:
        if tier.config.pseudonymise:
            raise InputError(
                f"Tier {tier.name!r} is sent placeholders in service, and nothing here puts them in.",
                fix="Leave it out with --tiers, and take its answers from decisions on record.",
            )
        for number, generation in enumerate(asked, 1):
            if why := tier.forbidden(generation):
                raise ForbiddenError(
                    f"Tier {tier.name!r} may not be asked row {number}: {why}.",
                    fix="Say what the prompts hold with --data-class, or leave the tier out with --tiers.",
                )
            if why := tier.unfit(generation):
                raise InputError(
                    f"Tier {tier.name!r} cannot answer row {number}: {why}.",
                    fix="Take such prompts out: the ladder passes them up before any check.",
                )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.", fix="Check the path; it is taken from the current folder.")
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError as error:
            raise DataError(f"{path.name}, line {number} is no JSON object: {error}.") from None
    return rows


def _prompt(row: dict[str, Any]) -> Any:
    return row.get("messages") or row.get("prompt")
