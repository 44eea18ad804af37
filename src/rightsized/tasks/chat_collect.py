"""Answers for labelling: every tier is asked each prompt, with the further samples that its check will read in service.

The calls are those that serve: the same engines, the same settings, the same function that draws samples. What binds a
request binds a row: a tier that would be vetoed is not asked, and one that is sent placeholders in service is sent them
here. Nothing is judged. What was asked already is not asked again: a run that was broken off goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import field

from rightsized.cascade.logprobs import with_logprobs
from rightsized.cascade.samples import SamplePlan, draw
from rightsized.cascade.tier import Tier, text_of
from rightsized.core.config import Config
from rightsized.core.errors import DataError, ForbiddenError, InputError, NotFoundError
from rightsized.core.generation import DataClass, Generation
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Frozen
from rightsized.engines.language import LanguageDetector
from rightsized.store import atomic
from rightsized.tasks.chat_admission import Admission, Admitted
from rightsized.tasks.chat_data import body_of
from rightsized.tasks.chat_declared import Declared, declared_of
from rightsized.tasks.chat_exchange import exchange_of
from rightsized.tasks.chat_identity import open_tier, sample_plans
from rightsized.tasks.tier_languages import with_languages

SUFFIX = ".jsonl"
AT_ONCE = 8  # rows under way at a time; a tier's own limit binds as well


class CollectPlan(Frozen, frozen=True):
    """What to ask. `tiers`: names in order of cost, empty: all; `data_class` is that of prompts that say none, None: as
    the settings say of requests that say nothing."""

    data: str
    out: str
    tiers: tuple[str, ...] = ()
    data_class: DataClass | None = None
    logprobs: bool = False
    at_once: int = AT_ONCE


class CollectReport(Frozen, frozen=True):
    """Rows asked now, rows that stood in the file already, calls made, US dollars, and seconds.

    `kept_back`: of the rows asked now, how many each tier was not sent, by the rules that bind requests.
    """

    out: str
    rows: int
    before: int
    tiers: tuple[str, ...]
    calls: int
    cost: float
    seconds: float
    kept_back: dict[str, int] = field(default_factory=dict)


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
    asked = Admission(config, tiers, config.gateway.cascade, undeclared=plan.data_class).look(
        [_generation(row, number, plan) for number, row in enumerate(rows, 1)]
    )
    _check(tiers, asked)
    return asyncio.run(_collect(_Work(plan, tiers, sample_plans(config), rows, asked, len(done)), progress))


class _Work(msgspec.Struct):
    plan: CollectPlan
    tiers: list[Tier]
    samples: dict[str, SamplePlan]
    rows: list[dict[str, Any]]
    asked: list[Admitted]
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
    rest = work.asked[work.before :]
    kept_back = {name: count for name in names if (count := sum(name in one.vetoes for one in rest))}
    return CollectReport(work.plan.out, done, work.before, names, calls, cost, seconds, kept_back)


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
    admitted = work.asked[number]
    for tier in (tier for tier in work.tiers if tier.name not in admitted.vetoes):
        generation = msgspec.structs.replace(admitted.generation, model=tier.name)
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
    for name, values in (("samples", samples), ("logprobs", logprobs)):
        if kept := {tier: value for tier, value in values.items() if value}:
            more[name] = kept
    said = {"data_class": work.plan.data_class} if work.plan.data_class else {}
    return _Asked(said | work.rows[number] | more, calls, cost)


def _tiers(config: Config, plan: CollectPlan) -> list[Tier]:
    known = {tier.name: tier for tier in with_languages(config).tiers}
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


def _generation(row: dict[str, Any], number: int, plan: CollectPlan) -> tuple[Generation, Declared]:
    where = f"{Path(plan.data).name}, row {number}"
    conversation = str(row.get("conversation") or "")  # placeholders may last as long as one
    return Generation("chat", body_of(row, where), conversation=conversation), declared_of(row, where)


def _check(tiers: Sequence[Tier], asked: Sequence[Admitted]) -> None:
    """Raises before anything is sent where a row could be asked of nobody, or a tier nothing."""
    for number, one in enumerate(asked, 1):
        if one.denied is not None:
            raise one.denied
        if tiers and len(one.vetoes) == len(tiers):
            raise _refused(tiers[0], one, number)
    for tier in tiers:
        if asked and all(tier.name in one.vetoes for one in asked):
            raise _refused(tier, asked[0], 1)


def _refused(tier: Tier, one: Admitted, number: int) -> ForbiddenError | InputError:
    why = one.vetoes[tier.name]
    if tier.forbidden(one.generation):
        return ForbiddenError(
            f"Tier {tier.name!r} may not be asked row {number}: {why}.",
            fix="Say what the prompts hold with --data-class, or leave the tier out with --tiers.",
        )
    return InputError(
        f"Tier {tier.name!r} cannot answer row {number}: {why}.",
        fix="Leave the tier out with --tiers, or take out prompts that no tier can answer.",
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
