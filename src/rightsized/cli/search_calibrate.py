"""`rightsized search calibrate`: how far answers of a collection can be relied on, by a test on judged questions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from rightsized.cli.commands import Common, Result
from rightsized.cli.progress import progress_bars
from rightsized.cli.search_opened import asking, writing
from rightsized.core.types import Promise, Targets

if TYPE_CHECKING:
    from rightsized.apps.search.answer.calibrating import Calibrated
    from rightsized.core.protocols import Progress

_PROBLEMS_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions(Common):
    collection: Annotated[str, typer.Argument(help="Name of the collection.")]
    data: Annotated[Path, typer.Option(help="Judged questions, drawn at random of those asked, as JSON lines.")]
    max_error: Annotated[float, typer.Option(help="Error budget, such as 0.1: at most so many wrong.")] = 0.1
    confidence: Annotated[float, typer.Option(help="1 less the chance of wrongly certifying.")] = 0.95
    promise: Annotated[
        Promise, typer.Option(help="selective_error: of answers given; wrong_local_rate: of all questions.")
    ] = "selective_error"
    method: Annotated[
        Literal["extract", "write"], typer.Option(help="Sentences of the documents, or of a model that cites them.")
    ] = "extract"
    as_: Annotated[
        list[str] | None,
        typer.Option("--as", help="As whom questions are asked that name nobody. Default: as one who sees everything."),
    ] = None
    sampling: Annotated[str, typer.Option(help="How the questions were drawn, for the certificate.")] = ""
    seed: Annotated[int, typer.Option(help="Decides which questions train and which calibrate.")] = 0


def calibrate(options: CalibrateOptions) -> Result:
    """Certify the answers of a collection: how many are wrong at most, above a threshold found on judged questions."""
    with progress_bars(options.json) as progress:
        found, problems = asyncio.run(_calibrated(options, progress))
    data = {"collection": options.collection, "problems": problems, **msgspec.to_builtins(found)}
    return Result(data, _told(found, problems))


async def _calibrated(options: CalibrateOptions, progress: Progress) -> tuple[Calibrated, tuple[str, ...]]:
    from rightsized.apps.search.answer import promises, questions
    from rightsized.apps.search.answer.calibrating import AnswerPlan, Bench, calibrate_answers
    from rightsized.apps.search.answer.ways import WAYS
    from rightsized.core.principals import checked
    from rightsized.tasks.writing import NOBODY

    targets = Targets(options.max_error, options.confidence, options.promise)
    opened = writing if options.method == "write" else asking
    async with opened(options.settings()) as service:
        collection = service.collection(options.collection)
        everyone = collection.all_principals()
        read = questions.read(options.data, collection.view(everyone))
        way = WAYS[options.method](lambda: service.writers(options.collection, NOBODY))
        asker = checked(options.as_) if options.as_ else everyone
        plan = AnswerPlan(options.method, targets, asker, options.sampling, options.seed)
        bench = Bench(collection, service.ranking(options.collection, NOBODY), way)
        found = await calibrate_answers(bench, read.questions, plan, progress)
        promises.save(collection.folder, options.method, found.kept)
    return found, read.problems


def _standing(found: Calibrated) -> str:
    """The certificate's sentence where it promises something; else that answers go on without a promise."""
    certificate = found.kept.certificate
    if certificate.state == "certified":
        return certificate.sentence
    budget = f"{100 * certificate.epsilon:.10g}%"
    told = (
        certificate.sentence if certificate.state == "estimated" else f"No threshold keeps the error within {budget}."
    )
    return f"No certificate: answers are given as before, uncertified. {told}"


def _told(found: Calibrated, problems: tuple[str, ...]) -> str:
    lines = [_standing(found), "", *found.findings]
    if found.learned:
        lines.append("What tells right from wrong was learned from the train questions.")
    lines += problems[:_PROBLEMS_SHOWN]
    if len(problems) > _PROBLEMS_SHOWN:
        lines.append(f"... and {len(problems) - _PROBLEMS_SHOWN:,} more; --json gives all.")
    return "\n".join(lines)
