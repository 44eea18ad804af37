"""Language models in the store: pull one, quantise one, run one to measure it.

Each result is a model of its own with a digest of its own; nothing that is installed changes. Conversion is
`language_exports`, the comparison with the original `language_proofs`.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import msgspec

from rightsized.compress.gguf.child import Peer, score_command
from rightsized.compress.gguf.quantise import quantise
from rightsized.core.egress import Egress
from rightsized.core.errors import InputError, NotFoundError, StoreError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.cpu import cores
from rightsized.store import gguf_parts
from rightsized.store.cards import Card, describe
from rightsized.store.gguf import is_gguf
from rightsized.store.gguf_cards import describe_gguf
from rightsized.store.gguf_recipes import RECIPES
from rightsized.store.model_cards import licence_and_languages
from rightsized.store.models import ModelStore
from rightsized.store.sources.hub import HubSource
from rightsized.store.sources.source import Fetched

SUFFIX = ".gguf"


def quantise_model(
    name: str, recipe: str, *, store: ModelStore, into: str = "", progress: Progress = no_progress
) -> Card:
    """Pack an installed F32, BF16 or F16 model and install the result as `NAME-RECIPE`.

    Raises:
        NotFoundError, StoreError, InputError, MissingExtraError: nothing was installed.
    """
    recipe = recipe.upper()
    if recipe not in RECIPES:
        raise InputError(f"{recipe!r} is no quantisation known here.", fix=f"Known: {', '.join(RECIPES)}.")
    card, path = gguf_file(name, store)
    stem = re.sub(r"[-.](f32|f16|bf16)$", "", card.name)
    new = into or plain_name(f"{stem}-{recipe}")
    check_free(store, new)
    with store.staging(new) as work:
        built = work / "built"
        built.mkdir()
        file = built / f"{new}{SUFFIX}"
        quantise(path, file, recipe, progress)
        fetched = Fetched(
            folder=str(built), source=f"quantised:{card.name}", licence=card.licence, languages=card.languages
        )
        made = describe_gguf(
            built, file.name, name=new, fetched=fetched, origin=card.digest.removeprefix("sha256:"), created=time.time()
        )
        return store.install(built, made)


def pull_destination(spec: str, store: ModelStore) -> str:
    """What `Egress` must allow for `pull_gguf`; empty for a local file."""
    hub = None if Path(spec).expanduser().is_file() else hub_source(spec, store)
    return hub.destination if hub else ""


def pull_gguf(
    spec: str, *, store: ModelStore, egress: Egress, file: str = "", name: str = "", progress: Progress = no_progress
) -> Card:
    """Install one GGUF file: `hub:ORG/NAME` with `file`, or the path of a local one. Parts of a model are joined.

    Raises:
        InputError: the repository has no such file, or `file` is needed to choose. Others as `Source.fetch`.
    """
    local = Path(spec).expanduser()
    source = None if local.is_file() else hub_source(spec, store, file)
    if source is None and not local.is_file():
        raise NotFoundError(f"{spec} is no GGUF file and names none.", fix="hub:ORG/NAME --file NAME.gguf, or a path.")
    if source and not file.endswith(SUFFIX):
        raise InputError(f"{spec} holds many files; which one?", fix="Say --file NAME.gguf, as its page lists them.")
    chosen = plain_name(name or gguf_parts.stem(Path(file or local.name).name))
    check_free(store, chosen)
    with store.staging(chosen) as work:
        if source:
            fetched = source.fetch(work, egress=egress, progress=progress)
            if not (work / file).is_file():
                raise NotFoundError(f"{spec} has no file {file!r}.", fix="Look at the list of files on its page.")
            _settle(work / file, work / f"{chosen}{SUFFIX}", progress)
        else:
            _settle(local, work / f"{chosen}{SUFFIX}", progress, copy=True)
            fetched = Fetched(folder=str(work), source=f"local:{local.resolve()}")
        for extra in [p for p in work.iterdir() if p.is_dir()]:
            shutil.rmtree(extra)
        card = card_of(work, f"{chosen}{SUFFIX}", chosen, work, fetched)
        store.install(work, card)
    for path in map(Path, fetched.finished):
        shutil.rmtree(path, ignore_errors=True)
    return card


def _settle(file: Path, place: Path, progress: Progress, *, copy: bool = False) -> None:
    """Put a model where it belongs as one file. `copy`: what is there stays."""
    parts = gguf_parts.read_parts(file)  # refuses what is no model before it is copied
    if len(parts) > 1:
        gguf_parts.join(parts, place, progress)
        for part in () if copy else parts:
            part.path.unlink()
    elif copy:
        shutil.copyfile(file, place)
    else:
        file.replace(place)


class Speed(Frozen, frozen=True):
    """Measured on this machine: tokens a second of a prompt and of an answer; bytes resident afterwards."""

    prompt: float
    answer: float
    resident: int
    threads: int


def measure_speed(
    path: Path, *, context: int, flash_attention: bool = False, cache_type: str = "f16", slots: int = 1
) -> Speed:
    """Run a GGUF file once, as a tier with these options, with all cores: 128 tokens of a prompt, or half the context.

    Raises:
        InputError: the path is no GGUF file. JobError: llama.cpp does not load or run it.
    """
    if path.is_dir():
        path = next(iter(sorted(path.glob(f"*{SUFFIX}"))), path)
    if not is_gguf(path):
        raise InputError(f"{path} is no GGUF file; only one can be run.", fix="Run: rightsized models convert FOLDER")
    threads, prompt = cores(), min(128, context // 2)
    with Peer(score_command(path, context), path.name) as child:
        run = {"flash_attention": flash_attention, "cache_type": cache_type, "slots": slots}
        found = child.ask("speed", prompt=prompt, answer=32, threads=threads, run=run)
    return Speed(found["prompt"], found["answer"], int(found["resident"]), threads)


def gguf_file(name: str, store: ModelStore) -> tuple[Card, Path]:
    """Card and file of an installed GGUF model. Raises NotFoundError, InputError."""
    card = store.card(name)
    files = [file for file in card.files if file.endswith(SUFFIX)]
    if len(files) != 1 or card.language_model is None:
        raise InputError(f"The model {name!r} is not one GGUF file.", fix=f"Run: rightsized models show {name}")
    return card, store.folder(name) / files[0]


def store_model(name: str, store: ModelStore) -> bool:
    """Whether a name is that of an installed model."""
    return bool(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name)) and store.has(name)


def plain_name(name: str) -> str:
    """A name that may be a folder's, made from any."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"


