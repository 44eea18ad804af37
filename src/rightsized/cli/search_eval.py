"""`rightsized search eval` and `search tune`: how good the search is on judged questions, and learning from them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_opened import opened
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.apps.search.evaluate.bootstrap import Difference, Interval
    from rightsized.apps.search.evaluate.evaluation import Evaluation
    from rightsized.apps.search.rank.tuning import Tuned

METRICS = ("ndcg@10", "recall@10", "recall@100", "mrr")
_PROBLEMS_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class EvalOptions(Common):
    beir: Annotated[Path, typer.Option(help="Folder with corpus.jsonl, queries.jsonl and qrels.tsv, plain or .gz.")]
    filter_field: Annotated[
        str, typer.Option(help="Field of the questions that names the document each is asked of, such as doc.")
    ] = ""
    name_field: Annotated[
        str, typer.Option(help="Field that is put before each question, as a person names what is meant.")
    ] = ""
    split: Annotated[str, typer.Option(help="Which judgements, where qrels/ holds several, such as test.")] = ""
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Measure words alone, meaning alone and plain fusion too.")
    ] = True
    learn: Annotated[bool, typer.Option("--learn", help="Measure what learning from these questions would bring.")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class TuneOptions(Common):
    collection: Annotated[str, typer.Argument(help="Name of the collection.")]
    judged: Annotated[Path, typer.Argument(help="Questions as JSON lines: text, document, answer.")]
    forget: Annotated[bool, typer.Option("--forget", help="Go back to the default order first.")] = False


def evaluate(options: EvalOptions) -> Result:
    """Measure the search on judged questions in BEIR layout: nDCG, recall and reciprocal rank with 95% intervals."""
    from rightsized.apps.search.evaluate.evaluation import Request, run_eval
    from rightsized.store.home import Home
    from rightsized.tasks.opened import Encoders

    config = options.settings()
    request = Request(
        str(options.beir), options.filter_field, options.name_field, options.split, options.compare, options.learn
    )
    encoders = Encoders(config)
    try:
        with progress_bars(options.json) as progress:
            encoder = encoders.get(config.search.encoder)
            found = run_eval(Home(config.home).ensure(), encoder, request, progress=progress)
    finally:
        encoders.close()
    plain = msgspec.to_builtins(found)
    return Result({**plain.pop("metrics"), **plain}, _told(found))


def tune(options: TuneOptions) -> Result:
    """Learn the order of results from judged questions. It is kept only if better on questions it was not shown."""
    from rightsized.apps.search.rank.judgements import read_judgements
    from rightsized.apps.search.rank.saved import forget_ordering, save_ordering
    from rightsized.apps.search.rank.tuning import tune_fusion

    with opened(options.settings()) as collections, progress_bars(options.json) as progress:
        collection = collections.open(options.collection)
        if options.forget:
            forget_ordering(collection.folder)
        view = collection.view(collection.all_principals())
        read = read_judgements(options.judged, view)
        ordering, report = tune_fusion(view, read.questions, collection.encoder, progress=progress)
        if report.kept:
            digest = collection.encoder.digest
            save_ordering(collection.folder, ordering, report, encoder=digest, created=time.time())
    data = {"collection": options.collection, "problems": read.problems, **msgspec.to_builtins(report)}
    return Result(data, "\n".join([_learned(report), *read.problems[:_PROBLEMS_SHOWN]]))


def _told(found: Evaluation) -> str:
    heads = ["", *METRICS, "nDCG@10 beside the search as served"]
    rows = [["as served", *(_interval(found.metrics[name]) for name in METRICS), ""]]
    for name, other in found.compared.items():
        rows.append([name, *(_interval(other.metrics[one]) for one in METRICS), _difference(other.difference)])
    lines = [
        f"{found.data}: {found.questions:,} judged questions, {found.rows:,} passages; 95% intervals over "
        f"{found.resampled}.",
        aligned(heads, rows),
    ]
    if found.unjudged:
        lines.append(f"{found.unjudged:,} questions have nothing relevant and are left out.")
    if found.learned is not None:
        lines.append(_learned(found.learned))
    return "\n".join(lines)


def _learned(report: Tuned) -> str:
    verdict = "worth keeping" if report.kept else "not proven better, and not kept"
    return (
        f"Order learned from {report.questions:,} questions, each ordered without itself: nDCG@10 "
        f"{_interval(report.after)} where it was {_interval(report.before)}; {_difference(report.gain)}: {verdict}."
    )


def _interval(one: Interval) -> str:
    return f"{one.mean:.3f} ({one.low:.3f}-{one.high:.3f})"


def _difference(one: Difference) -> str:
    return f"{one.mean:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
