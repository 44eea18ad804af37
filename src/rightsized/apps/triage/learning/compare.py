"""The candidate beside the running model: on corrections kept back, and on old examples out-of-fold.

The first rows are hard ones, picked by the running model, and tell whether the candidate learned; the second are those
both models trained on, each scored by folds that did not have them, and tell whether it forgot. Neither says what share
of the traffic is answered right: that takes rows drawn at random, and a test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.learning.candidate import candidate_of, described
from rightsized.apps.triage.learning.labels import Labels, learn_from, split_label
from rightsized.apps.triage.learning.records import Candidate, Changed, Comparison, Paired
from rightsized.core.config import EngineConfig
from rightsized.core.errors import RightsizedError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Interval, Task
from rightsized.engines.classifier import Classifier, open_rungs
from rightsized.explain.neighbours import open_examples
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.dataset import SEPARATOR, Dataset
from rightsized.tasks.embeddings import Embedder
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.evaluate import ScoredRows
from rightsized.tasks.queue import ReviewQueue, TrainingRow
from rightsized.tasks.score import score_rows
from rightsized.tasks.versions import TaskStore
from rightsized.tune.duplicates import straddling
from rightsized.tune.previous import Previous

RESAMPLES = 2_000
SHOWN = 10  # rows on which the two differ
HELD, OUT_OF_FOLD = "corrections kept back", "examples both were fitted on, out-of-fold"


def compare(home: Home, task: str, progress: Progress = no_progress) -> Comparison:
    """Compare the candidate with the version in force. Raises NotFoundError (no candidate), IntegrityError."""
    store, candidate = TaskStore(home), candidate_of(home, task)
    running = store.read(task, "task.json", Task, candidate.base)
    folders = store.folder(task, candidate.base), store.folder(task, candidate.version)
    with LedgerReader(home.decisions) as reader:
        learnt = learn_from(ReviewQueue(reader), folders[1], task, running.multi_label)
    known = open_examples(folders[0]).texts  # a fit by hand may have trained on some that are kept back
    rows = _unlike(learnt.held, [*known, *open_examples(folders[1]).texts])
    texts, labels = [row.text for row in rows], [split_label(row.label, running.multi_label) for row in rows]
    held, changed = None, tuple[Changed, ...]()
    if rows:
        data = Dataset("held", texts, labels, list(range(len(texts))), [""] * len(texts))
        scored = scored_by(home, running, folders, data, progress)
        said = [[prediction.labels for prediction in one.predicted[-1]] for one in scored]
        right = [np.array([set(a) == set(b) for a, b in zip(one, labels, strict=True)]) for one in said]
        held = paired(HELD, right[0], right[1])
        changed = _changed(texts, labels, said)
    old = _out_of_fold(home, task, folders)
    return Comparison(task, candidate.base, candidate.version, held, old, changed, _verdict(candidate, held, old))


def _unlike(held: Sequence[TrainingRow], trained: Sequence[str]) -> list[TrainingRow]:
    """Corrections kept back that repeat, or nearly, nothing a model trained on.

    Of an incident some messages are kept back and some train: a model that learned those by heart would look better.
    """
    near = {pair.first for pair in straddling([row.text for row in held], trained)}
    return [row for number, row in enumerate(held) if number not in near]


def scored_by(
    home: Home, task: Task, folders: Sequence[Path], data: Dataset, progress: Progress = no_progress
) -> list[ScoredRows]:
    """What the versions in these folders say of rows, through the path that serves. All have the task's encoder."""
    encoder = open_encoder(task.encoder, ModelStore(home), EngineConfig())
    try:
        embedder = Embedder(home, encoder)
        embedder.prepare(data.texts, progress)
        several = task.multi_label
        return [
            asyncio.run(score_rows(open_rungs(Classifier.open(folder), embedder), data, multi_label=several))
            for folder in folders
        ]
    finally:
        encoder.close()


def paired(where: str, running: NDArray[np.bool_], candidate: NDArray[np.bool_]) -> Paired:
    """Both shares right and their difference, with a 95% bootstrap interval over rows."""
    n = len(running)
    gain = candidate.astype(np.float64) - running
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES) @ gain / n
    low, high = np.percentile(draws, [2.5, 97.5])
    return Paired(
        where=where,
        n=n,
        running=float(running.mean()),
        candidate=float(candidate.mean()),
        difference=Interval(float(gain.mean()), float(low), float(high), n),
        fixed=int((candidate & ~running).sum()),
        broken=int((running & ~candidate).sum()),
    )


def _out_of_fold(home: Home, task: str, folders: tuple[Path, Path]) -> Paired | None:
    """On the messages that both were fitted on, but those whose scores the candidate took over; None without any."""
    try:
        before, after = (_right_by_row(home, task, folder) for folder in folders)
    except RightsizedError:
        return None
    both = [key for key in before if key in after and before[key][1] != after[key][1]]
    if not both:
        return None
    return paired(OUT_OF_FOLD, np.array([before[key][0] for key in both]), np.array([after[key][0] for key in both]))


def _right_by_row(home: Home, task: str, folder: Path) -> dict[bytes, tuple[bool, bytes]]:
    """Of each labelled message by its digest: whether the encoder rung was right out-of-fold, and its raw scores."""
    left, examples = Previous.open(folder), open_examples(folder)
    words = set(described(home, task, examples.texts))
    readout, several = left.classifier.head_readout, left.classifier.settings.multi_label
    found = {}
    for row, (key, label) in enumerate(zip(left.keys, examples.labels, strict=True)):
        if row + 1 in words:
            continue
        said = readout.read(left.scores.head_row(row)).prediction.labels
        found[key.tobytes()] = (set(said) == set(split_label(label, several)), left.scores.logits[row].tobytes())
    return found


def _changed(texts: Sequence[str], labels: Sequence[Labels], said: Sequence[Sequence[Labels]]) -> tuple[Changed, ...]:
    differ = [i for i in range(len(texts)) if set(said[0][i]) != set(said[1][i])]
    return tuple(
        Changed(texts[i], SEPARATOR.join(labels[i]), SEPARATOR.join(said[0][i]), SEPARATOR.join(said[1][i]))
        for i in differ[:SHOWN]
    )


def _verdict(candidate: Candidate, held: Paired | None, old: Paired | None) -> str:
    if held is None and old is None:
        return f"There is nothing to compare on yet: none of {candidate.held} corrections was kept back and is new."
    worse = [one.where for one in (held, old) if one is not None and one.difference.high < 0]
    if worse:
        return f"The candidate is worse on {' and on '.join(worse)}."
    better = [one.where for one in (held, old) if one is not None and one.difference.low > 0]
    if better:
        return f"The candidate is better on {' and on '.join(better)}; it is not shown to be worse anywhere."
    return "No difference is shown: the interval of every difference holds zero."
