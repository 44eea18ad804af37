"""Learns a collection's own ordering from judged questions; it is kept only if better on questions it never saw.

Cross-fitted: questions are parted into folds, whole groups together (all that is asked of one contract, say); each fold
is ordered by weights and examples of the others. What is kept at the end is fitted on all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.evaluate.bootstrap import Difference, Interval, compare, interval
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.candidates import Query, gather
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.rank import examples as past
from rightsized.apps.search.rank.fusion import Fusion, WeightedFusion
from rightsized.apps.search.rank.ordering import COLUMNS, DEFAULT, Asked, Ordering, described, feedback, read
from rightsized.apps.search.types import Filters
from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Encoder, Progress, no_progress

FOLDS = 5
FEWEST = 30  # questions below which nothing is fitted
CANDIDATES = 100  # of each ranking, as a search takes
TOP = 10
EXAMPLE = COLUMNS.index("example")


class JudgedQuestion(Frozen, frozen=True):
    """A question with the rows of the passages that answer it. `group`: those of one group are held out together."""

    text: str
    relevant: frozenset[int]
    filters: Filters = Filters()
    group: str = ""


class Tuned(Frozen, frozen=True):
    """What tuning found, all of it on questions held out: nDCG@10 with the default and the learned ordering.

    `kept`: the interval of the gain lies above 0, so that the learned ordering is worth having.
    """

    questions: int
    before: Interval
    after: Interval
    gain: Difference
    kept: bool
    weights: dict[str, float]
    examples: int
    digest: str


class _List(NamedTuple):
    """One question's candidates: features without examples, vectors, which are relevant, and how many there are."""

    question: NDArray[np.float32]
    features: NDArray[np.float64]
    vectors: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    all_relevant: int
    centre: NDArray[np.float32] | None
    documents: tuple[str, ...]


