"""Routing tables: prompts with the scores of a weak and a strong model, read from a file and checked.

Scores are brought to [0, 1] over both columns together; that changes no figure about the gap recovered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import DataError
from rightsized.tasks.tables import as_text, read_rows
from rightsized.tune.duplicates import normalise

Floats = NDArray[np.float64]
FEWEST = 50  # rows; five folds of fewer say nothing


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a routing table."""

    prompt: str
    weak: str
    strong: str
    weak_answer: str | None = None
    domain: str | None = None

    def wanted(self) -> tuple[str, ...]:
        """Every column named."""
        return tuple(name for name in (self.prompt, self.weak, self.strong, self.weak_answer, self.domain) if name)


@dataclass(frozen=True, eq=False)
class Table:
    """Prompts, the weak model's answers (empty where not given), and both scores, float64 (n,) in [0, 1].

    `binary`: all scores are 0 or 1. `low` and `high` are the raw scores that became 0 and 1.
    """

    name: str
    prompts: list[str]
    answers: list[str]
    weak: Floats
    strong: Floats
    domains: list[str]
    low: float = 0.0
    high: float = 1.0
    together: tuple[str, ...] = ()

    @property
    def binary(self) -> bool:
        """Right or wrong, and nothing between."""
        return bool(np.isin(self.weak, (0, 1)).all() and np.isin(self.strong, (0, 1)).all())

    @property
    def groups(self) -> list[str]:
        """One id a row: rows that belong `together`, or repeat a prompt, stay in one fold."""
        if self.together:
            return list(self.together)
        return [normalise(prompt) or prompt for prompt in self.prompts]


def read(path: Path, columns: Columns) -> Table:
    """Read a table. Raises DataError naming the column, the row and the value that cannot be used."""
    prompts, answers, domains = [], [], []
    scores: list[tuple[float, float]] = []
    for number, row in read_rows(path, columns.wanted()):
        prompt = as_text(row[columns.prompt])
        if prompt is None:
            raise DataError(f"{path.name}, row {number}: {columns.prompt!r} is empty.", fix="Each row needs a prompt.")
        prompts.append(prompt)
        scores.append(
            (
                _score(path, number, columns.weak, row[columns.weak]),
                _score(path, number, columns.strong, row[columns.strong]),
            )
        )
        answers.append((as_text(row[columns.weak_answer]) or "") if columns.weak_answer else "")
        domains.append((as_text(row[columns.domain]) or "") if columns.domain else "")
    return table(path.name, prompts, np.array(scores, np.float64).reshape(-1, 2), answers, domains)


def turns(path: Path) -> Table:
    """RouteLLM's MT-Bench scores: the second turn is asked after the first, and both stay in one fold."""
    names = ("question_id", "turn", "category", "turn1", "turn2", "mixtral_8x7b_score", "gpt4_1106_score")
    rows = [row for _, row in read_rows(path, names)]
    prompts = [row["turn1"] if row["turn"] == "1" else f"{row['turn1']}\n\n{row['turn2']}" for row in rows]
    scores = np.array([[float(row["mixtral_8x7b_score"]), float(row["gpt4_1106_score"])] for row in rows])
    made = table(path.name, prompts, scores, (), [row["category"] for row in rows])
    return replace(made, together=tuple(row["question_id"] for row in rows))


def table(
    name: str, prompts: list[str], scores: Floats, answers: Sequence[str] = (), domains: Sequence[str] = ()
) -> Table:
    """A checked table from scores (n, 2) of weak and strong. Raises DataError where there is nothing to route."""
    if len(prompts) < FEWEST:
        raise DataError(f"{name} has {len(prompts)} rows; at least {FEWEST} are needed for five folds.")
    low, high = min(0.0, float(scores.min())), max(1.0, float(scores.max()))
    scaled = (scores - low) / (high - low)
    weak, strong = scaled[:, 0], scaled[:, 1]
    if strong.mean() <= weak.mean():
        raise DataError(
            f"{name}: the strong column's mean, {strong.mean():.4f}, is not above the weak column's, {weak.mean():.4f}:"
            " there is no gap to recover.",
            fix="Swap --weak and --strong, or choose other models.",
        )
    blank = [""] * len(prompts)
    return Table(name, prompts, list(answers) or blank, weak, strong, list(domains) or blank, low, high)


def _score(path: Path, number: int, column: str, value: object) -> float:
    text = as_text(value)
    word = (text or "").strip().lower()
    try:
        score = {"true": 1.0, "false": 0.0}[word] if word in ("true", "false") else float(word)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise DataError(
            f"{path.name}, row {number}: {column!r} is {text!r}, not a number.",
            fix="Weak and strong columns hold 0 and 1, true and false, or scores.",
        )
    return score
