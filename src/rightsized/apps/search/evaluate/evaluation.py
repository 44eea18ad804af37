"""`rightsized search eval`: a judged folder into a collection, questions through the search that serves, figures out.

With enough questions the ordering that a collection could learn from them is measured too, on questions held out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rightsized.apps.search.evaluate import beir
from rightsized.apps.search.evaluate.asking import CONFIGURATIONS, Asking, Bench, Configuration
from rightsized.apps.search.evaluate.bootstrap import Difference, Interval
from rightsized.apps.search.evaluate.collected import collect, texts_to_encode
from rightsized.apps.search.evaluate.measured import MAIN, groups_of
from rightsized.apps.search.rank.tuning import FEWEST, Tuned, tune_fusion
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.store.home import Home
from rightsized.tasks.embeddings import Embedder

if TYPE_CHECKING:
    from rightsized.engines.onnx import OnnxEncoder

NAME = "judged"


class Request(Frozen, frozen=True):
    """What to evaluate: a folder in BEIR layout, and how its questions are put. `split` as in `beir.read`.

    `compare`: measure the other configurations too. `learn`: measure what a learned ordering would bring.
    """

    folder: str
    filter_field: str = ""
    name_field: str = ""
    split: str = ""
    compare: bool = True
    learn: bool = False
    seed: int = 0


class Compared(Frozen, frozen=True):
    """Another configuration: its figures, and how far they are from those of the search as served."""

    metrics: dict[str, Interval]
    difference: Difference


class Evaluation(Frozen, frozen=True):
    """Figures of the search as served, in `metrics` (`ndcg@10`, `recall@10`, `recall@100`, `mrr`), and of others.

    `resampled` says what the intervals draw: questions, or whole documents with all that is asked of them. `learned` is
    cross-fitted: each question by an ordering that was fitted without it.
    """

    data: str
    rows: int
    questions: int
    unjudged: int
    resampled: str
    metrics: dict[str, Interval]
    compared: dict[str, Compared]
    learned: Tuned | None
    encoder: str


def run_eval(
    home: Home,
    encoder: OnnxEncoder,
    request: Request,
    *,
    configurations: Sequence[Configuration] = CONFIGURATIONS,
    progress: Progress = no_progress,
) -> Evaluation:
    """Evaluate. Vectors are kept in the home's cache, so that a second run embeds nothing.

    Args:
        home: whose cache is used; the collection itself stands in a temporary folder and is gone afterwards.
        encoder: embeds rows and questions.
        configurations: the first is the one that the others are compared with.
    Raises:
        DataError: the folder is not as it should be, or a question lacks a field that was named.
        MissingExtraError: the extra `search` is not installed.
    """
    judged = beir.read(Path(request.folder), split=request.split)
    asking = Asking(request.filter_field, request.name_field)
    groups = groups_of(judged, request.filter_field) if request.filter_field else ()
    cached = Embedder(home, encoder)
    cached.prepare([*texts_to_encode(judged), *(asking.text(one) for one in judged.questions)], progress)
    with tempfile.TemporaryDirectory(prefix="rightsized-eval-") as folder:
        collected = collect(Path(folder), NAME, judged, cached, progress)
        try:
            bench = Bench(judged, collected, cached, asking)
            chosen = configurations if request.compare else configurations[:1]
            outcomes = [bench.outcome(one, progress) for one in chosen]
            learned = None
            if request.learn and len(judged.questions) >= FEWEST:
                _, learned = tune_fusion(bench.view, bench.questions(), cached, seed=request.seed, progress=progress)
        finally:
            collected.collection.close()
    served = outcomes[0]
    others = {
        one.name: Compared(
            one.intervals(groups, seed=request.seed), one.gain_over(served, groups, seed=request.seed)[MAIN]
        )
        for one in outcomes[1:]
    }
    return Evaluation(
        data=judged.name,
        rows=len(judged.rows),
        questions=len(judged.questions),
        unjudged=judged.unjudged,
        resampled=f"documents ({len(set(groups))})" if groups else "questions",
        metrics=served.intervals(groups, seed=request.seed),
        compared=others,
        learned=learned,
        encoder=encoder.digest,
    )
