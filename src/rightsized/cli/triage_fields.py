"""`rightsized triage fields`: a model of an inbox's own fields, and what is promised of each field."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.progress import progress_bars
from rightsized.cli.tables import aligned
from rightsized.cli.triage_fields_tested import (
    CertifyOptions,
    SampleOptions,
    ShowOptions,
    certify,
    sample,
    show,
)
from rightsized.cli.triage_opened import InboxOption

if TYPE_CHECKING:
    from rightsized.apps.triage.fields.fitting import Score

app = typer.Typer(name="fields", help="Fields of messages: fit, sample, certify, show.", no_args_is_help=True)


@dataclass(frozen=True, kw_only=True)
class FitOptions(Common):
    file: Annotated[Path, typer.Argument(help="Examples, a JSON object a line: text, spans with name, start, end.")]
    inbox: InboxOption = "inbox"
    encoder: Annotated[str, typer.Option(help="The installed encoder that reads the text.")] = "minilm"


def fit(options: FitOptions) -> Result:
    """Fit a model that marks fields, from a few hundred messages whose fields are marked.

    It is first fitted on four fifths of them and held against the rest: that is the figure shown. Then it is fitted on
    all, and used from the next message on.
    """
    from rightsized.apps.triage.fields.fitting import fit_model, held_out, read_examples
    from rightsized.apps.triage.inboxes import FOLDER
    from rightsized.apps.triage.settings import check_name
    from rightsized.core.errors import NotFoundError
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore

    if not options.file.is_file():
        raise NotFoundError(f"There is no file {options.file}.")
    home = Home(options.settings().home)
    folder = home.path / FOLDER / check_name(options.inbox)
    examples = read_examples(options.file)
    store = ModelStore(home)
    card, encoder = store.card(options.encoder), store.folder(options.encoder)
    with progress_bars(options.json) as progress:
        scores = held_out(examples, encoder, card, progress=progress)
        fit_model(examples, encoder, card, folder, progress=progress)
    data = {"inbox": options.inbox, "examples": len(examples), "folder": str(folder), "held_out": scores}
    return Result(data, _told(scores, len(examples)))


def _told(scores: list[Score], examples: int) -> str:
    header = ("field", "marked", "found", "right", "F1")
    rows = [(one.name, str(one.marked), str(one.found), str(one.right), f"{one.f1:.2f}") for one in scores]
    said = f"Fitted on {examples} examples. On a fifth of them, by a model that had not seen it:"
    return f"{said}\n{aligned(header, rows)}"


add(app, "fit", FitOptions, fit)
add(app, "sample", SampleOptions, sample)
add(app, "certify", CertifyOptions, certify)
add(app, "show", ShowOptions, show)
