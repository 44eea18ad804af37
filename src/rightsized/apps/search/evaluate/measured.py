"""Runs configurations over the judged questions and compares them question by question, with intervals.

A configuration is a name and a function from a question to row ids, best first. What it is made of is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rightsized.apps.search.evaluate.beir import Judged, Question
from rightsized.apps.search.evaluate.bootstrap import Difference, Interval, compare, interval
from rightsized.apps.search.evaluate.metrics import NAMES, measure
from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress

Ranking = Callable[[Question], Sequence[str]]
MAIN = NAMES[0]  # what configurations are compared by


class Outcome(Frozen, frozen=True):
    """What one configuration achieved: `values[metric]` holds a number a question, in the order of the questions."""

    name: str
    values: dict[str, tuple[float, ...]]

    def intervals(self, groups: Sequence[str] = (), *, seed: int = 0) -> dict[str, Interval]:
        """Each metric's mean over questions with its interval."""
        return {metric: interval(found, groups, seed=seed) for metric, found in self.values.items()}

    def gain_over(self, base: Outcome, groups: Sequence[str] = (), *, seed: int = 0) -> dict[str, Difference]:
        """Each metric's difference to another configuration on the same questions, with its interval."""
        return {metric: compare(base.values[metric], found, groups, seed=seed) for metric, found in self.values.items()}


def run(name: str, judged: Judged, rank: Ranking, progress: Progress = no_progress) -> Outcome:
    """Rank every question and measure. A row named twice counts where it stands first."""
    found = []
    for done, question in enumerate(judged.questions):
        progress(f"Asking: {name}", done, len(judged.questions))
        found.append(measure(list(dict.fromkeys(rank(question))), judged.grades[question.id]))
    progress(f"Asking: {name}", len(judged.questions), len(judged.questions))
    columns = zip(*found, strict=True)
    return Outcome(name, {metric: tuple(column) for metric, column in zip(NAMES, columns, strict=True)})


def groups_of(judged: Judged, field: str) -> tuple[str, ...]:
    """The value of a field of every question: those that share it are not independent.

    Raises:
        DataError: a question has no such field.
    """
    without = [question.id for question in judged.questions if not question.fields.get(field)]
    if without:
        raise DataError(
            f"{len(without)} questions of {judged.name} have no field {field!r}, such as {without[0]!r}.",
            fix=f"Fields of the first question: {', '.join(judged.questions[0].fields) or 'none'}.",
        )
    return tuple(question.fields[field] for question in judged.questions)
