"""Extracts of the hand-labelled threads of the sample mailbox, by threads held out. Part of `triage_summary`.

103 threads of one invented company, written and labelled by one pair of hands. Nested: five folds of threads; for each,
all settings and bars are chosen by folds within the other four. What was looked at when the features were written is
not held out: they were made on these threads, so expect somewhat less of other mail. Intervals are by the bootstrap
over threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec import to_builtins

from benchmarks.harness import note
from rightsized import data
from rightsized.apps.triage.summary.centrality import central
from rightsized.apps.triage.summary.extract import action_places, key_places
from rightsized.engines.sentence_kinds import KINDS, Bars, Scores, SentenceCard
from rightsized.tune import sentences

COUNT = 3  # sentences of lead, LexRank and the oracle
FOLDS = 5
DRAWS = 2_000
SEED = 20261128
CURVE = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)  # bars of action shown
ROLES = {"action": 1, "complaint": 2}

Array = np.ndarray[Any, Any]


class Read(NamedTuple):
    """A thread as a model read it that had seen none of its fold, nor chosen a setting by it."""

    thread: sentences.Thread
    scores: list[Scores]
    bars: Bars


def mailbox(*, quick: bool = False) -> dict[str, Any]:
    """All figures of the labelled threads."""
    read, cards = held_out(sentences.threads(data.folder("mailbox"))[: 40 if quick else None])
    kinds = [_confusion(one) for one in read]
    ways = key_f1(read)
    return {
        "threads": len(read),
        "sentences": sum(len(one.scores) for one in read),
        "chosen": [{"strengths": to_builtins(one.strengths), "bars": to_builtins(one.bars)} for one in cards],
        "kind_macro_f1": ratio(kinds, macro_f1),
        "kind_f1": {name: ratio(kinds, _of_kind(at)) for at, name in enumerate(KINDS)},
        "key_f1": {name: interval(values) for name, values in ways.items()},
        "ours_over_lead": interval(np.subtract(ways["ours"], ways["lead"])),
        "ours_over_lexrank": interval(np.subtract(ways["ours"], ways["lexrank_mmr"])),
        "action": told(read, "action"),
        "complaint": told(read, "complaint"),
        "action_curve": [{"bar": bar, **told(read, "action", bar)} for bar in CURVE],
        "complaint_in_summary": interval([float(_shows_one(one)) for one in read if one.thread.roles[:, 2].any()]),
        "threads_with_action": sum(bool(one.thread.roles[:, 1].any()) for one in read),
        "marked_where_nothing_is_to_be_done": interval(
            [float(bool(_marked(one, "action"))) for one in read if not one.thread.roles[:, 1].any()]
        ),
    }


def held_out(labelled: Sequence[sentences.Thread]) -> tuple[list[Read], list[SentenceCard]]:
    """Every thread read by a model of the other folds, and what those models chose."""
    found: dict[int, Read] = {}
    cards = []
    for fold in range(FOLDS):
        note(f"mailbox, fold {fold + 1}")
        model = sentences.fit([one for at, one in enumerate(labelled) if at % FOLDS != fold])
        cards.append(model.card)
        for at in range(fold, len(labelled), FOLDS):
            found[at] = Read(labelled[at], model.read(labelled[at].sentences), model.bars)
    return [found[at] for at in range(len(labelled))], cards


def key_f1(read: Sequence[Read]) -> dict[str, list[float]]:
    """F1 of the sentences chosen, a thread, by way of choosing."""
    ways: dict[str, list[float]] = {name: [] for name in ("ours", "lead", "lexrank_mmr", "oracle")}
    for one in read:
        key = set(np.flatnonzero(one.thread.roles[:, 0]).tolist())
        lines = [sentence.text for sentence in one.thread.sentences]
        chosen = {
            "ours": key_places(one.scores, one.bars),
            "lead": list(range(min(COUNT, len(lines)))),
            "lexrank_mmr": central(lines, COUNT),
            "oracle": sorted(key)[:COUNT],
        }
        for name, places in chosen.items():
            ways[name].append(2 * len(set(places) & key) / (len(places) + len(key)))
    return ways


def told(read: Sequence[Read], role: str, bar: float | None = None) -> dict[str, Any]:
    """Recall and precision over sentences, as marked at a bar; None: at the one that was chosen."""
    counts = []
    for one in read:
        true = set(np.flatnonzero(one.thread.roles[:, ROLES[role]]).tolist())
        marked = _marked(one, role, bar)
        counts.append(np.array([len(true & marked), len(true), len(marked)], float))
    return {"recall": ratio(counts, lambda sums: sums[0] / sums[1]), "precision": ratio(counts, _precision)}


def _marked(one: Read, role: str, bar: float | None = None) -> set[int]:
    least = getattr(one.bars, role) if bar is None else bar
    if role == "action":
        return set(action_places(one.scores, least))
    return {at for at, scores in enumerate(one.scores) if scores.complaint >= least}


def _shows_one(one: Read) -> bool:
    """Whether the summary of a thread with a complaint holds one of its complaints."""
    return bool(one.thread.roles[key_places(one.scores, one.bars), 2].any())


def _confusion(one: Read) -> Array:
    """Of each kind: told rightly, told, true; float (kinds, 3)."""
    said = np.array([scores[: len(KINDS)] for scores in one.scores]).argmax(axis=1)
    true = one.thread.kinds
    rows = [((said == at) & (true == at), said == at, true == at) for at in range(len(KINDS))]
    return np.array([[part.sum() for part in row] for row in rows], float)


def macro_f1(sums: Array) -> float:
    """The mean F1 of the kinds."""
    return float(np.mean(2 * sums[:, 0] / np.maximum(1, sums[:, 1] + sums[:, 2])))


def _of_kind(at: int) -> Callable[[Array], float]:
    return lambda sums: float(2 * sums[at, 0] / max(1, sums[at, 1] + sums[at, 2]))


def _precision(sums: Array) -> float:
    return float(sums[0] / sums[2]) if sums[2] else 1.0


def ratio(counts: Sequence[Array], figure: Callable[[Array], float]) -> dict[str, float]:
    """A figure of the summed counts with its 95% interval by the bootstrap over threads."""
    stacked = np.stack(counts)
    picks = np.random.default_rng(SEED).integers(0, len(stacked), (DRAWS, len(stacked)))
    low, high = np.percentile([figure(stacked[one].sum(axis=0)) for one in picks], (2.5, 97.5))
    return {"value": float(figure(stacked.sum(axis=0))), "low": float(low), "high": float(high), "n": len(stacked)}


def interval(values: Sequence[float] | Array) -> dict[str, float]:
    """The mean with its 95% interval by the bootstrap over rows."""
    found = np.asarray(values, float)
    picks = np.random.default_rng(SEED).integers(0, len(found), (DRAWS, len(found)))
    low, high = np.percentile(found[picks].mean(axis=1), (2.5, 97.5))
    return {"value": float(found.mean()), "low": float(low), "high": float(high), "n": len(found)}
