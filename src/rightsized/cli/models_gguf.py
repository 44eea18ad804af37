"""`rightsized models convert`, `quantize` and `verify-export`: language models as GGUF files, with proof."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import megabytes

if TYPE_CHECKING:
    from rightsized.compress.gguf.verify import Comparison
    from rightsized.core.egress import Egress
    from rightsized.store.cards import Card, Proof
    from rightsized.store.models import ModelStore

_PYTHON = "A Python that has torch, transformers and sentencepiece, if this one has not."
MOST_SHOWN = 5  # differences


@dataclass(frozen=True, kw_only=True)
class ConvertModel(Common):
    source: Annotated[str, typer.Argument(help="A checkpoint's folder, or hub:ORG/NAME[@REVISION].")]
    outtype: Annotated[str, typer.Option(help="How weights are stored: f32, f16 or bf16.")] = "f16"
    name: Annotated[str, typer.Option(help="Name to install it under; made from the source where not given.")] = ""
    lora: Annotated[
        str, typer.Option(metavar="BASE", help="The source is a LoRA adapter; BASE is its base model's folder.")
    ] = ""
    verify: Annotated[bool, typer.Option(help="Compare the result with the original afterwards.")] = True
    python: Annotated[str, typer.Option(help=_PYTHON)] = ""


@dataclass(frozen=True, kw_only=True)
class QuantizeModel(Common):
    name: Annotated[str, typer.Argument(help="An installed model, stored as F32, BF16 or F16.")]
    to: Annotated[str, typer.Option(help="Q8_0, Q6_K, Q5_K_M, Q4_K_M or Q4_0.")]
    into: Annotated[str, typer.Option(help="Name of the result; NAME-QUANTISATION where not given.")] = ""
    verify: Annotated[bool, typer.Option(help="Measure the change of perplexity afterwards.")] = True


@dataclass(frozen=True, kw_only=True)
class VerifyExport(Common):
    name: Annotated[str, typer.Argument(help="An installed GGUF model.")]
    original: Annotated[
        str, typer.Option(help="The checkpoint's folder, or an installed model; what the card says where not given.")
    ] = ""
    prompts: Annotated[Path | None, typer.Option(help="A text file, one prompt a line; sample messages if none.")] = (
        None
    )
    python: Annotated[str, typer.Option(help=_PYTHON)] = ""


def convert(options: ConvertModel) -> Result:
    """Convert a checkpoint to GGUF with llama.cpp's own converter, install it and prove that it answers alike."""
    from rightsized.tasks.language_exports import Conversion, convert_and_prove, destinations
    from rightsized.tasks.language_exports import convert as convert_alone

    store, egress = _opened(options)
    order = Conversion(options.source, options.outtype, options.name, options.lora, options.python)
    with progress_bars(options.json) as progress, _granted(egress, destinations(order, store)):
        if not options.verify:
            card = convert_alone(order, store=store, egress=egress, progress=progress)
            return Result(card, _installed(card))
        card, found = convert_and_prove(order, store=store, egress=egress, progress=progress)
    return _shown(card, found, _installed(card))


def quantize(options: QuantizeModel) -> Result:
    """Pack the weights of an installed model with ggml's own quantiser and install the result beside it."""
    from rightsized.tasks.language_models import quantise_model
    from rightsized.tasks.language_proofs import verify_export as prove

    store, _ = _opened(options)
    with progress_bars(options.json) as progress:
        card = quantise_model(options.name, options.to, store=store, into=options.into, progress=progress)
        if not options.verify:
            return Result(card, _installed(card))
        progress("measure perplexity", 0, 0)
        card, found = prove(card.name, store=store)
    text = "\n".join([_installed(card), sentence(found.proof)])
    return Result({"model": card, "proof": found.proof}, text)


def verify_export(options: VerifyExport) -> Result:
    """Compare a GGUF model with what it was made from: tokens, chat template, greedy answers, perplexity."""
    from rightsized.tasks.language_proofs import verify_export as prove

    store, _ = _opened(options)
    lines = options.prompts.read_text("utf-8").splitlines() if options.prompts else []
    card, found = prove(
        options.name,
        store=store,
        original=options.original,
        python=options.python,
        texts=[line for line in lines if line.strip()],
    )
    return _shown(card, found, f"{card.name} ({card.language_model.quantisation if card.language_model else ''})")


def sentence(proof: Proof) -> str:
    """A proof in words."""
    template = {True: "equal", False: "DIFFERENT", None: "none"}[proof.same_template]
    return (
        f"Beside {proof.against}: tokens {'equal' if proof.same_tokens else 'DIFFERENT'}, chat template {template}, "
        f"{proof.greedy_same} of {proof.greedy} greedy tokens equal, perplexity {proof.perplexity:.3f} against "
        f"{proof.reference:.3f} ({proof.change:+.2%}, {proof.tokens} tokens)."
    )


def _shown(card: Card, found: Comparison, start: str) -> Result:
    """An unpacked model must answer exactly alike; of a packed one only tokens and template must be equal."""
    proof, facts = found.proof, card.language_model
    exact = facts is not None and facts.quantisation == "F32"
    failed = not proof.same_tokens or proof.same_template is False or (exact and proof.greedy_same < proof.greedy)
    shown = found.differences[:MOST_SHOWN] if failed or exact else ()
    return Result(
        {"model": card, "proof": proof, "differences": found.differences},
        "\n".join([start, sentence(proof), *shown]),
        status=1 if failed else 0,
    )


def _installed(card: Card) -> str:
    facts = card.language_model
    kind = f"{facts.quantisation}, {facts.bits_per_weight:.2f} bits a weight, " if facts else ""
    return f"Installed {card.name} ({kind}{megabytes(card.size_bytes)}, {card.digest[:19]})."


def _opened(options: Common) -> tuple[ModelStore, Egress]:
    from rightsized.core.egress import Egress
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore

    settings = options.settings()
    return ModelStore(Home(settings.home)), Egress.at(settings.home, settings.egress.allow).watch()


@contextmanager
def _granted(egress: Egress, names: frozenset[str]) -> Iterator[None]:
    """The user asked for this very fetch."""
    with ExitStack() as stack:
        for name in sorted(names):
            stack.enter_context(egress.granted(name))
        yield
