"""Labels that a judge gave: what may be said of them, and the rows that people checked.

With a judge's labels the promise is about disagreement with the judge. "Wrong" may be said only where people labelled
a random sample of the rows too. The tests are in `cascade`; this file says which rows they look at.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rightsized.cascade.plan import JudgePlan
from rightsized.cascade.scores import Scores, one_row_a_group
from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Frozen
from rightsized.tasks.dataset import Columns, Dataset, from_lists, read
from rightsized.tasks.evaluate import ScoredRows, right
from rightsized.tasks.records import Finding

JUDGE = "judge:"  # a label kind `judge:NAME`; its audits are labelled by a reviewer of that name
JUDGED = "judge "  # how a certificate names the kind
KINDS = {"human": "people", "exact": "exact match"}
CHECKED = ", checked by people"
SHARE = 0.5  # of the error budget for wrong answers that the judge let pass
_NAME = re.compile(r"[\w.:/@+-]+( [\w.:/@+-]+)*")  # no comma: the certificate's words must not be forged by a name
MAX_NAME = 80


class LabelRule(Frozen, frozen=True):
    """Who labelled the calibrate rows, and which rows people checked.

    Args:
        kind: `human`, `exact` (the right answer follows from the data), or `judge:NAME`.
        check: a file of rows with the label that people gave and the one the judge gave.
        check_rows: the same as lists: texts, people's labels, the judge's labels.
        column: the column with the judge's label.
        share: the part of the error budget left to wrong answers that the judge let pass, in (0, 1).
    """

    kind: str = "human"
    check: str | None = None
    check_rows: tuple[list[str], list[Any], list[Any]] | None = None
    column: str = "judge"
    share: float = SHARE

    @property
    def checked(self) -> bool:
        """Whether people checked the judge."""
        return self.check is not None or self.check_rows is not None


class Checked(msgspec.Struct):
    """Rows that both people and the judge labelled: `people` with people's labels, `judge` the judge's of each row."""

    people: Dataset
    judge: list[tuple[str, ...]]


def check_labels(rule: LabelRule) -> None:
    """Raises InputError where the kind of label is not known, or says what cannot be said."""
    name = rule.kind.removeprefix(JUDGE)
    if name == rule.kind and rule.kind not in KINDS:
        raise InputError(f"The label kind {rule.kind!r} is not known.", fix="Known: human, exact, judge:NAME.")
    if name != rule.kind and (not _NAME.fullmatch(name) or len(name) > MAX_NAME):
        raise InputError(
            f"The judge's name {name!r} cannot be printed on a certificate.",
            fix=f"Use up to {MAX_NAME} letters, digits, dots, dashes, colons, slashes and single spaces.",
        )
    if rule.checked and name == rule.kind:
        raise InputError(
            f"Rows to check a judge were given, but the labels are said to be {rule.kind}.",
            fix="Say whose labels they are: --label-kind judge:NAME",
        )
    if not 0 < rule.share < 1:
        raise InputError(f"The judge's share of the error budget, {rule.share:g}, must lie between 0 and 1.")


def kind_in_words(rule: LabelRule, passed: bool) -> str:
    """The kind as the certificate has it. That people checked a judge is said only where their test was passed, too."""
    if rule.kind in KINDS:
        return KINDS[rule.kind]
    return JUDGED + rule.kind.removeprefix(JUDGE) + (CHECKED if rule.checked and passed else "")


def judge_of(label_kind: str) -> str:
    """The reviewer whose labels an unchecked judge's promise is watched by, `judge:NAME`; empty where people's do."""
    if not label_kind.startswith(JUDGED) or label_kind.endswith(CHECKED):
        return ""
    return JUDGE + label_kind.removeprefix(JUDGED)


def read_checked(rule: LabelRule, columns: Columns) -> Checked:
    """Read the rows that people checked. Raises DataError, NotFoundError."""
    if rule.check_rows is not None:
        texts, said, judged = rule.check_rows
        people = from_lists(texts, said, columns, "the rows checked by people")
        judge = from_lists(texts, judged, columns, "the judge's labels")
    else:
        path = Path(str(rule.check))
        people, judge = read(path, columns), read(path, msgspec.structs.replace(columns, label=rule.column))
    by_row = dict(zip(judge.rows, judge.labels, strict=True))
    both = people.take([i for i, row in enumerate(people.rows) if row in by_row])
    if not len(both):
        raise DataError(f"{people.name} has no row that both people and the judge labelled.")
    return Checked(both, [by_row[row] for row in both.rows])


def finding_of(rule: LabelRule) -> list[Finding]:
    """What "wrong" means in the figures of a task whose labels are a judge's; empty where they are not."""
    if rule.kind in KINDS:
        return []
    name = JUDGED + rule.kind.removeprefix(JUDGE)
    return [
        Finding("judge", f"The labels are those of {name}: wherever figures say wrong, it means not as {name} says.")
    ]


def judge_plan(checked: Checked, scored: ScoredRows, epsilon: float, multi_label: bool, seed: int) -> JudgePlan:
    """The rows that people checked, of those where the judge agreed with some rung's answer.

    Args:
        scored: the checked rows, scored through the serving path; right by people's labels.
        epsilon: the part of the error budget for wrong answers that the judge let pass.
        seed: chooses one row a group, where rows have groups.
    """
    agreed = np.array(
        [
            [right(said, labels, multi_label) for said, labels in zip(rung, checked.judge, strict=True)]
            for rung in scored.predicted
        ],
        np.bool_,
    ).T
    groups = checked.people.groups
    names = [group or f"\0{row}" for group, row in zip(groups, checked.people.rows, strict=True)]
    rows = one_row_a_group(names, seed) if any(groups) else np.arange(len(groups))
    kept = rows[agreed[rows].any(axis=1)]
    return JudgePlan(epsilon, Scores(scored.score[kept], scored.correct[kept]), agreed[kept])
