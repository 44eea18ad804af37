"""Converts a checkpoint, or a LoRA adapter, to GGUF and proves that the file answers as its original does.

Joins sources, llama.cpp's converter and the comparison; the result is a model in the store, its proof on its card.
"""

from __future__ import annotations

import json
import math
import shutil
from importlib.util import find_spec
from pathlib import Path

import msgspec

from rightsized.compress.gguf import converter
from rightsized.compress.gguf.child import run, score_command, training_python
from rightsized.compress.gguf.native import library
from rightsized.compress.gguf.verify import Comparison
from rightsized.core.egress import Egress
from rightsized.core.errors import InputError, StoreError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.store.cards import Card
from rightsized.store.models import ModelStore
from rightsized.store.sources.source import Fetched
from rightsized.tasks.language_models import SUFFIX, card_of, check_free, hub_source, plain_name
from rightsized.tasks.language_proofs import (
    against_of,
    checkpoint_folder,
    compare_sides,
    context_of,
    reference_command,
    with_proof,
)

OUT_TYPES = ("f32", "f16", "bf16")


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
    hub = hub_source(conversion.source, store)
    return frozenset(d for d in (converter.destination(store.home), hub.destination if hub else "") if d)


def convert(conversion: Conversion, *, store: ModelStore, egress: Egress, progress: Progress = no_progress) -> Card:
    """Convert a checkpoint, or a LoRA adapter, to GGUF and install it, without a proof.

    Raises:
        MissingExtraError: torch or transformers is missing. JobError: the converter refused; says why.
        NotFoundError, StoreError, EgressDeniedError, DownloadError: nothing was installed.
    """
    return _convert(conversion, store, egress, progress, prove=False)[0]


def convert_and_prove(
    conversion: Conversion, *, store: ModelStore, egress: Egress, progress: Progress = no_progress
) -> tuple[Card, Comparison]:
    """Convert, compare with the original while it is here (a checkpoint of the hub is not kept), and install both.

    A file that answers otherwise is installed too; its proof says so. Raises as `convert`; also JobError where
    llama.cpp cannot open the result, and MissingExtraError without xllamacpp: nothing was installed.
    """
    card, found = _convert(conversion, store, egress, progress, prove=True)
    assert found is not None
    return card, found


def _convert(
    conversion: Conversion, store: ModelStore, egress: Egress, progress: Progress, *, prove: bool
) -> tuple[Card, Comparison | None]:
    if conversion.outtype not in OUT_TYPES:
        raise InputError(f"{conversion.outtype!r} is no output type.", fix=f"Choose one of {', '.join(OUT_TYPES)}.")
    if prove:
        library()  # before the work, not after it
    python = training_python(conversion.python)
    hub = hub_source(conversion.source, store)
    name = conversion.name or plain_name(hub.name if hub else Path(conversion.source).expanduser().resolve().name)
    check_free(store, name)
    scripts = converter.ensure(store.home, egress=egress, progress=progress)
    found: Comparison | None = None
    with store.staging(name) as work:
        raw, built = work / "raw", work / "built"
        built.mkdir()
        if hub:
            raw.mkdir()
            fetched = hub.fetch(raw, egress=egress, progress=progress)
        else:
            raw = checkpoint_folder(conversion.source)
            fetched = Fetched(folder=str(raw), source=f"converted:{raw}")
        progress("convert", 0, 0)
        file = built / f"{name}-{conversion.outtype}{SUFFIX}"
        given = _with_plain_scale(raw, work) if conversion.base else raw
        _run_converter(conversion, python, scripts, given, file)
        card = card_of(built, file.name, name, raw, fetched)
        if conversion.base and card.language_model:
            base = Path(conversion.base).expanduser().resolve().name
            facts = msgspec.structs.replace(card.language_model, adapter_of=base)
            card = msgspec.structs.replace(card, language_model=facts)
        if prove:
            progress("compare with the original", 0, 0)
            called = fetched.source.removeprefix("hub:") if hub else raw.name
            found = _proved(conversion, python, scripts, (raw, called), file)
            card = with_proof(card, found)
        store.install(built, card)
    for path in map(Path, fetched.finished):
        shutil.rmtree(path, ignore_errors=True)
    return card, found


def _proved(conversion: Conversion, python: str, scripts: Path, original: tuple[Path, str], file: Path) -> Comparison:
    """A new file beside its original; an adapter on top of its base, which is converted for this alone."""
    raw, called = original
    if not conversion.base:
        sides = [*reference_command(python, raw)], score_command(file, context_of(file))
        return compare_sides(sides, called, against=against_of(called))
    base = checkpoint_folder(conversion.base)
    under = file.parent.with_name(f"base{SUFFIX}")
    plain = msgspec.structs.replace(conversion, base="", outtype="f32")
    _run_converter(plain, python, scripts, base, under)
    sides = [*reference_command(python, base), str(raw)], [*score_command(under, context_of(under)), str(file)]
    found = compare_sides(sides, called, against=against_of(f"{base.name} with {called}"))
    under.unlink()
    return found


def _with_plain_scale(adapter: Path, work: Path) -> Path:
    """The folder to convert an adapter from. One of rank-stabilised scale (alpha / sqrt(r), arXiv:2312.03732) is given
    an alpha that says the same as alpha / r, which is all that llama.cpp knows; its converter would pass over it."""
    config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    if not config.get("use_rslora"):
        return adapter
    plain = work / "plain"
    plain.mkdir()
    for path in adapter.iterdir():
        (plain / path.name).symlink_to(path)
    (plain / "adapter_config.json").unlink()
    alpha = config["lora_alpha"] * math.sqrt(config["r"])
    text = json.dumps({**config, "use_rslora": False, "lora_alpha": alpha})
    (plain / "adapter_config.json").write_text(text, "utf-8")
    return plain


def _run_converter(conversion: Conversion, python: str, scripts: Path, raw: Path, file: Path) -> None:
    child = find_spec("rightsized.compress.gguf.convert_child")
    assert child is not None
    assert child.origin is not None
    script = converter.LORA_SCRIPT if conversion.base else converter.MODEL_SCRIPT
    command = [python, child.origin, str(scripts), script, str(raw), "--outtype", conversion.outtype]
    command += ["--outfile", str(file)]
    if conversion.base:
        command += ["--base", str(checkpoint_folder(conversion.base))]
    run(command)
    if not file.exists():
        raise StoreError(f"The converter wrote no {file.name}.", fix="Convert with another --outtype.")
