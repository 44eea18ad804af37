"""Does it fit: what a language model takes on a machine, by quantisation and context, before it is fetched or run.

Says what fits and what to change where nothing does; the arithmetic is `planner_bytes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.types import Frozen
from rightsized.store import gguf_parts
from rightsized.store.gguf import is_gguf
from rightsized.store.planner_blueprint import Blueprint, from_header
from rightsized.store.planner_bytes import CELLS, UNPACKED, cache_bytes, compute_bytes, rearranged_bytes, weights_of
from rightsized.store.planner_checkpoint import CONFIG, from_config, from_folder, read_config

RUNTIME = 50_000_000  # bytes of a process that serves next to nothing: interpreter, library, threads; measured
VOCABULARY_WORD = 300  # bytes llama.cpp keeps for one token: text, score, look-up; measured
CACHE_TYPES = ("f16", "q8_0", "f32")
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Fit(Frozen, frozen=True):
    """One quantisation at one context. Sizes in bytes; `longest` is the longest context that fits (0: none)."""

    quantisation: str
    bits_per_weight: float
    context: int
    weights: int
    cache: int
    compute: int
    runtime: int
    total: int
    fits: bool
    longest: int


class Plan(Frozen, frozen=True):
    """What fits. `choice` is the most precise quantisation that does, None where none does; `rearranged` is what
    llama.cpp copies of the chosen weights into its own layout where the processor gains by it, beside the file's pages,
    which the system takes back when memory is short."""

    model: str
    architecture: str
    parameters: int
    stored: str
    trained_context: int
    memory: int
    context: int
    cache_type: str
    slots: int
    flash_attention: bool
    choice: Fit | None
    alternatives: tuple[Fit, ...]
    advice: tuple[str, ...] = ()
    rearranged: int = 0


def parse_size(text: str) -> int:
    """Bytes of `2GB`, `512MB` or `1.5GiB`; GB is 10^9 and GiB is 2^30 bytes.

    >>> parse_size("2GB"), parse_size("1.5 GiB")
    (2000000000, 1610612736)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?B?)?\s*", text.upper())
    unit = (match[2] or "") if match else ""
    unit = unit if unit.endswith("B") or not unit else f"{unit}B"
    if match is None or unit not in _UNITS or not float(match[1]):
        raise InputError(f"{text!r} is no amount of memory.", fix="Write it as 2GB, 512MB or 1.5GiB.")
    return int(float(match[1]) * _UNITS[unit])


def open_blueprint(path: Path) -> Blueprint:
    """The blueprint of a GGUF file, a checkpoint's folder, a folder with one GGUF file, or a `config.json`.

    Raises:
        NotFoundError, InputError, IntegrityError: nothing that can be planned is there.
    """
    if path.is_dir():
        files = sorted(path.glob("*.gguf"))
        if files and not (path / CONFIG).exists():
            if [file.name for file in files] != list(gguf_parts.names(files[0].name)):
                raise InputError(f"{path} holds {len(files)} GGUF files.", fix="Name one of them.")
            return from_header(gguf_parts.whole_header(files[0]), files[0])
        return from_folder(path)
    if not path.exists():
        raise NotFoundError(f"{path} does not exist.", fix="Give a GGUF file, a checkpoint's folder or a config.json.")
    if is_gguf(path):
        return from_header(gguf_parts.whole_header(path), path)
    return from_folder(path.parent) if path.suffix == ".safetensors" else from_config(read_config(path))


def plan(
    blueprint: Blueprint,
    *,
    model: str,
    memory: int,
    context: int = 0,
    cache_type: str = "f16",
    slots: int = 1,
    flash_attention: bool = False,
) -> Plan:
    """What fits into `memory` bytes.

    Args:
        model: its name, for the report.
        context: tokens of one conversation; 0 is what the model was trained for.
        cache_type: how the attention cache is stored, one of `CACHE_TYPES`.
        slots: conversations worked on together, each with the whole context.
        flash_attention: attention in one step, in half precision for a part; a q8_0 cache needs it.
    Raises:
        InputError: a context, a number of slots or a cache type that cannot be.
    """
    if cache_type not in CACHE_TYPES:
        raise InputError(f"{cache_type!r} is no cache type.", fix=f"Choose one of {', '.join(CACHE_TYPES)}.")
    if context < 0 or slots < 1:
        raise InputError(f"{slots} conversations of {context} tokens cannot be.")
    flash_attention = flash_attention or cache_type == "q8_0"
    demand = _Demand(memory, context or blueprint.context or 4096, cache_type, slots, flash_attention)
    fits = tuple(_fit(blueprint, recipe, weights, demand) for recipe, weights in weights_of(blueprint))
    choice = next((fit for fit in fits if fit.fits), None)
    found = Plan(
        model=model,
        architecture=blueprint.architecture,
        parameters=blueprint.parameters,
        stored=blueprint.stored,
        trained_context=blueprint.context,
        memory=memory,
        context=demand.context,
        cache_type=cache_type,
        slots=slots,
        flash_attention=flash_attention,
        choice=choice,
        alternatives=fits,
        rearranged=rearranged_bytes(blueprint, choice.quantisation) if choice else 0,
    )
    return msgspec.structs.replace(found, advice=_advice(found, blueprint))


