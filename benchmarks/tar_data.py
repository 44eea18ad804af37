"""A review to simulate: CUAD's passages of contracts, each topic one of its kinds of clauses, labelled by lawyers.

Every fourth topic (by size, from the largest) chose the settings of the model; the others are reported.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FEWEST = 20  # relevant passages of a topic
TUNED = 4  # every so many topics were looked at while settings were chosen
FEWEST_TUNED = 15


class Topic(NamedTuple):
    """A kind of clause: its question, and which passages have it, int64, ascending."""

    name: str
    question: str
    relevant: NDArray[np.int64]


class Corpus(NamedTuple):
    texts: list[str]
    topics: list[Topic]


def read(data: Path) -> Corpus:
    """The passages and the topics that are reported, largest first."""
    folder = data / "search" / "cuad"
    rows = _lines(folder / "corpus.jsonl.gz")
    place = {row["id"]: at for at, row in enumerate(rows)}
    questions = {row["id"]: row for row in _lines(folder / "queries.jsonl.gz")}
    found: dict[str, set[int]] = {}
    words: dict[str, str] = {}
    for line in gzip.decompress((folder / "qrels.tsv.gz").read_bytes()).decode().splitlines()[1:]:
        query, passage, score = line.split("\t")
        if int(score) > 0 and query in questions:
            category = questions[query]["category"]
            found.setdefault(category, set()).add(place[passage])
            words.setdefault(category, questions[query]["text"])
    order = sorted((name for name in found if len(found[name]) >= FEWEST_TUNED), key=lambda name: -len(found[name]))
    kept = [name for at, name in enumerate(order) if at % TUNED and len(found[name]) >= FEWEST]
    topics = [Topic(name, words[name], np.array(sorted(found[name]), dtype=np.int64)) for name in kept]
    return Corpus([f"{row.get('title') or ''}\n{row['text']}" for row in rows], topics)


def _lines(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]