def card_of(built: Path, file: str, name: str, raw: Path, fetched: Fetched) -> Card:
    """The card of a new file; licence and languages from the README beside its original where the source said none."""
    licence, languages = licence_and_languages(raw / "README.md")
    fetched = msgspec.structs.replace(
        fetched, licence=fetched.licence or licence, languages=fetched.languages or languages
    )
    origin = describe(built / file).sha256
    return describe_gguf(built, file, name=name, fetched=fetched, origin=origin, created=time.time())


def hub_source(spec: str, store: ModelStore, file: str = "") -> HubSource | None:
    """The hub repository that `hub:...` names, with `file` (all its parts) and its README alone where given; None for
    anything else."""
    if not spec.startswith("hub:"):
        return None
    folder, _, last = file.rpartition("/")
    parts = {f"{folder}/{part}" if folder else part for part in gguf_parts.names(last)}
    wanted = (lambda name: name in parts or name == "README.md") if file else is_wanted
    return HubSource(spec.removeprefix("hub:"), downloads=store.home.downloads, wanted=wanted)


def is_wanted(name: str) -> bool:
    """Files of a repository that a language model is converted from."""
    kinds = (".json", ".safetensors", ".model", ".jinja", ".txt", "README.md")
    again = name.startswith("consolidated")  # Mistral's repositories hold all weights a second time, in its own layout
    return "/" not in name and name.endswith(kinds) and not again


def check_free(store: ModelStore, name: str) -> None:
    """Raises StoreError where a model of that name is installed."""
    if store.has(name):
        raise StoreError(
            f"The name {name!r} is taken.", fix=f"Run: rightsized models remove {name}; or choose another with --name."
        )
