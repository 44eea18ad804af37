"""What the assumptions of the desk's simulation rest on: words of urgency, keyword rules, certified labels."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import harness, models
from benchmarks.harness import note
from rightsized import library
from rightsized.apps.triage.desk.simulation.patterns import flagged
from rightsized.apps.triage.desk.simulation.texts import URGENT_WORDS
from rightsized.apps.triage.records import Level
from rightsized.data import path

LEVEL_OF: dict[str, Level] = {"Immediate": "urgent", "High": "high", "Medium": "normal", "Low": "low"}
WORDS = 12  # of each department, as somebody who writes rules would list
MAX_ERROR = 0.05
_WORD = re.compile(r"[a-z']{3,}")

Rows = list[tuple[str, str]]


def sources(data: Path, home: str, *, quick: bool) -> dict[str, Any]:
    """All three. `home` is an empty folder for a task."""
    train, calibrate = _sample("support_train.csv"), _sample("support_calibrate.csv")
    found: dict[str, Any] = {"urgency": _urgency(data), "keyword_rules": _keyword_rules(train, calibrate)}
    if not quick:
        found["certified_labels"] = _certified(train, calibrate, home)
    return found


def _urgency(data: Path) -> dict[str, Any]:
    """Share of complaints of each urgency with a word of urgency."""
    rows = list(harness.rows(data / "triage" / "complaints_urgency.csv.gz"))
    counts: defaultdict[str, list[bool]] = defaultdict(list)
    for row in rows:
        counts[LEVEL_OF[row["Urgency"]]].append(flagged(row["Complaint"], URGENT_WORDS))
    return {
        "words": list(URGENT_WORDS),
        "complaints": len(rows),
        "flagged": {level: {"n": len(hits), "share": sum(hits) / len(hits)} for level, hits in counts.items()},
    }


def _keyword_rules(train: Rows, test: Rows) -> dict[str, Any]:
    """Rules of the words that set each department most apart in the training messages, judged on others."""
    words = _words(train)
    placed = [(_rule(text, words), label) for text, label in test]
    routed = [(said, label) for said, label in placed if said]
    wrong = sum(said != label for said, label in routed)
    return {
        "words_a_department": WORDS,
        "words": words,
        "messages": len(test),
        "routed": len(routed) / len(test),
        "wrong": wrong / len(routed),
    }


def _words(rows: Rows) -> dict[str, list[str]]:
    """By log odds with one half added, of the messages that a word is in."""
    sizes = Counter(label for _, label in rows)
    counts: dict[str, Counter[str]] = {label: Counter() for label in sizes}
    for text, label in rows:
        counts[label].update(set(_WORD.findall(text.casefold())))
    every = Counter[str]()
    for one in counts.values():
        every.update(one)

    def odds(word: str, label: str) -> float:
        own, rest = counts[label][word], every[word] - counts[label][word]
        others = len(rows) - sizes[label]
        return math.log((own + 0.5) / (sizes[label] - own + 0.5)) - math.log((rest + 0.5) / (others - rest + 0.5))

    return {label: sorted(counts[label], key=lambda word: (-odds(word, label), word))[:WORDS] for label in sizes}


def _rule(text: str, words: dict[str, list[str]]) -> str:
    """The department with most of its words in a message; none where there is no word, or a tie."""
    said = set(_WORD.findall(text.casefold()))
    hits = sorted(((len(said & set(own)), label) for label, own in words.items()), reverse=True)
    return hits[0][1] if hits[0][0] > hits[1][0] else ""


def _certified(train: Rows, calibrate: Rows, home: str) -> dict[str, Any]:
    """The share that certified labels answer and the error that is certified, on the sample messages."""
    note("fitting the sample task")
    (Path(home) / "models").symlink_to(models.home().path / "models")
    task = library.fit(
        [text for text, _ in train],
        [label for _, label in train],
        task="support",
        max_error=MAX_ERROR,
        calibrate=([text for text, _ in calibrate], [label for _, label in calibrate]),
        options=library.FitOptions(home=home),
    )
    certificate = task.certificate
    share = msgspec.to_builtins(certificate.local_share)
    return {"max_error": MAX_ERROR, "sentence": certificate.sentence, "share": share}


def _sample(name: str) -> Rows:
    with path(name).open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["department"]) for row in csv.DictReader(file)]
