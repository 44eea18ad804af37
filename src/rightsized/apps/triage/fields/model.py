"""A model of tokens of one's own, kept in `fields/` of an inbox and opened with it. Fitting is in `fitting`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rightsized.apps.triage.fields.extract import TokenModel
from rightsized.apps.triage.fields.finding import Found
from rightsized.engines.token_fields import SETTINGS_FILE, open_token_fields

FOLDER = "fields"  # of an inbox


def open_model(folder: Path) -> TokenModel | None:
    """The model in the folder of an inbox; None where none was fitted. Raises IntegrityError."""
    if not (folder / FOLDER / SETTINGS_FILE).exists():
        return None
    model = open_token_fields(folder / FOLDER)

    def found(text: str) -> Sequence[Found]:
        marked = model.mark(text)
        return [Found(one.name, one.start, one.end, text[one.start : one.end], one.score, "model") for one in marked]

    return found
