"""The search libraries beside us: how each is pinned and run. They get the texts and our encoder's vectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peer import TORCH_CPU, Peer, PeerUnavailable
from rightsized.apps.search.evaluate.beir import Judged

NUMPY = "numpy==2.2.6"
PEERS: dict[str, Callable[[], Peer]] = {  # made anew for each set: a peer runs once
    "bm25s": partial(Peer, "bm25s", ("bm25s==0.3.16", "PyStemmer==3.1.0", NUMPY), "bm25s_peer.py"),
    "tantivy": partial(Peer, "tantivy", ("tantivy==0.27.0", NUMPY), "tantivy_peer.py"),
    "txtai": partial(Peer, "txtai", ("txtai==9.14.0", TORCH_CPU, NUMPY), "txtai_peer.py", {"HF_HUB_OFFLINE": "1"}),
    "haystack": partial(Peer, "haystack", ("haystack-ai==3.4.1", NUMPY), "haystack_peer.py"),
}
DEPTH = 100


def write_rows(
    folder: Path, judged: Judged, asked: Sequence[str], wanted: Sequence[str],
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:  # fmt: skip
    """What a peer reads: rows and questions with the document each is asked of ("" where of none), and vectors."""
    rows = [{"id": row.id, "text": row.text, "document": row.document} for row in judged.rows]
    questions = [{"text": text, "document": document} for text, document in zip(asked, wanted, strict=True)]
    (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
    (folder / "questions.json").write_text(json.dumps(questions), "utf-8")
    np.save(folder / "rows.npy", vectors[0], allow_pickle=False)
    np.save(folder / "questions.npy", vectors[1], allow_pickle=False)


def ranked(peer: Peer, folder: Path) -> tuple[list[list[str]], dict[str, Any]]:
    """Row ids of every question, best first, and what it took. Raises PeerUnavailable."""
    with peer:
        found: list[list[str]] = peer.call("rank", folder=str(folder), depth=DEPTH)
    return found, {key: round(value, 2) for key, value in peer.cost.items()}


def reciprocal(first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], k: int = 60) -> list[list[str]]:
    """Reciprocal rank fusion of two rankings of each question (Cormack, Clarke and Büttcher 2009)."""
    fused = []
    for lists in zip(first, second, strict=True):
        scores: dict[str, float] = {}
        for ranking in lists:
            for place, row in enumerate(ranking, 1):
                scores[row] = scores.get(row, 0.0) + 1 / (k + place)
        fused.append(sorted(scores, key=lambda row: -scores[row])[:DEPTH])
    return fused


__all__ = ["DEPTH", "PEERS", "PeerUnavailable", "ranked", "reciprocal", "write_rows"]