class _Demand(NamedTuple):
    memory: int
    context: int
    cache_type: str
    slots: int
    flash_attention: bool


def _fit(blueprint: Blueprint, name: str, weights: int, demand: _Demand) -> Fit:
    runtime = RUNTIME + VOCABULARY_WORD * blueprint.vocabulary

    def cache(tokens: int) -> int:
        return demand.slots * cache_bytes(blueprint, tokens, demand.cache_type)

    def compute(tokens: int) -> int:
        return compute_bytes(blueprint, tokens, flash_attention=demand.flash_attention)

    def needed(tokens: int) -> int:
        return weights + cache(tokens) + compute(tokens) + runtime

    context, memory = demand.context, demand.memory
    return Fit(
        quantisation=name,
        bits_per_weight=round(8 * weights / blueprint.parameters, 2),
        context=context,
        weights=weights,
        cache=cache(context),
        compute=compute(context),
        runtime=runtime,
        total=needed(context),
        fits=needed(context) <= memory,
        longest=_longest(lambda tokens: needed(tokens) <= memory, max(blueprint.context, context)),
    )


def _longest(fits: Callable[[int], bool], limit: int) -> int:
    """The longest context of whole cells that fits, up to `limit`; 0 where none does."""
    low, high = 0, max(limit // CELLS, 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * CELLS) else (low, middle - 1)
    return low * CELLS


def _advice(found: Plan, blueprint: Blueprint) -> tuple[str, ...]:
    said = _remedies(found, blueprint) if found.choice is None else []
    if 0 < blueprint.context < found.context:
        said.append(f"The model was trained for {blueprint.context} tokens; beyond that its answers get worse.")
    if not blueprint.exact:
        said.append(f"The layout of {blueprint.architecture!r} is not known here; sizes may be off by some per cent.")
    return tuple(said)


def _remedies(found: Plan, blueprint: Blueprint) -> list[str]:
    """What to change where nothing fits, in order of what costs least."""
    smallest, said = found.alternatives[-1], []
    name = smallest.quantisation
    flash, packed = _smaller(blueprint, smallest, found.slots)
    if not found.flash_attention and flash <= found.memory:
        said.append(f"{name} fits with attention computed in one step: --flash-attention.")
    if found.cache_type != "q8_0" and packed <= found.memory:
        said.append(f"{name} fits with the attention cache in 8-bit blocks: --cache-type q8_0.")
    if found.slots > 1:
        said.append("Each conversation has a cache of its own: fewer at once, --slots 1.")
    if smallest.longest:
        said.append(f"{name} fits with a shorter context: --context {smallest.longest}.")
    said.append(f"{name} with {found.context} tokens needs {smallest.total / 1e9:.2f} GB: --memory.")
    if blueprint.stored not in UNPACKED:
        said.append(f"This file is packed as {blueprint.stored} already; smaller ones are made from its original.")
    elif not smallest.longest and smallest.weights > smallest.total / 2:
        said.append(f"The weights alone take {smallest.weights / 1e9:.2f} GB as {name}: take a smaller model.")
    return said


def _smaller(blueprint: Blueprint, fit: Fit, slots: int) -> tuple[int, int]:
    """Bytes with flash attention, and with flash attention and a cache of 8-bit blocks."""
    flash = fit.total - fit.compute + compute_bytes(blueprint, fit.context, flash_attention=True)
    return flash, flash - fit.cache + slots * cache_bytes(blueprint, fit.context, "q8_0")
