"""`rightsized models fit`: which quantisation and context of a language model fit into so much memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from rightsized.store.planner import Fit, Plan


@dataclass(frozen=True, kw_only=True)
class FitModel(Common):
    model: Annotated[str, typer.Argument(help="An installed model, a GGUF file, or a checkpoint's folder.")] = ""
    memory: Annotated[str, typer.Option(help="Memory to fit into, such as 2GB or 1.5GiB.")] = "2GB"
    context: Annotated[int, typer.Option(help="Tokens of one conversation; 0 is what it was trained for.")] = 4096
    cache_type: Annotated[str, typer.Option(help="How the attention cache is stored: f16, q8_0 or f32.")] = "f16"
    slots: Annotated[int, typer.Option(help="Conversations worked on together, each with the whole context.")] = 1
    flash_attention: Annotated[
        bool, typer.Option("--flash-attention", help="Attention in one step: less memory for long contexts.")
    ] = False
    measure: Annotated[bool, typer.Option("--measure", help="Run the model and measure speed and memory here.")] = False
    architecture: Annotated[Path | None, typer.Option(help="A config.json to plan from, without any weights.")] = None


def fit(options: FitModel) -> Result:
    """Say which quantisation and context of a language model fit into a machine's memory."""
    from rightsized.store.planner import open_blueprint, parse_size, plan

    path, name = _place(options)
    found = plan(
        open_blueprint(path),
        model=name,
        memory=parse_size(options.memory),
        context=options.context,
        cache_type=options.cache_type,
        slots=options.slots,
        flash_attention=options.flash_attention,
    )
    status = 0 if found.choice else 1
    if not options.measure:
        return Result(found, _text(found), status=status)
    from rightsized.tasks.language_models import measure_speed

    speed = measure_speed(
        path,
        context=found.context,
        flash_attention=found.flash_attention,
        cache_type=found.cache_type,
        slots=found.slots,
    )
    said = (
        f"Measured here with {speed.threads} threads: {speed.prompt:.1f} tokens/s of a prompt, "
        f"{speed.answer:.1f} tokens/s of an answer, {speed.resident / 1e9:.2f} GB resident."
    )
    return Result({"plan": found, "measured": speed}, f"{_text(found)}\n{said}", status=status)


def _place(options: FitModel) -> tuple[Path, str]:
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore

    if bool(options.model) == bool(options.architecture):
        raise InputError("Name one model.", fix="rightsized models fit NAME, or --architecture config.json.")
    if options.architecture:
        return options.architecture, options.architecture.parent.name or options.architecture.name
    path = Path(options.model).expanduser()
    if path.exists():
        return path, path.stem if path.is_file() else path.name
    if "/" in options.model or path.suffix:
        raise NotFoundError(f"There is no file or folder {options.model}.", fix="It is taken from the current folder.")
    store = ModelStore(Home(options.settings().home))
    if store.card(options.model).language_model is None:
        raise InputError(f"{options.model!r} is an encoder; this is about models that write.")
    return store.folder(options.model), options.model


def _text(plan: Plan) -> str:
    lines = [_verdict(plan), ""]
    header = ["quantisation", "bits", "weights", "cache", "working", "runtime", "total", "fits", "longest context"]
    lines.append(aligned(header, [_row(fit) for fit in plan.alternatives]))
    notes = list(plan.advice)
    if plan.choice:
        options = f'slots = {plan.slots}, cache_type = "{plan.cache_type}"'
        options += ", flash_attention = true" if plan.flash_attention else ""
        notes.append(f"A tier that keeps to it: context = {plan.context}, options = {{ {options} }}")
    if plan.choice and plan.rearranged:
        notes.append(
            f"With AVX2, llama.cpp keeps {plan.rearranged / 1e9:.2f} GB of the weights in its own order. Pages of the "
            "file that they replace go back to the system when memory is short; until then resident memory, and so a "
            f"tier's memory_mb, may count up to {(plan.choice.total + plan.rearranged) / 1e6:.0f} MB."
        )
    return "\n".join([*lines, "", *notes]).rstrip()


def _verdict(plan: Plan) -> str:
    what = f"{plan.model} ({plan.architecture}, {_count(plan.parameters)} parameters)"
    room = f"{_size(plan.memory)} with a context of {plan.context} tokens"
    room += f" in each of {plan.slots} conversations" if plan.slots > 1 else ""
    if plan.choice is None:
        return f"{what} does not fit into {room}."
    fit = plan.choice
    return f"{what} fits into {room} as {fit.quantisation}: {_size(fit.total)}."


def _count(parameters: int) -> str:
    if parameters < 1e6:
        return f"{parameters:,}"
    return f"{parameters / 1e9:.2f} billion" if parameters >= 1e8 else f"{parameters / 1e6:.1f} million"


def _size(size: int) -> str:
    """Gigabytes (10^9), or megabytes where that would say 0.0."""
    return f"{size / 1e9:.2f} GB" if size >= 5e7 else f"{size / 1e6:.1f} MB"


def _row(fit: Fit) -> list[str]:
    sizes = (fit.weights, fit.cache, fit.compute, fit.runtime, fit.total)
    return [
        fit.quantisation,
        f"{fit.bits_per_weight:.2f}",
        *(_size(size) for size in sizes),
        "yes" if fit.fits else "no",
        str(fit.longest) if fit.longest else "-",
    ]
