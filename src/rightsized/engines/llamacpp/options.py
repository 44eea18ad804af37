"""The `options` of a tier with `engine = "llamacpp"`, and the files it needs: found, checked, hashed.

A model is a name in the store (`tiny`, or `tiny:Q4_K_M` for one of its variants) or the path of a GGUF file; so is an
adapter.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from rightsized.core.errors import ConfigError, NotFoundError
from rightsized.core.frozen import Frozen
from rightsized.core.tiers import TierConfig
from rightsized.engines import cpu
from rightsized.store import cards
from rightsized.store.gguf import Header, read_header
from rightsized.store.gguf_parts import refuse_part
from rightsized.store.home import Home
from rightsized.store.models import ModelStore

DEFAULT_SLOTS = 4  # requests worked on together where nothing is said
SUFFIX = ".gguf"
_CHANGING = ("isolated", "batch", "cache_type", "flash_attention", "pooling", "chat_template", "adapter", "gpu_layers")
CONTEXT_STEP = 256  # llama.cpp rounds a context up to a multiple of this


class Options(Frozen, frozen=True):
    """What `options = {...}` of a tier may say."""

    threads: int = 0  # threads of one pass; 0 = one a core
    slots: int = 0  # requests worked on together, each with the tier's context; 0 = 4, or `concurrent` if less
    isolated: bool = False  # one request at a time and no reuse of prompts: the same bits alone and under load
    memory_mb: float | None = None  # the process is ended above this, resident megabytes of 10^6 bytes
    gpu_layers: int = 0  # layers to put on an accelerator, where this build of the runtime has one
    batch: int = 512  # tokens of a prompt read in one pass
    cache_type: Literal["f32", "f16", "q8_0"] = "f16"  # how keys and values are kept
    flash_attention: bool = False  # less memory for long contexts, less exact; `q8_0` needs it
    pooling: Literal["", "mean", "cls", "last"] = ""  # how token vectors become one; empty: as the model says
    chat_template: str = ""  # a Jinja template used instead of the model's own
    adapters: dict[str, str] = msgspec.field(default_factory=dict)  # LoRA adapters by name: store name or path
    adapter: str = ""  # the adapter used where a request names none
    sampling: dict[str, float] = msgspec.field(
        default_factory=dict
    )  # such as {temperature = 0}, where a request is silent


class ModelFile(NamedTuple):
    """A GGUF file, its sha256 as far as the store knows it, and what its header says."""

    path: Path
    sha256: str
    header: Header

    def digest(self) -> str:
        """sha256 of the contents, hexadecimal; read now where no card states it."""
        return self.sha256 or cards.describe(self.path).sha256


def read_options(tier: TierConfig) -> Options:
    """The options, checked. Raises ConfigError."""
    where = f"options of tier {tier.name!r}"
    try:
        options = msgspec.convert(tier.options, Options)
    except msgspec.ValidationError as error:
        known = ", ".join(Options.__struct_fields__)
        raise ConfigError(f"The {where} cannot be used: {error}.", fix=f"Options: {known}.") from None
    for name in ("threads", "slots", "gpu_layers"):
        if getattr(options, name) < 0:
            raise ConfigError(f"{name} = {getattr(options, name)} in the {where} must not be below 0.")
    if options.batch < 1:
        raise ConfigError(f"batch = {options.batch} in the {where} must be above 0.")
    if options.memory_mb is not None and not options.memory_mb > 0:
        raise ConfigError(f"memory_mb = {options.memory_mb} in the {where} must be above 0.")
    if options.adapter and options.adapter not in options.adapters:
        raise ConfigError(f"adapter = {options.adapter!r} in the {where} is none of its adapters.")
    if options.isolated and options.slots > 1:
        raise ConfigError(f"slots = {options.slots} in the {where} contradicts isolated = true, which works on one.")
    if options.cache_type == "q8_0" and not options.flash_attention:
        raise ConfigError(f"cache_type = 'q8_0' in the {where} needs flash_attention = true.")
    if "rerank" in tier.operations and tier.operations != ("rerank",):
        raise ConfigError(f"Tier {tier.name!r} is to rerank and do more; llama.cpp loads a model for one or the other.")
    return options


def check_pooling(tier: TierConfig, options: Options, model: ModelFile) -> None:
    """Raise ConfigError where nobody says how token vectors become one: a guess would give useless embeddings."""
    said = options.pooling or model.header.integer("pooling_type")
    if "embeddings" in tier.operations and not said:
        raise ConfigError(
            f"The model of tier {tier.name!r} does not say how its token vectors become one.",
            fix='Write options = {pooling = "mean"}, "cls" or "last", as the model was trained.',
        )


def context(tier: TierConfig, model: ModelFile) -> int:
    """Tokens of one sequence: as llama.cpp rounds them, and no more than the model was trained with, where it stops.

    Raises ConfigError above that.
    """
    trained = model.header.integer("context_length")
    if trained and tier.context > trained:
        raise ConfigError(
            f"context = {tier.context} of tier {tier.name!r} is more than the {trained} tokens its model was made for.",
            fix=f"Write context = {trained} or less.",
        )
    rounded = -(-(tier.context or trained or CONTEXT_STEP) // CONTEXT_STEP) * CONTEXT_STEP
    return min(rounded, trained) if trained else rounded


def slots(tier: TierConfig, options: Options) -> int:
    """Sequences worked on at a time."""
    return 1 if options.isolated else min(options.slots or DEFAULT_SLOTS, tier.concurrent)


def threads(options: Options) -> int:
    """Threads of one pass."""
    return options.threads or cpu.cores()


def find_model(named: str, home: str) -> ModelFile:
    """A model or adapter by store name or path.

    Raises NotFoundError, IntegrityError, StoreError, ConfigError, InputError (one part of a model).
    """
    if not named:
        raise ConfigError(
            "A tier with the engine llamacpp names no model.", fix='Write model = "NAME" or a .gguf path.'
        )
    if named.endswith(SUFFIX) or "/" in named:
        path = Path(named).expanduser()
        if not path.exists():
            raise NotFoundError(
                f"There is no model file {named}.", fix=f"Paths are taken from the current folder, here {Path.cwd()}."
            )
        header = read_header(path)
        refuse_part(path, header)  # the digest must cover all of a model
        return ModelFile(path, "", header)
    name, _, variant = named.partition(":")
    store = ModelStore(Home(home))
    card, folder = store.card(name), store.folder(name)
    file = _file_of(card, variant)
    return ModelFile(folder / file, card.files[file].sha256, read_header(folder / file))


def _file_of(card: cards.Card, variant: str) -> str:
    """The GGUF file of a store model: of the variant asked for, else of its default, else its only one."""
    files = sorted(file for file in card.files if file.endswith(SUFFIX))
    chosen = card.variants.get(variant or card.default_variant)
    if chosen is not None and chosen.file in files:
        return chosen.file
    if not variant and len(files) == 1:
        return files[0]
    if not files:
        raise NotFoundError(
            f"The model {card.name!r} has no GGUF file.", fix=f"Make one: rightsized models convert {card.name}"
        )
    known = ", ".join(sorted(card.variants)) or ", ".join(files)
    raise NotFoundError(f"The model {card.name!r} has no variant {variant!r}.", fix=f"It has: {known}.")


def digest(model: ModelFile, adapters: dict[str, ModelFile], options: Options, runtime: str) -> str:
    """`sha256:...` over all that an answer depends on: files, runtime, instruction set, and options that change it."""
    lines = [f"model {model.digest()}", f"runtime {runtime}", f"cpu {cpu.instruction_set()}"]
    lines += [f"adapter {name} {file.digest()}" for name, file in sorted(adapters.items())]
    lines += [f"{name} {getattr(options, name)!r}" for name in _CHANGING]
    lines.append(f"sampling {sorted(options.sampling.items())}")
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
