"""Language models in the store: convert a checkpoint to GGUF, quantise one, pull one, and prove that it answers alike.

Each result is a model of its own with a digest of its own; nothing that is installed changes, but for a proof added to
its card. The only place that joins sources, llama.cpp's converter and the original implementation.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import msgspec

from rightsized.compress.gguf import converter
from rightsized.compress.gguf.child import Peer, run, training_python
from rightsized.compress.gguf.quantise import quantise
from rightsized.compress.gguf.verify import Comparison, compare
from rightsized.core.egress import Egress
from rightsized.core.errors import InputError, NotFoundError, StoreError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.cpu import cores
from rightsized.store.cards import Card, LanguageModel, describe
from rightsized.store.gguf import is_gguf, read_header
from rightsized.store.gguf_cards import describe_gguf
from rightsized.store.gguf_recipes import RECIPES
from rightsized.store.model_cards import licence_and_languages
from rightsized.store.models import ModelStore
from rightsized.store.sources.hub import HubSource
from rightsized.store.sources.source import Fetched

OUT_TYPES = ("f32", "f16", "bf16")
CONTEXT = 2048  # tokens in which both sides are compared, or fewer where the model has less
TEXTS = 12  # messages of the sample data that are compared where the user gives none
SUFFIX = ".gguf"
_ORIGIN = re.compile(r"(?:converted|quantised):(.+)")


class Conversion(Frozen, frozen=True):
    """What to convert: a checkpoint's folder, or `hub:ORG/NAME[@REVISION]`. `base` is a LoRA adapter's base model.

    `python` is one that has torch and transformers; this one where empty.
    """

    source: str
    outtype: str = "f16"
    name: str = ""
    base: str = ""
    python: str = ""


def destinations(conversion: Conversion, store: ModelStore) -> frozenset[str]:
    """What `Egress` must allow for a conversion; empty where nothing leaves this machine."""
    hub = _hub(conversion.source, store)
    return frozenset(d for d in (converter.destination(store.home), hub.destination if hub else "") if d)


def convert(conversion: Conversion, *, store: ModelStore, egress: Egress, progress: Progress = no_progress) -> Card:
    """Convert a checkpoint, or a LoRA adapter, to GGUF and install it.

    Raises:
        MissingExtraError: torch or transformers is missing. JobError: the converter refused; says why.
        NotFoundError, StoreError, EgressDeniedError, DownloadError: nothing was installed.
    """
    if conversion.outtype not in OUT_TYPES:
        raise InputError(f"{conversion.outtype!r} is no output type.", fix=f"Choose one of {', '.join(OUT_TYPES)}.")
    python = training_python(conversion.python)
    hub = _hub(conversion.source, store)
    name = conversion.name or plain_name(hub.name if hub else Path(conversion.source).expanduser().resolve().name)
    _free(store, name)
    scripts = converter.ensure(store.home, egress=egress, progress=progress)
    with store.staging(name) as work:
        raw, built = work / "raw", work / "built"
        built.mkdir()
        if hub:
            raw.mkdir()
            fetched = hub.fetch(raw, egress=egress, progress=progress)
        else:
            raw = _checkpoint(conversion.source)
            fetched = Fetched(folder=str(raw), source=f"converted:{raw}")
        progress("convert", 0, 0)
        file = built / f"{name}-{conversion.outtype}{SUFFIX}"
        _run_converter(conversion, python, scripts, raw, file)
        card = _card(built, file.name, name, raw, fetched)
        if conversion.base and card.language_model:
            base = Path(conversion.base).expanduser().resolve().name
            facts = msgspec.structs.replace(card.language_model, adapter_of=base)
            card = msgspec.structs.replace(card, language_model=facts)
        store.install(built, card)
    for path in map(Path, fetched.finished):
        shutil.rmtree(path, ignore_errors=True)
    return card


def _run_converter(conversion: Conversion, python: str, scripts: Path, raw: Path, file: Path) -> None:
    child = find_spec("rightsized.compress.gguf.convert_child")
    assert child is not None
    assert child.origin is not None
    script = converter.LORA_SCRIPT if conversion.base else converter.MODEL_SCRIPT
    command = [python, child.origin, str(scripts), script, str(raw), "--outtype", conversion.outtype]
    command += ["--outfile", str(file)]
    if conversion.base:
        command += ["--base", str(_checkpoint(conversion.base))]
    run(command)
    if not file.exists():
        raise StoreError(f"The converter wrote no {file.name}.", fix="Convert with another --outtype.")


def _card(built: Path, file: str, name: str, raw: Path, fetched: Fetched) -> Card:
    licence, languages = licence_and_languages(raw / "README.md")
    fetched = msgspec.structs.replace(
        fetched, licence=fetched.licence or licence, languages=fetched.languages or languages
    )
    origin = describe(built / file).sha256
    return describe_gguf(built, file, name=name, fetched=fetched, origin=origin, created=time.time())


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
    _free(store, new)
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
    hub = None if Path(spec).expanduser().is_file() else _hub(spec, store)
    return hub.destination if hub else ""


def pull_gguf(
    spec: str, *, store: ModelStore, egress: Egress, file: str = "", name: str = "", progress: Progress = no_progress
) -> Card:
    """Install one GGUF file: `hub:ORG/NAME` with `file`, or the path of a local one.

    Raises:
        InputError: the repository has no such file, or `file` is needed to choose. Others as `Source.fetch`.
    """
    local = Path(spec).expanduser()
    source = None if local.is_file() else _hub(spec, store, file)
    if source is None and not local.is_file():
        raise NotFoundError(f"{spec} is no GGUF file and names none.", fix="hub:ORG/NAME --file NAME.gguf, or a path.")
    if source and not file.endswith(SUFFIX):
        raise InputError(f"{spec} holds many files; which one?", fix="Say --file NAME.gguf, as its page lists them.")
    chosen = plain_name(name or Path(file or local.name).stem)
    _free(store, chosen)
    with store.staging(chosen) as work:
        if source:
            fetched = source.fetch(work, egress=egress, progress=progress)
            if not (work / file).is_file():
                raise NotFoundError(f"{spec} has no file {file!r}.", fix="Look at the list of files on its page.")
            (work / file).replace(work / f"{chosen}{SUFFIX}")
        else:
            read_header(local)  # refuse what is no model before it is copied
            shutil.copyfile(local, work / f"{chosen}{SUFFIX}")
            fetched = Fetched(folder=str(work), source=f"local:{local.resolve()}")
        for extra in [p for p in work.iterdir() if p.is_dir()]:
            shutil.rmtree(extra)
        card = _card(work, f"{chosen}{SUFFIX}", chosen, work, fetched)
        store.install(work, card)
    for path in map(Path, fetched.finished):
        shutil.rmtree(path, ignore_errors=True)
    return card


def verify_export(
    name: str, *, store: ModelStore, original: str = "", python: str = "", texts: Sequence[str] = ()
) -> tuple[Card, Comparison]:
    """Compare an installed GGUF model with what it was made from and keep the proof with its card.

    Args:
        original: the checkpoint's folder, or the name of an installed GGUF model; empty: what the card says.
        texts: prompts; messages of the sample data where there are none.
    Raises:
        NotFoundError: what it was made from is not here. MissingExtraError: torch, transformers or xllamacpp.
        JobError: one side cannot open or run its model; says why.
    """
    card, path = gguf_file(name, store)
    made_from = original or _made_from(card)
    context = min(CONTEXT, card.context or CONTEXT)
    python = python if store_model(made_from, store) else training_python(python)
    command, against = _other_side(made_from, store, python, context)
    with Peer(command) as other, Peer(_score(path, context)) as converted:
        found = compare(other, converted, texts or _sample(), against=against)
    facts = card.language_model
    assert facts is not None
    proofs = [proof for proof in facts.proofs if proof.against != against]
    facts = msgspec.structs.replace(facts, proofs=(*proofs, found.proof))
    return store.annotate(msgspec.structs.replace(card, language_model=facts)), found


class Speed(Frozen, frozen=True):
    """Measured on this machine: tokens a second of a prompt and of an answer; bytes resident afterwards."""

    prompt: float
    answer: float
    resident: int
    threads: int


def measure_speed(path: Path, *, context: int, flash_attention: bool) -> Speed:
    """Run a GGUF file once, with all cores, on a prompt of 128 tokens or half the context.

    Raises:
        InputError: the path is no GGUF file. JobError: llama.cpp does not load or run it.
    """
    if path.is_dir():
        path = next(iter(sorted(path.glob(f"*{SUFFIX}"))), path)
    if not is_gguf(path):
        raise InputError(f"{path} is no GGUF file; only one can be run.", fix="Run: rightsized models convert FOLDER")
    threads, prompt = cores(), min(128, context // 2)
    with Peer(_score(path, context)) as child:
        found = child.ask("speed", prompt=prompt, answer=32, threads=threads, flash_attention=flash_attention)
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


def _made_from(card: Card) -> str:
    match = _ORIGIN.fullmatch(card.source)
    if match is None:
        raise InputError(
            f"The card of {card.name!r} does not say what it was made from ({card.source}).",
            fix="Name the original: --original FOLDER or --original MODEL.",
        )
    return match[1]


def _other_side(made_from: str, store: ModelStore, python: str, context: int) -> tuple[list[str], str]:
    if store_model(made_from, store):
        card, path = gguf_file(made_from, store)
        facts: LanguageModel | None = card.language_model
        return _score(path, context), f"{made_from} ({facts.quantisation if facts else ''})"
    reference = find_spec("rightsized.tune.reference")
    assert reference is not None
    assert reference.origin is not None
    folder = _checkpoint(made_from)
    return [python, reference.origin, str(folder), "1"], f"transformers, float32 ({folder.name})"


def _score(path: Path, context: int) -> list[str]:
    import sys

    return [sys.executable, "-m", "rightsized.compress.gguf.score", str(path), str(context)]


def _sample() -> list[str]:
    import csv

    from rightsized import data

    with data.path("support_train.csv").open(encoding="utf-8") as file:
        return [row["text"] for row, _ in zip(csv.DictReader(file), range(TEXTS), strict=False)]


def _checkpoint(folder: str) -> Path:
    path = Path(folder).expanduser().resolve()
    if not (path / "config.json").exists() and not (path / "adapter_config.json").exists():
        raise NotFoundError(f"{path} holds no config.json: it is no checkpoint's folder.")
    return path


def _hub(spec: str, store: ModelStore, file: str = "") -> HubSource | None:
    if not spec.startswith("hub:"):
        return None
    wanted = (lambda name: name in (file, "README.md")) if file else is_wanted
    return HubSource(spec.removeprefix("hub:"), downloads=store.home.downloads, wanted=wanted)


def is_wanted(name: str) -> bool:
    """Files of a repository that a language model is converted from."""
    kinds = (".json", ".safetensors", ".model", ".jinja", ".txt", "README.md")
    return "/" not in name and name.endswith(kinds)


def _free(store: ModelStore, name: str) -> None:
    if store.has(name):
        raise StoreError(
            f"The name {name!r} is taken.", fix=f"Run: rightsized models remove {name}; or choose another with --name."
        )
