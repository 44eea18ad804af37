"""From judged questions to a signed certificate of answers: splits, asks as it is served, calibrates, signs.

The statistics are those of `cascade`; this file says what they are applied to. One rung answers, extracts or a model;
after it stands the asker, who reads for themselves. Wrong is an answer that cites nothing judged to answer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized import __version__
from rightsized.apps.search.answer import fitting
from rightsized.apps.search.answer.answering import EVERYTHING, Bar
from rightsized.apps.search.answer.choosing import DEFAULT, SIGNALS, Floats, Weights
from rightsized.apps.search.answer.promises import Kept, digests_of, home_of, task_of
from rightsized.apps.search.answer.questions import JudgedQuestion, is_right
from rightsized.apps.search.answer.records import Answer, Method
from rightsized.apps.search.answer.ways import Way
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.query.results import Ranking, Settings
from rightsized.cascade.attempts import count_attempt, number_of, share_of_delta
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.certificate import CertificateFacts, make_certificate
from rightsized.cascade.estimates import can_certify
from rightsized.cascade.plan import Calibration, Plan
from rightsized.cascade.scores import Scores
from rightsized.cascade.seen import begin_record, note_rows
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Targets
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.outlived import OUTLIVED, outlived
from rightsized.tasks.split import fewest, split_rows
from rightsized.tune.duplicates import straddling

COSTS = (0.0, 1.0)  # an answer, and the asker who reads: the second is what is saved
LIMIT = 10  # hits that come with an answer, as served
EVERY = Bar(least=0.0)  # answers whatever the evidence: the threshold is what is looked for
SETTINGS = Settings()
OUTCOMES = 2  # right and wrong: what the split asks rows to train for
OUTSIDE = "with no answer in the documents"


class AnswerPlan(Frozen, frozen=True):
    """What is asked for. `principals`: as whom questions are asked that do not say. `sampling`: how they were drawn."""

    method: Method = "extract"
    targets: Targets = Targets(max_error=0.1)
    principals: tuple[str, ...] = ()
    sampling: str = ""
    seed: int = 0


class Calibrated(Frozen, frozen=True):
    """The certificate with the weights that it is about, and in sentences what was found on the way.

    `learned`: the weights were fitted on train questions of this collection. `train` and `calibrate` count questions.
    """

    kept: Kept
    findings: tuple[str, ...]
    learned: bool
    train: int
    calibrate: int


@dataclass(frozen=True)
class Bench:
    """A collection and the way its questions are answered."""

    collection: Collection
    ranking: Ranking
    way: Way

    async def ask(self, question: JudgedQuestion, plan: AnswerPlan) -> Answer:
        """The answer as it is served, whatever its probability."""
        view = self.collection.view(question.principals or plan.principals)
        return await self.way.ask(
            view,
            question.text,
            encoder=self.collection.encoder,
            filters=EVERYTHING,
            limit=LIMIT,
            settings=SETTINGS,
            ranking=self.ranking,
            bar=EVERY,
        )


@dataclass(frozen=True, eq=False)
class Asked:
    """Answers to questions: signals float64 (n, len(SIGNALS)), NaN where nothing may be shown; right bool (n,)."""

    signals: Floats
    right: NDArray[np.bool_]

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.signals).all(axis=1), np.bool_)

    def scores(self, likely: Floats) -> Scores:
        """As calibration takes them. `likely`: the probability of each answer that may be shown."""
        column = np.full(len(self.right), np.nan)
        column[self.known] = likely
        return Scores(column[:, None], self.right[:, None])


async def calibrate_answers(
    bench: Bench, questions: Sequence[JudgedQuestion], plan: AnswerPlan, progress: Progress = no_progress
) -> Calibrated:
    """Calibrate and sign. Nothing is kept here: `promises.save` does.

    Args:
        questions: a simple random sample of those that are asked.
    Raises:
        DataError: there are too few to choose anything.
    """
    home = home_of(bench.collection).path
    begin_record(home)
    note_rows(home, map(_text_digest, questions))
    split = split_rows([""] * len(questions), OUTCOMES, plan.targets.max_error, 1 - plan.targets.confidence, plan.seed)
    held = [questions[at] for at in (*split.calibrate, *split.report)]
    train = [questions[at] for at in split.train]
    near = {pair.first for pair in straddling([one.text for one in train], [one.text for one in held])}
    train = [one for at, one in enumerate(train) if at not in near]
    findings = [split.note]
    if near:
        findings.append(f"{len(near)} train questions nearly repeat calibrate questions and were left out.")
    asked = await answers(bench, train, plan, "Asking train questions", progress)
    weights, likely = learn(asked, plan.seed)
    selection = asked.scores(likely)
    digests = digests_of(bench.collection, bench.ranking, weights, plan.method, bench.way.identity)
    found = await _tested(bench, held, plan, (weights, selection, digests), findings, progress)
    certificate = make_certificate(
        found, _facts(bench, plan, (held or train), digests), home_of(bench.collection).secret(SIGNING_SECRET)
    )
    return Calibrated(Kept(certificate, weights), tuple(findings), weights != DEFAULT, len(train), len(held))


async def answers(
    bench: Bench, questions: Sequence[JudgedQuestion], plan: AnswerPlan, doing: str, progress: Progress
) -> Asked:
    """Ask every question; nothing is dropped on account of its answer."""
    signals = np.full((len(questions), len(SIGNALS)), np.nan)
    right = np.zeros(len(questions), np.bool_)
    for at, question in enumerate(questions):
        progress(doing, at, len(questions))
        found = await bench.ask(question, plan)
        if found.status == "answered":
            signals[at], right[at] = found.signals, is_right(question, found)
    progress(doing, len(questions), len(questions))
    return Asked(signals, right)


def learn(asked: Asked, seed: int) -> tuple[Weights, Floats]:
    """Weights for these questions, and the probability of each answer by weights fitted without it.

    The collection's own, where there are enough answers to fit on and they foretell better out of fold; else the
    default ones, which saw none of these questions.
    """
    rows, right = asked.signals[asked.known], asked.right[asked.known]
    default = fitting.probabilities(rows, DEFAULT)
    if not fitting.enough(right):
        return DEFAULT, default
    own = fitting.out_of_fold(rows, right, seed)
    return (fitting.fit(rows, right), own) if _loss(own, right) < _loss(default, right) else (DEFAULT, default)


def _loss(likely: Floats, right: NDArray[np.bool_]) -> float:
    chosen = np.clip(np.where(right, likely, 1 - likely), 1e-6, 1)
    return float(-np.log(chosen).mean())


async def _tested(
    bench: Bench,
    held: Sequence[JudgedQuestion],
    plan: AnswerPlan,
    chosen: tuple[Weights, Scores, dict[str, str]],
    findings: list[str],
    progress: Progress,
) -> Calibration:
    """The test on calibrate questions; they are not looked at where they could prove nothing."""
    weights, selection, digests = chosen
    home, rows = home_of(bench.collection).path, [one.digest for one in held]
    trial = _trial(plan, selection, digests)
    attempt = number_of(home, rows, trial) if held else 1
    hopeless = _hopeless(plan, attempt, selection, len(held)) if held else ""
    if not held or hopeless or _outlived(bench, plan, held, findings):
        findings += [hopeless] if hopeless else []
        return calibrate(_plan(plan, attempt), selection)
    asked = await answers(bench, held, plan, "Asking calibrate questions", progress)
    attempt = count_attempt(home, task=task_of(bench.collection.name, plan.method), rows=rows, trial=trial)
    rows_scored = asked.scores(fitting.probabilities(asked.signals[asked.known], weights))
    return calibrate(_plan(plan, attempt), selection, rows_scored)


def _outlived(bench: Bench, plan: AnswerPlan, held: Sequence[JudgedQuestion], findings: list[str]) -> bool:
    """Whether an alarm has sounded since these questions were first used: then only fresh ones can certify again."""
    rows = [(one.digest, _text_digest(one)) for one in held]
    found = outlived(home_of(bench.collection), task_of(bench.collection.name, plan.method), [rows])
    findings += [one.message for one in found]
    return any(one.kind == OUTLIVED for one in found)


def _text_digest(question: JudgedQuestion) -> str:
    return hashlib.sha256(question.text.encode()).hexdigest()


def _plan(plan: AnswerPlan, attempt: int) -> Plan:
    targets = plan.targets
    return Plan(
        promise=targets.promise,
        epsilon=targets.max_error,
        delta=1 - targets.confidence,
        costs=COSTS,
        attempt=attempt,
        seed=plan.seed,
    )


def _hopeless(plan: AnswerPlan, attempt: int, selection: Scores, n: int) -> str:
    """Why so many questions could certify nothing, by their number and train questions alone; empty where they may."""
    least = fewest(plan.targets.max_error, (1 - plan.targets.confidence) * share_of_delta(attempt))
    if n >= least and can_certify(_plan(plan, attempt), selection, n):
        return ""
    words = (
        f"at least {least:,} are needed even if every answer is right"
        if n < least
        else "by simulation on train questions, no test on so many would certify anything"
    )
    return f"The {n:,} calibrate questions were not looked at: {words} (attempt {attempt}). No attempt was spent."


def _trial(plan: AnswerPlan, selection: Scores, digests: dict[str, str]) -> str:
    """What makes an attempt a new one: all that can change its outcome."""
    chosen = hashlib.sha256(selection.scores.tobytes() + selection.correct.tobytes()).hexdigest()
    body = (digests, plan.method, plan.targets, plan.seed, plan.principals, chosen, __version__)
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def _facts(
    bench: Bench, plan: AnswerPlan, tested: Sequence[JudgedQuestion], digests: dict[str, str]
) -> CertificateFacts:
    documents, _ = bench.collection.counts()
    return CertificateFacts(
        task=task_of(bench.collection.name, plan.method),
        rungs=(plan.method, "person"),
        sampling=plan.sampling or "of the file given, taken to be a random sample of those asked",
        digests=digests,
        created=time.time(),
        code_version=__version__,
        label_kind="people",
        out_of_scope_rows=sum(not one.answerable for one in tested),
        unit="questions",
        row="question",
        outside=OUTSIDE,
        rests_on=(
            f"the {documents:,} documents staying as they were: wrong is an answer of which no citation is judged to"
            " answer the question"
        ),
    )
