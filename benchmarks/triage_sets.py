"""The data sets that learning is replayed on, with the first labels, the labels a round, and the most labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.triage_data import Labelled, default_sets, from_files


def _held(data: Path, train: str, test: str, label: str) -> Labelled:
    folder = data / "triage"
    return from_files(folder / f"{train}.csv.gz", ["text"], label, False, folder / f"{test}.csv.gz")


SETS: dict[str, Callable[[Path], tuple[Labelled, int, int, int]]] = {
    "banking77": lambda data: (_held(data, "banking77_train", "banking77_test", "category"), 100, 100, 1500),
    "clinc150": lambda data: (_held(data, "clinc150_train", "clinc150_val", "intent"), 200, 200, 2400),
    "issues": lambda data: (default_sets(data, ["issues"])[0], 30, 30, 600),
}
