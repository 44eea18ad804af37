"""Extracts of dialogues beside human summaries: lead-3, LexRank with MMR, sumy's LexRank and the best there is.

ROUGE-1 is a check against going backwards, not a figure of merit: a summary of mail is judged by whether the sentences
that matter are in it (second part: `triage_summary_mailbox`).
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

from benchmarks import harness
from benchmarks.peer import Peer, PeerUnavailable
from benchmarks.triage_summary_mailbox import COUNT, interval, mailbox
from rightsized.apps.triage.summary.centrality import central
from rightsized.parsers.stopwords import STOPWORDS

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
    result["mailbox"] = mailbox(quick=given.quick)
    result["lead_over_lexrank"] = interval([a - b for a, b in zip(scores["lead"], scores["lexrank_mmr"], strict=True)])
    lines = [
        f"{name}: ROUGE-1 {row['value']:.1f} ({row['low']:.1f}-{row['high']:.1f})"
        for name, row in result["rouge1"].items()
    ]
    found = result["mailbox"]
    lines += [f"mailbox, key sentences F1, {name}: {_said(row)}" for name, row in found["key_f1"].items()]
    lines += [f"mailbox, kinds, macro F1: {_said(found['kind_macro_f1'])}"]
    lines += [
        f"mailbox, {role}: recall {_said(found[role]['recall'])}, precision {_said(found[role]['precision'])}"
        for role in ("action", "complaint")
    ]
    lines += [
        f"mailbox, action from {row['bar']:.2f}: recall {_said(row['recall'])}, precision {_said(row['precision'])}"
        for row in found["action_curve"]
    ]
    return harness.finish(given, result, lines)


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


def _said(row: dict[str, float]) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f}-{row['high']:.3f})"


def _central(sentences: Sequence[str]) -> list[int]:
    return central(sentences, COUNT)


if __name__ == "__main__":
    raise SystemExit(main())
