"""Extracts of dialogues beside human summaries: lead-3, LexRank with MMR, sumy's LexRank and the best there is.

ROUGE-1 is a check against going backwards, not a figure of merit: a summary of mail is judged by whether the sentences
that matter are in it (second part: the hand-labelled threads of the sample mailbox, by threads held out).
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.peer import Peer, PeerUnavailable
from rightsized import data
from rightsized.apps.triage.summary.centrality import central
from rightsized.apps.triage.summary.extract import action_places, key_places
from rightsized.engines.sentence_kinds import KINDS
from rightsized.parsers.stopwords import STOPWORDS
from rightsized.tune import sentences

COUNT = 3
DRAWS = 2_000
SEED = 20261128
SUMY = ("sumy==0.11.0", "numpy==2.2.6")
ORACLE_MOST = 14  # sentences among which every choice is tried; more: greedily
_WORD = re.compile(r"[^\W_]+")

Chooser = Callable[[Sequence[str]], list[int]]


def main() -> int:
    given = harness.options("triage_summary", __doc__.splitlines()[0] if __doc__ else "")
    rows = dialogues(given.data / "triage" / "dialogsum_dev.jsonl.gz")
    rows = rows[:50] if given.quick else rows
    choosers: dict[str, Chooser] = {"lead": lambda one: list(range(min(COUNT, len(one)))), "lexrank_mmr": _central}
    scores = {
        name: [rouge([one[at] for at in choose(one)], told) for one, told in rows] for name, choose in choosers.items()
    }
    scores["oracle"] = [oracle(one, told) for one, told in rows]
    result: dict[str, Any] = {"dialogues": len(rows), "count": COUNT}
    result["sumy"] = sumy([one for one, _ in rows], [told for _, told in rows], scores)
    result["rouge1"] = {name: interval(values) for name, values in scores.items()}
    result["mailbox"] = mailbox()
    result["lead_over_lexrank"] = interval(np.subtract(scores["lead"], scores["lexrank_mmr"]))
    lines = [
        f"{name}: ROUGE-1 {row['value']:.1f} ({row['low']:.1f}-{row['high']:.1f})"
        for name, row in result["rouge1"].items()
    ]
    found = result["mailbox"]
    lines += [f"mailbox, key sentences F1, {name}: {row['value']:.3f}" for name, row in found["key_f1"].items()]
    lines += [f"mailbox, kinds: macro F1 {found['kind_macro_f1']:.3f}, accuracy {found['kind_accuracy']['value']:.3f}"]
    recall, precision = found["action_recall"]["value"], found["action_precision"]
    lines += [f"mailbox, action needed: recall {recall:.3f}, precision {precision:.3f}"]
    return harness.finish(given, result, lines)


def mailbox() -> dict[str, Any]:
    """Labelled threads of the sample mailbox, each read by a model that saw none of its fold.

    The two strengths of the fit were chosen by these same folds, so the figures are a little high.
    """
    labelled = sentences.threads(data.folder("mailbox"))
    ways: dict[str, list[float]] = {name: [] for name in ("ours", "lead", "lexrank_mmr", "oracle")}
    kinds, told, recall, idle = list[int](), list[int](), list[float](), list[float]()
    hits = marked = 0
    for fold in range(sentences.FOLDS):
        rest = [one for at, one in enumerate(labelled) if at % sentences.FOLDS != fold]
        model = sentences.fit(rest)
        for thread in labelled[fold :: sentences.FOLDS]:
            scores = model.read(thread.sentences)
            kinds += [int(np.argmax(one[: len(KINDS)])) for one in scores]
            told += thread.kinds.tolist()
            key, action = (set(np.flatnonzero(thread.roles[:, at]).tolist()) for at in (0, 1))
            lines = [one.text for one in thread.sentences]
            chosen = {
                "ours": key_places(scores),
                "lead": list(range(min(COUNT, len(lines)))),
                "lexrank_mmr": central(lines, COUNT),
                "oracle": sorted(key)[:COUNT],
            }
            for name, places in chosen.items():
                ways[name].append(2 * len(set(places) & key) / (len(places) + len(key)))
            acting = set(action_places(scores))
            hits, marked = hits + len(acting & action), marked + len(acting)
            if action:
                recall.append(len(acting & action) / len(action))
            else:
                idle.append(float(bool(acting)))
    right = np.equal(kinds, told)
    return {
        "threads": len(labelled),
        "sentences": len(told),
        "kind_accuracy": interval(right.astype(float)),
        "kind_macro_f1": float(np.mean([_f1(np.array(kinds) == at, np.array(told) == at) for at in range(len(KINDS))])),
        "kind_f1": {name: _f1(np.array(kinds) == at, np.array(told) == at) for at, name in enumerate(KINDS)},
        "key_f1": {name: interval(values) for name, values in ways.items()},
        "ours_over_lead": interval(np.subtract(ways["ours"], ways["lead"])),
        "action_recall": interval(recall),
        "action_precision": hits / marked,
        "threads_with_action": len(recall),
        "marked_where_nothing_is_to_be_done": interval(idle),
    }


def _f1(said: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> float:
    return float(2 * (said & true).sum() / (said.sum() + true.sum()))


def dialogues(path: Path) -> list[tuple[list[str], str]]:
    """Turns of each dialogue, and its human summary; both name the speakers, as #Person1#."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return [(one["dialogue"].split("\n"), one["summary"]) for one in found]


def rouge(chosen: Sequence[str], told: str) -> float:
    """ROUGE-1 F1 of 100 (Lin 2004), without stemming."""
    ours, theirs = (Counter(_WORD.findall(text.lower())) for text in (" ".join(chosen), told))
    both = sum((ours & theirs).values())
    return 200.0 * both / (sum(ours.values()) + sum(theirs.values())) if both else 0.0


def oracle(sentences: Sequence[str], told: str) -> float:
    """The best that any choice of so many sentences reaches."""
    if len(sentences) <= ORACLE_MOST:
        choices = itertools.combinations(sentences, min(COUNT, len(sentences)))
        return max(rouge(choice, told) for choice in choices)
    taken: list[str] = []
    for _ in range(COUNT):
        rest = [one for one in sentences if one not in taken]
        taken.append(max(rest, key=lambda one: rouge([*taken, one], told)))
    return rouge(taken, told)


def sumy(texts: list[list[str]], told: list[str], scores: dict[str, list[float]]) -> dict[str, Any]:
    """Adds sumy's scores; says what it was, or why it could not be had."""
    peer = Peer("sumy", SUMY, "sumy_peer.py")
    try:
        peer.install()
        with peer:
            places = peer.call("lexrank", texts=texts, count=COUNT, stopwords=sorted(STOPWORDS))
    except PeerUnavailable as error:
        return peer.unavailable(error)
    scores["sumy_lexrank"] = [
        rouge([one[at] for at in chosen], said) for one, chosen, said in zip(texts, places, told, strict=True)
    ]
    return {"peer": "sumy", "versions": peer.versions()}


def interval(values: Sequence[float] | np.ndarray[Any, Any]) -> dict[str, float]:
    """The mean with its 95% interval by the bootstrap over dialogues."""
    found = np.asarray(values, float)
    picks = np.random.default_rng(SEED).integers(0, len(found), (DRAWS, len(found)))
    low, high = np.percentile(found[picks].mean(axis=1), (2.5, 97.5))
    return {"value": float(found.mean()), "low": float(low), "high": float(high), "n": len(found)}


def _central(sentences: Sequence[str]) -> list[int]:
    return central(sentences, COUNT)


if __name__ == "__main__":
    raise SystemExit(main())