def tune_fusion(
    view: View,
    judged: Sequence[JudgedQuestion],
    encoder: Encoder,
    *,
    fusion: Fusion | None = None,
    prior: dict[str, float] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> tuple[Ordering, Tuned]:
    """Fit an ordering on judged questions.

    Args:
        view: of somebody who may see all that was judged.
        judged: at least FEWEST questions, asked as they are asked in earnest.
        encoder: the collection's.
        fusion: orders candidates before they are read; the default where None.
        prior: weights that the fit is pulled towards; the default ones where None.
        seed: of the folds and the bootstrap.
    Raises:
        DataError: too few questions, or none of their answers is among the candidates.
    """
    if len(judged) < FEWEST:
        raise DataError(f"{len(judged)} judged questions are too few to learn from; {FEWEST} are needed.")
    lists = []
    for done, question in enumerate(judged):
        progress("Reading candidates", done, len(judged))
        lists.append(_listed(view, question, encoder, fusion or WeightedFusion()))
    progress("Reading candidates", len(judged), len(judged))
    groups = [one.group or f"\0{i}" for i, one in enumerate(judged)]
    bench = _Bench(
        lists, np.array(groups, dtype=object), _folds(groups, seed), _row(DEFAULT if prior is None else prior)
    )
    before, after = bench.default(), bench.held_out(progress)
    drawn = groups if any(one.group for one in judged) else ()
    gain = compare(before, after, drawn, seed=seed)
    ordering = bench.whole()
    report = Tuned(
        len(judged),
        interval(before, drawn, seed=seed),
        interval(after, drawn, seed=seed),
        gain,
        gain.proven,
        ordering.weights,
        len(ordering.examples.questions),
        ordering.digest,
    )
    return ordering, report


def _listed(view: View, question: JudgedQuestion, encoder: Encoder, fusion: Fusion) -> _List:
    vector = encoder.encode_now(question.text).vector
    found = gather(view, Query(Terms(question.text), vector, False, question.filters), CANDIDATES).candidates
    _, head, passages = read(view, found, fusion.scores(found), question.filters)
    answers = view.found(sorted(question.relevant))
    vectors = view.vectors(head.rows.tolist())
    plain = described(Asked(question.text, vector), passages, head)
    return _List(
        vector,
        np.column_stack([plain, feedback(vector, vectors)]) if len(passages) else np.zeros((0, EXAMPLE)),
        vectors,
        np.isin(head.rows, sorted(question.relevant)),
        len(question.relevant),
        past.centre(view.vectors([one.row for one in answers])) if answers else None,
        tuple(dict.fromkeys(one.document.id for one in answers)),
    )


@dataclass(frozen=True, eq=False)
class _Bench:
    """Lists with the group and the fold of each, and the weights to start from."""

    lists: Sequence[_List]
    groups: NDArray[np.object_]
    folds: NDArray[np.intp]
    prior: NDArray[np.float64]

    def default(self) -> list[float]:
        """nDCG@10 of each question by the default weights."""
        weights = _row(DEFAULT)
        return [
            _ndcg(one, np.column_stack([one.features, np.zeros(len(one.features))]) @ weights) for one in self.lists
        ]

    def held_out(self, progress: Progress) -> list[float]:
        """nDCG@10 of each question by weights and examples without its fold."""
        full = self._with_examples()
        values = np.zeros(len(self.lists))
        for fold in range(FOLDS):
            progress("Cross-fitting", fold, FOLDS)
            weights = self._fit(full, np.flatnonzero(self.folds != fold))
            for i in np.flatnonzero(self.folds == fold).tolist():
                values[i] = _ndcg(self.lists[i], full[i] @ weights)
        progress("Cross-fitting", FOLDS, FOLDS)
        return [float(value) for value in values]

    def whole(self) -> Ordering:
        """Fitted on everything."""
        weights = self._fit(self._with_examples(), np.arange(len(self.lists)))
        named = {name: float(weight) for name, weight in zip(COLUMNS, weights, strict=True) if weight}
        return Ordering(named, self._examples())

    def _with_examples(self) -> list[NDArray[np.float64]]:
        """All columns of each list; its examples are those of other folds and groups."""
        known = self._examples()
        places = np.array([i for i, one in enumerate(self.lists) if one.centre is not None], np.intp)
        full = []
        for i, one in enumerate(self.lists):
            usable = (self.folds[places] != self.folds[i]) & (self.groups[places] != self.groups[i])
            target = known.target(one.question, usable) if len(places) else None
            full.append(np.column_stack([one.features, past.likeness(target, one.vectors)]))
        return full

    def _examples(self) -> past.Examples:
        kept = [one for one in self.lists if one.centre is not None]
        if not kept:
            return past.none()
        centres = [one.centre for one in kept if one.centre is not None]
        return past.joined([one.question for one in kept], centres, [one.documents for one in kept])

    def _fit(self, full: Sequence[NDArray[np.float64]], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        from rightsized.tune.listwise import fit_listwise  # SciPy is loaded only to fit

        chosen = rows.tolist()
        features, relevant = [full[i] for i in chosen], [self.lists[i].relevant for i in chosen]
        return fit_listwise(features, relevant, prior=self.prior)


def _row(weights: dict[str, float]) -> NDArray[np.float64]:
    return np.array([weights.get(name, 0.0) for name in COLUMNS])


def _ndcg(one: _List, values: NDArray[np.float64]) -> float:
    """nDCG@10 with every relevant passage of the question in the ideal, found or not."""
    order = np.argsort(-values, kind="stable")[:TOP]
    gained = sum(1 / log2(place + 2) for place, at in enumerate(order.tolist()) if one.relevant[at])
    most = sum(1 / log2(place + 2) for place in range(min(TOP, one.all_relevant)))
    return gained / most if most else 0.0


def _folds(groups: Sequence[str], seed: int) -> NDArray[np.intp]:
    """A fold for each question, groups whole, by a digest: adding questions moves no other."""
    digests = [hashlib.sha256(f"{seed}\0{group}".encode("utf-8", "surrogatepass")).digest() for group in groups]
    return np.array([int.from_bytes(one[:8]) % FOLDS for one in digests], np.intp)
