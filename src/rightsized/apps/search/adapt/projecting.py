"""Linear maps behind the frozen encoder: fitted on mined pairs in several ways, the best chosen on judged questions.

Those questions are of the half that may be looked at. A map is applied to vectors that are stored already, so that
choosing encodes nothing; what is compared is the order of each question's candidates by meaning alone.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.adapt.records import AdaptOptions, Mined, Trained
from rightsized.apps.search.adapt.training import HELD_OUT, HELD_OUT_SHARE, Base, Made, counted, facts_of
from rightsized.apps.search.evaluate.metrics import ndcg
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.clauses import Terms
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.tune.duplicates import normalise
from rightsized.tune.projection import Fit, Fitted, Vectors, applied, fit_projection

PROJECTION = "projection"
RATES = (3e-4, 1e-3)
SHARES = (0.5, 1.0)  # of the fitted map; the rest is the identity
UNSEEN = "rate 0.0003, no mined negatives, half of the map"  # what is taken where nothing can be looked at
CANDIDATES = 100  # of each ranking that a question's order is looked at in
LOOKED_AT = 300  # questions at most
TOP = 10


class Map(NamedTuple):
    """One of the maps to choose from."""

    name: str
    matrix: NDArray[np.float32]
    fitted: Fitted


def projected(
    mined: Mined,
    base: Base,
    view: View,
    look_at: Sequence[JudgedQuestion],
    options: AdaptOptions,
    *,
    progress: Progress = no_progress,
) -> Made:
    """Fit the maps and take the best.

    Args:
        view: whose vectors are by the base encoder.
        look_at: judged questions that may be looked at; without any the map is `UNSEEN`.
    """
    began = time.monotonic()
    vectors, digest = vectors_of(mined, base.encoder, options, progress)
    maps = list(_maps(vectors, options, progress))
    best, why = chosen(maps, view, look_at[:LOOKED_AT], base.encoder, progress)
    report = Trained(
        method="projection",
        pairs=counted(mined),
        negatives=len(vectors.negatives),
        judged_left_out=mined.judged,
        held_out=vectors.held_out,
        before=best.fitted.before,
        after=best.fitted.after,
        steps=best.fitted.steps,
        loss=best.fitted.loss,
        seconds=time.monotonic() - began,
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6),
        chosen=why,
    )
    return Made({PROJECTION: best.matrix}, report, facts_of(base, digest, options, report))


def _maps(vectors: Vectors, options: AdaptOptions, progress: Progress) -> Iterable[Map]:
    """With and without mined negatives, slowly and fast, half and whole."""
    without = vectors._replace(**{name: getattr(vectors, name)[:0] for name in _OF_NEGATIVES})
    same = np.eye(vectors.asks.shape[1], dtype=np.float32)
    for named, some in (("no mined negatives", without), ("mined negatives", vectors)):
        for rate in RATES:
            fit = Fit(epochs=options.epochs or Fit().epochs, rate=rate, seed=options.seed)
            fitted = fit_projection(some, fit, progress)
            for share in SHARES:
                part = "half of the map" if share < 1 else "the whole map"
                matrix = ((1 - share) * same + share * fitted.matrix).astype(np.float32)
                yield Map(f"rate {rate:g}, {named}, {part}", matrix, fitted)


_OF_NEGATIVES = ("negatives", "of", "negative_document", "negative_said")


def chosen(
    maps: Sequence[Map],
    view: View,
    questions: Sequence[JudgedQuestion],
    encoder: Encoder,
    progress: Progress = no_progress,
) -> tuple[Map, str]:
    """The map with the best nDCG@10 by meaning alone over each question's candidates, and why in words."""
    if not questions:
        return next(one for one in maps if one.name == UNSEEN), UNSEEN
    totals = np.zeros(len(maps))
    for done, question in enumerate(questions):
        progress("Choosing", done, len(questions))
        totals += _ndcg_by_map(maps, view, question, encoder)
    progress("Choosing", len(questions), len(questions))
    best = maps[int(totals.argmax())]
    return best, f"{best.name}; chosen on {len(questions)} judged questions"


def _ndcg_by_map(maps: Sequence[Map], view: View, question: JudgedQuestion, encoder: Encoder) -> NDArray[np.float64]:
    asks = encoder.encode_now(question.text).vector
    found = [
        *view.dense(asks, question.filters, CANDIDATES).rows.tolist(),
        *view.lexical(Terms(question.text), question.filters, CANDIDATES).rows.tolist(),
        *sorted(question.relevant),
    ]
    rows = list(dict.fromkeys(found))
    vectors, grades = view.vectors(rows), {str(row): 1 for row in question.relevant}
    values = []
    for one in maps:
        scores = applied(vectors, one.matrix) @ applied(asks[None], one.matrix)[0]
        order = np.argsort(-scores, kind="stable")[:TOP].tolist()
        values.append(ndcg([str(rows[at]) for at in order], grades, TOP))
    return np.array(values)


def vectors_of(
    mined: Mined, encoder: Encoder, options: AdaptOptions, progress: Progress = no_progress
) -> tuple[Vectors, str]:
    """The mined texts as vectors, each encoded once, and the digest of the work."""
    negatives = [(at, one) for at, one in enumerate(mined.negatives) if one.body]
    texts = [one.asks for one in mined.pairs] + [one.body for one in mined.pairs] + [one.body for _, one in negatives]
    found = _encoded(encoder, texts, options.threads, progress)
    count = len(mined.pairs)
    documents, said = _Numbers(), _Numbers()
    vectors = Vectors(
        asks=found[:count],
        partners=found[count : 2 * count],
        negatives=found[2 * count :],
        of=np.array([at for at, _ in negatives], np.int64),
        document=documents.of(one.document for one in mined.pairs),
        asked=said.of(normalise(one.asks) for one in mined.pairs),
        said=said.of(normalise(one.body) for one in mined.pairs),
        negative_document=documents.of(one.document for _, one in negatives),
        negative_said=said.of(normalise(one.body) for _, one in negatives),
        held_out=min(HELD_OUT, int(count * HELD_OUT_SHARE)),
    )
    digest = hashlib.sha256(encoder.digest.encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return vectors, digest.hexdigest()


class _Numbers:
    """A number for each different text."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, texts: Iterable[str]) -> NDArray[np.int64]:
        return np.array([self._known.setdefault(text, len(self._known)) for text in texts], np.int64)


def _encoded(encoder: Encoder, texts: Sequence[str], threads: int, progress: Progress) -> NDArray[np.float32]:
    places = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    vectors = np.empty((len(places), encoder.dimension), np.float32)
    with ThreadPoolExecutor(threads, thread_name_prefix="embed") as pool:
        for done, one in enumerate(pool.map(encoder.encode_now, places)):
            vectors[done] = one.vector
            progress("Encoding pairs", done + 1, len(places))
    return vectors[[places[text] for text in texts]]
