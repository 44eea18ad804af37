"""The learning curve of a task on its own labels: how right it is with a part of them, and what more would bring.

A fifth of the messages is held back at a time; models learn from a growing part of the others, with the choices of the
running version, and are judged on the fifth. Words about labels always train. Figures are cross-fitted, of labels that
people or the model may have picked: they guide labelling and promise nothing. Runs in a child process.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.learning.candidate import described
from rightsized.apps.triage.learning.extrapolate import reach
from rightsized.apps.triage.learning.labels import Learnt, learn_from, split_label
from rightsized.apps.triage.learning.records import Curve, CurvePoint
from rightsized.cascade import bounds, estimates
from rightsized.cascade.scores import Scores
from rightsized.cascade.selection import Test
from rightsized.core.config import EngineConfig
from rightsized.core.errors import InputError, RightsizedError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Targets, Task
from rightsized.explain.neighbours import open_examples
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.embeddings import Embedder
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.versions import TaskStore
from rightsized.tune.combine import combined, fit_scales
from rightsized.tune.crossfit import Bench, Choices, RawScores
from rightsized.tune.ngrams import suited
from rightsized.tune.previous import Previous
from rightsized.tune.training import FitOptions, Numbered, TrainingData, assign_folds, label_words, number

FOLDS, HELD = 5, 3  # three fifths of the messages are judged, each once
MOST_ROWS = 3_000  # messages of a fold that are judged
SMALLEST, STEPS, FEWEST = 10, 6, 30  # labels of the first size; sizes, each twice the one before; messages at least
COSTS = (1.0, 1_000.0)  # a person's answer is dearer than the model's
CONFIRMED = 0.5  # share of delta that a first attempt spends


class Context(Protocol):
    """What a job gives the function it runs."""

    def progress(self, stage: str, done: int, total: int) -> None: ...


def curve_job(arguments: dict[str, Any], context: Context) -> Curve:
    """Entry of the child process."""
    return curve(Home(arguments["home"]), arguments["task"], seed=arguments["seed"], progress=context.progress)


def curve(home: Home, task: str, *, seed: int = 0, progress: Progress = no_progress) -> Curve:
    """The curve, and how many more labels would do. Raises NotFoundError; InputError: too few labelled messages."""
    store = TaskStore(home)
    version = store.current(task)
    known = store.read(task, "task.json", Task, version)
    learnt = _learnt(home, store, known)
    words = np.array([number - 1 for number in described(home, task, learnt.texts)], dtype=np.intp)
    own = [i for i, labels in enumerate(learnt.labels) if labels or known.multi_label]
    messages = len(own) - len(words)
    if messages < FEWEST:
        raise InputError(
            f"A learning curve takes {FEWEST} labelled messages; {task!r} has {messages}.",
            fix=f"Label messages first: rightsized triage learn ask {task}",
        )
    numbered = _numbered(home, known, learnt, own, progress)
    choices = _choices(store, task, version)
    kept = np.flatnonzero(~np.isin(np.array(own), words))
    sizes = _sizes(int(messages * (1 - 1 / FOLDS)))
    judged = _judged(numbered, choices, kept, sizes, seed, progress)
    rows = [Scores(np.clip(sure, 0.0, 1.0)[:, None], right[:, None]) for sure, right in judged]
    points = tuple(_point(size, one, known.targets, seed) for size, one in zip(sizes, rows, strict=True))
    wrong = np.array([~right for _, right in judged])
    halves = np.array([~right[np.argsort(-sure, kind="stable")[: len(right) // 2]] for sure, right in judged])
    budget = known.targets.max_error
    return Curve(
        task=task,
        version=version,
        messages=messages,
        max_error=budget,
        points=points,
        half=reach(sizes, halves, budget, seed),
        all=reach(sizes, wrong, budget, seed),
        needed=_needed(rows[-1], points[-1], known.targets, seed),
    )


def _learnt(home: Home, store: TaskStore, task: Task) -> Learnt:
    """Examples and corrections; the former alone where nothing is on record yet."""
    folder = store.folder(task.name, task.version)
    if not home.decisions.is_file():
        known = open_examples(folder)
        return Learnt(list(known.texts), [split_label(label, task.multi_label) for label in known.labels], 0, [], 0, ())
    with LedgerReader(home.decisions) as reader:
        return learn_from(ReviewQueue(reader), folder, task.name, task.multi_label)


def _choices(store: TaskStore, task: str, version: str) -> Choices:
    try:
        return Previous.open(store.folder(task, version)).choices
    except RightsizedError:
        return Choices()


def _numbered(home: Home, task: Task, learnt: Learnt, own: list[int], progress: Progress) -> Numbered:
    encoder = open_encoder(task.encoder, ModelStore(home), EngineConfig())
    texts, labels = [learnt.texts[i] for i in own], [learnt.labels[i] for i in own]
    names = sorted({label for row in labels for label in row})
    try:
        both = Embedder(home, encoder).vectors([*texts, *(label_words(name) for name in names)], progress)
    finally:
        encoder.close()
    given: Any = labels if task.multi_label else [row[0] for row in labels]
    named = dict(zip(names, both[len(texts) :], strict=True))
    data = TrainingData(texts, given, both[: len(texts)], encoder.digest, named)
    return number(data, FitOptions(multi_label=task.multi_label))


def _sizes(most: int) -> list[int]:
    """Numbers of labels, each twice the one before, up to `most`."""
    found = [most]
    while len(found) < STEPS and found[0] // 2 >= SMALLEST:
        found.insert(0, found[0] // 2)
    return found


Judged = tuple[NDArray[np.float64], NDArray[np.bool_]]  # of each row: how sure a model was, and whether it was right


def _judged(
    numbered: Numbered, choices: Choices, kept: NDArray[np.intp], sizes: list[int], seed: int, progress: Progress
) -> list[Judged]:
    """Of each size, over the folds held back. `kept` are the rows that are messages; all others always train."""
    bench = Bench(numbered, suited(FitOptions().spec, numbered.texts), seed)
    folds = assign_folds(numbered, FOLDS, seed)
    always, random = np.setdiff1d(np.arange(numbered.size), kept), np.random.default_rng(seed)
    found: list[list[Judged]] = [[] for _ in sizes]
    for fold in range(HELD):
        held = kept[folds[kept] == fold][:MOST_ROWS]
        order = random.permutation(kept[folds[kept] != fold])
        free = always[~np.isin(numbered.groups[always], numbered.groups[held])]
        for step, size in enumerate(sizes):
            progress("Learning curve", fold * len(sizes) + step, HELD * len(sizes))
            rows = np.sort(np.concatenate([free, order[:size]]))
            scores = RawScores.empty(numbered.size, len(numbered.labels))
            bench.score(
                bench.fit_ngram(rows, choices, held), bench.head_fitter(rows, choices).fit(choices.head), held, scores
            )
            found[step].append(_read(numbered, scores.take(held), held))
    progress("Learning curve", HELD * len(sizes), HELD * len(sizes))
    return [(np.concatenate([a for a, _ in one]), np.concatenate([b for _, b in one])) for one in found]


def _read(numbered: Numbered, scores: RawScores, held: NDArray[np.intp]) -> Judged:
    targets, several = numbered.targets[held], numbered.multi_label
    _, scales = fit_scales(scores.margins, scores.logits, targets, several)
    said = combined(scales, scores.margins, scores.logits, several)
    if several:
        return 2 * np.abs(said - 0.5).min(axis=1), np.asarray(((said >= 0.5) == targets).all(axis=1))
    return said.max(axis=1), np.asarray(targets[np.arange(len(held)), said.argmax(axis=1)])


def _point(size: int, rows: Scores, targets: Targets, seed: int) -> CurvePoint:
    right = bounds.clopper_pearson(int(rows.correct.sum()), rows.n)
    answered = estimates.cross_fitted(targets.promise, targets.max_error, rows, COSTS, seed).local_share()
    return CurvePoint(size, right, answered)


def _needed(rows: Scores, last: CurvePoint, targets: Targets, seed: int) -> int | None:
    test = Test(targets.promise, targets.max_error, CONFIRMED * (1 - targets.confidence), rows.n)
    share = last.answered.value
    return estimates.fresh_labels_needed(test, rows, COSTS, seed, share) if share > 0 else None
