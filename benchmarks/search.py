"""Figure 1 of document search: how good the ranking is, beside other search libraries with the same encoder.

The product's own path is measured: a collection on disk, a view, `search`. The weights of its default order were fitted
on the four sets; here each half of a set is asked with those fitted on its other half and the three other sets, and the
shipped ones stand beside them, marked. Halves are parted by document, or by question where there is none.
The learned order is cross-fitted: no question is ordered by anything that was fitted on it or on its document.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from benchmarks import harness, models
from benchmarks.search_peers import DEPTH, PEERS, PeerUnavailable, ranked, reciprocal, write_rows
from rightsized.apps.search.evaluate import beir
from rightsized.apps.search.evaluate.asking import DENSE, FUSED, LEXICAL, Asking, Bench, Configuration
from rightsized.apps.search.evaluate.bootstrap import compare
from rightsized.apps.search.evaluate.collected import Collected, collect, texts_to_encode
from rightsized.apps.search.evaluate.measured import MAIN, Outcome, run
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.rank.ordering import Ordering
from rightsized.apps.search.rank.tuning import tune_fusion
from rightsized.tasks.embeddings import Embedder

SEED = 7
OURS, SHIPPED = "rightsized", "rightsized, shipped weights (fitted on all of these sets)"
MINILM, RRF = "MiniLM alone", "RRF of bm25s and MiniLM"
SLOW = {"haystack": 100}  # questions for a peer that takes most of a second for each, where there are MANY_ROWS
MANY_ROWS = 5_000
NAMED = ("lexical", "dense", "long_echo", "long_run", "long_coverage", "feedback")
# Weights of the default order for each half of a set, fitted on the other half and the three other sets.
HALVES = {
    "cranfield": ((1.29, 0.62, 0.5, 0.41, 2.31, 2.33), (1.66, 0.36, 0.47, 0.19, 1.8, 2.6)),
    "policyqa": ((1.49, 0.53, 0.49, 0.27, 2.02, 2.44), (1.49, 0.41, 0.48, 0.31, 2.06, 2.52)),
    "cuad": ((1.44, 0.57, 0.5, 0.3, 2.03, 2.37), (1.54, 0.39, 0.47, 0.27, 2.04, 2.58)),
    "obliqa": ((1.51, 0.47, 0.52, 0.26, 2.09, 2.41), (1.47, 0.51, 0.44, 0.32, 1.99, 2.53)),
}


# The same fitted on the three other sets alone: what learning starts from, and is compared with.
OTHERS = {
    "cranfield": (1.77, 1.85, 0.59, 0.47, 3.07, 0.97),
    "policyqa": (1.84, 0.08, 0.4, 0.23, 1.75, 3.16),
    "cuad": (0.99, -0.22, 0.88, 0.38, 1.69, 3.12),
    "obliqa": (1.45, 0.51, 0.05, 0.06, 1.44, 2.41),
}


@dataclass(frozen=True)
class Task:
    """A set and how its questions are put."""

    name: str
    data: str
    asking: Asking
    group: str = ""  # field of the questions whose values are drawn whole in intervals
    named: bool = False  # the document is named in the question, and nothing is filtered

    def groups(self, judged: beir.Judged) -> tuple[str, ...]:
        return tuple(one.fields[self.group] for one in judged.questions) if self.group else ()


TASKS = (
    Task("cranfield", "cranfield", Asking()),
    Task("policyqa, one policy", "policyqa", Asking("doc"), "doc"),
    Task("cuad, one contract", "cuad", Asking("doc"), "doc"),
    Task("cuad, all contracts, the contract named", "cuad", Asking("", "contract"), "doc", named=True),
    Task("obliqa", "obliqa", Asking()),
)


def main() -> int:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--questions", type=int, default=0, help="at most so many a set, drawn at random (0 = all)")
        parser.add_argument("--no-peers", action="store_true", help="ours alone")
        parser.add_argument("--only", default="", help="sets whose name begins so")

    given = harness.options("search", __doc__ or "", configure)
    most = given.extra.questions or (60 if given.quick else 0)
    encoder = models.encoder(sessions=1)
    cached = Embedder(models.home(), encoder)
    result: dict[str, Any] = {
        "encoder": encoder.digest,
        "packages": harness.versions(("tantivy", "usearch")),
        "depth": DEPTH,
        "metrics": "trec_eval's, 95% BCa bootstrap intervals; documents are drawn whole where questions belong to one",
        "sets": {},
    }
    for task in TASKS:
        if task.name.startswith(given.extra.only):
            harness.note(task.name)
            result["sets"][task.name] = measured(task, given.data, cached, most, peers=not given.extra.no_peers)
    return harness.finish(given, result, _lines(result))


def measured(task: Task, data: Path, cached: Embedder, most: int, *, peers: bool) -> dict[str, Any]:
    """All figures of one set."""
    judged = _sample(beir.read(data / "search" / task.data), most)
    asked = [task.asking.text(one) for one in judged.questions]
    cached.prepare([*texts_to_encode(judged), *asked])
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        collected = collect(Path(folder), "judged", judged, cached)
        bench = Bench(judged, collected, cached, task.asking)
        outcomes.append(_by_halves(task, judged, collected, cached))
        outcomes += [bench.outcome(configuration) for configuration in CONFIGURATIONS]
        learned = None
        if not task.named:
            prior = dict(zip(NAMED, OTHERS[task.data], strict=True))
            _, report = tune_fusion(bench.view, bench.questions(), cached, prior=prior, seed=SEED)
            learned = {k: v for k, v in msgspec.to_builtins(report).items() if k not in ("weights", "digest")}
        collected.collection.close()
    missing: list[dict[str, Any]] = []
    if peers:
        found, missing = _peers(task, judged, asked, cached)
        outcomes += found
    return _summary(task, judged, outcomes) | {"learned_cross_fitted": learned, "unavailable": missing}


CONFIGURATIONS = (
    Configuration(SHIPPED),
    FUSED._replace(name="rightsized, min-max fusion alone"),
    LEXICAL._replace(name="rightsized, words alone"),
    DENSE._replace(name="rightsized, meaning alone"),
)


def _by_halves(task: Task, judged: beir.Judged, collected: Collected, cached: Embedder) -> Outcome:
    """The search as served, each half with weights that were not fitted on it."""
    values: dict[str, dict[str, float]] = {}
    for half, weights in enumerate(HALVES[task.data]):
        some = tuple(one for one in judged.questions if _half(task, one) == half)
        if not some:
            continue
        harness.note(f"  half {half}: {len(some)} questions")
        ranking = Ranking(ordering=Ordering(dict(zip(NAMED, weights, strict=True))))
        bench = Bench(replace(judged, questions=some), collected, cached, task.asking)
        found = bench.outcome(Configuration(OURS, ranking)).values
        for metric, column in found.items():
            places = (one.id for one in some)
            values.setdefault(metric, {}).update(zip(places, column, strict=True))
    ordered = [one.id for one in judged.questions]
    return Outcome(OURS, {metric: tuple(by_id[one] for one in ordered) for metric, by_id in values.items()})


def _half(task: Task, question: beir.Question) -> int:
    group = question.fields[task.group] if task.group else question.id
    return hashlib.sha256(group.encode()).digest()[0] % 2


def _sample(judged: beir.Judged, most: int) -> beir.Judged:
    if not most or most >= len(judged.questions):
        return judged
    drawn = random.Random(SEED).sample(range(len(judged.questions)), most)
    return replace(judged, questions=tuple(judged.questions[i] for i in drawn))  # in the order drawn


def _peers(
    task: Task, judged: beir.Judged, asked: Sequence[str], cached: Embedder
) -> tuple[list[Outcome], list[dict[str, Any]]]:
    """What each peer achieves; filters are given to them, scoping is not: they have none."""
    vectors = cached.vectors([row.text for row in judged.rows]), cached.vectors(asked)
    field = task.asking.filter_field
    wanted = [one.fields[field] if field else "" for one in judged.questions]
    lists: dict[str, list[list[str]]] = {MINILM: _by_cosine(judged, wanted, vectors)}
    missing = []
    with tempfile.TemporaryDirectory() as folder:
        for name, made in PEERS.items():
            peer = made()
            many = not field and len(judged.rows) > MANY_ROWS
            few = SLOW.get(name, len(asked)) if many else len(asked)
            write_rows(Path(folder), judged, asked[:few], wanted[:few], (vectors[0], vectors[1][:few]))
            harness.note(f"  {name}")
            try:
                lists[name], cost = ranked(peer, Path(folder))
                harness.note(f"    {cost}")
            except PeerUnavailable as reason:
                missing.append(peer.unavailable(reason))
    if "bm25s" in lists:
        lists[RRF] = reciprocal(lists["bm25s"], lists[MINILM])
    ids = [question.id for question in judged.questions]
    outcomes = []
    for name, found in lists.items():
        some = replace(judged, questions=judged.questions[: len(found)])
        by_question = dict(zip(ids, found, strict=False))  # some peers are asked the first questions alone
        outcomes.append(run(name, some, partial(_looked_up, by_question)))
    return outcomes, missing


def _looked_up(ranked_rows: dict[str, list[str]], question: beir.Question) -> list[str]:
    return ranked_rows[question.id]


def _by_cosine(judged: beir.Judged, wanted: Sequence[str], vectors: tuple[Any, Any]) -> list[list[str]]:
    documents = np.array([row.document for row in judged.rows], dtype=object)
    found = []
    for vector, document in zip(vectors[1], wanted, strict=True):
        scores = vectors[0] @ vector
        if document:
            scores = np.where(documents == document, scores, -2.0)
        best = np.argsort(-scores, kind="stable")[:DEPTH]
        found.append([judged.rows[i].id for i in best if scores[i] > -2.0])
    return found


def _summary(task: Task, judged: beir.Judged, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    groups = task.groups(judged)
    ours = outcomes[0]
    table = {}
    for one in outcomes:
        asked = len(one.values[MAIN])
        drawn = groups[:asked]
        row: dict[str, Any] = {k: msgspec.to_builtins(v) for k, v in one.intervals(drawn, seed=SEED).items()}
        if one is not ours:
            gain = compare(one.values[MAIN], ours.values[MAIN][:asked], drawn, seed=SEED)
            row["ours_minus_this"] = msgspec.to_builtins(gain)
        table[one.name] = row
    resampled = f"documents ({len(set(groups))})" if groups else "questions"
    return {
        "rows": len(judged.rows),
        "questions": len(judged.questions),
        "resampled": resampled,
        "configurations": table,
    }


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for name, one in result["sets"].items():
        lines.append(f"{name}: {one['questions']} questions, {one['rows']} passages, over {one['resampled']}")
        for label, row in one["configurations"].items():
            cells = "  ".join(f"{row[m]['mean']:.3f} ({row[m]['low']:.3f}-{row[m]['high']:.3f})" for m in _METRICS)
            lines.append(f"  {label:52} {cells}")
        if one["learned_cross_fitted"]:
            after = one["learned_cross_fitted"]["after"]
            lines.append(f"  {'learned, cross-fitted':52} {after['mean']:.3f} ({after['low']:.3f}-{after['high']:.3f})")
        lines += [f"  {peer['peer']} did not run: {peer['unavailable'][:200]}" for peer in one["unavailable"]]
    return lines


_METRICS = ("ndcg@10", "recall@10", "recall@100", "mrr")

if __name__ == "__main__":
    sys.exit(main())
