"""A first model with no labelled message: labels' names and descriptions stand as its examples.

A text goes to the label whose words it is nearest to. Nothing is known of how often that is right, so nothing is
promised and, as a rule, nothing is answered: a person decides and starts from the suggestion. Each message labelled in
the queue, and each example given here, makes it better (the curve: docs/how-to/triage-learn.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rightsized.apps.triage.learning.candidate import Fit, given, note_described
from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Targets
from rightsized.store.home import Home
from rightsized.tasks.dataset import OUT_OF_SCOPE, Columns
from rightsized.tasks.records import FitReport
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.tables import as_text, read_rows
from rightsized.tasks.versions import TaskStore
from rightsized.tune.training import label_words

LABEL, DESCRIPTION, EXAMPLE = "label", "description", "example"


def start(home: Home, task: str, file: Path, fit: Fit, *, targets: Targets, encoder: str = "minilm") -> FitReport:
    """Fit a task from a table of labels: a column `label`, and where there are some `description` and `example`.

    A label may stand in several rows, one an example. Raises InputError where the task exists; DataError, NotFoundError
    where the table cannot be used.
    """
    if task in TaskStore(home).names():
        raise InputError(
            f"There is a task {task!r} already.",
            fix=f"Teach it: rightsized triage learn refit {task}. Or name another.",
        )
    texts, labels, words = rows_of(file)
    plan = FitPlan(
        home=str(home.path),
        task=task,
        rows=(texts, given([(label,) for label in labels], several=False)),
        columns=Columns(),
        targets=targets,
        encoder=encoder,
        described=tuple(range(1, words + 1)),
        train_only=True,
    )
    report = fit(plan)
    note_described(home, task, texts[:words])
    return report


def rows_of(file: Path) -> tuple[list[str], list[str], int]:
    """Texts and labels, each text once; how many of them, standing first, are names and descriptions of labels."""
    found: dict[str, str] = {}
    examples: dict[str, str] = {}
    for number, row in read_rows(file, (LABEL,), (DESCRIPTION, EXAMPLE)):
        label = as_text(row[LABEL])
        if label is None or label == OUT_OF_SCOPE:
            raise DataError(
                f"{file.name}, row {number}: the label is {row[LABEL]!r}.",
                fix=f"Give every label a name; {OUT_OF_SCOPE} is none: what fits no label needs no row.",
            )
        words = ((label_words(label), found), (_cell(row, DESCRIPTION), found), (_cell(row, EXAMPLE), examples))
        for text, kept in words:
            before = found.get(text) or examples.get(text)
            if before not in (None, label):
                raise DataError(
                    f"{file.name}, row {number}: {text!r:.60} stands for {before!r} and for {label!r}.",
                    fix="Describe each label in words of its own.",
                )
            if text and before is None:
                kept[text] = label
    return [*found, *examples], [*found.values(), *examples.values()], len(found)


def _cell(row: dict[str, Any], name: str) -> str:
    return (as_text(row.get(name)) or "").strip()
