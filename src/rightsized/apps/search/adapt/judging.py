"""Before and after on judged questions: the search as it is served, and the vectors alone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from rightsized.apps.search.adapt.records import Judgement
from rightsized.apps.search.evaluate.asking import DENSE, PLAIN
from rightsized.apps.search.evaluate.bootstrap import compare, interval
from rightsized.apps.search.evaluate.metrics import DEPTH, NAMES, measure
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.query.search import search
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.core.protocols import Encoder, Progress, no_progress

MAIN = NAMES[0]
SHOWN = NAMES[:2]  # nDCG@10 and R@10
FEWEST = 30  # questions of the half that decides


class Side(NamedTuple):
    """A collection with one encoder: its view, what questions are encoded by, and the ranking that serves."""

    view: View
    encoder: Encoder
    ranking: Ranking = Ranking()


class Figures(NamedTuple):
    """A number a question by metric, for the search as served and for meaning alone."""

    served: dict[str, list[float]]
    meaning: dict[str, list[float]]


def figures(side: Side, questions: Sequence[JudgedQuestion], progress: Progress = no_progress) -> Figures:
    """Ask every question of one side."""
    with asyncio.Runner() as runner:
        found = []
        for name, ranking in (("as served", side.ranking), ("meaning alone", DENSE.ranking)):
            rows = []
            for done, question in enumerate(questions):
                progress(f"Asking, {name}", done, len(questions))
                rows.append(runner.run(_ask(side, question, ranking)))
            progress(f"Asking, {name}", len(questions), len(questions))
            found.append({metric: [row[at] for row in rows] for at, metric in enumerate(NAMES)})
    return Figures(*found)


async def _ask(side: Side, question: JudgedQuestion, ranking: Ranking) -> tuple[float, ...]:
    results = await search(
        side.view,
        question.text,
        encoder=side.encoder,
        filters=question.filters,
        limit=DEPTH,
        settings=PLAIN,
        ranking=ranking,
    )
    ranked = list(dict.fromkeys(str(hit.found.row) for hit in results.hits))
    return measure(ranked, {str(row): 1 for row in question.relevant})


def judged(
    before: Figures, after: Figures, questions: Sequence[JudgedQuestion], some: Sequence[int], seed: int
) -> Judgement:
    """Both sides over some of the questions, with paired intervals; questions of one group are drawn together."""
    groups = [questions[at].group or f"\0{at}" for at in some]
    drawn = groups if any(questions[at].group for at in some) else ()
    tables = []
    for old, new in ((before.served, after.served), (before.meaning, after.meaning)):
        table = {}
        for metric in SHOWN:
            a, b = ([values[metric][at] for at in some] for values in (old, new))
            table[metric] = (
                interval(a, drawn, seed=seed),
                interval(b, drawn, seed=seed),
                compare(a, b, drawn, seed=seed),
            )
        tables.append(table)
    return Judgement(len(some), *tables)


def halves(questions: Sequence[JudgedQuestion], seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the questions of the half that may be looked at and of the half that decides, groups whole.

    Groups come in an order that the seed draws, each to the part with fewer questions.
    """
    groups: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        groups.setdefault(question.group or f"\0{question.text}", []).append(number)
    first: list[int] = []
    second: list[int] = []
    for name in sorted(groups, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "replace")).digest()):
        (first if len(first) < len(second) else second).extend(groups[name])
    return sorted(first), sorted(second)
