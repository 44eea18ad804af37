"""What a refit costs: CPU and wall seconds by size, with its parts, beside a refit that chooses everything anew.

    python -m benchmarks.triage_refit --json [--data PATH]

A task is fitted on 1,000, 5,000 and 9,700 examples, one of each label at least; then 280 messages are answered
and corrected, of which a quarter by hash is kept back. `rightsized triage learn refit` runs as a person runs it,
process start and comparison included; so does `refit --full`. The parts are timed apart, in one process: the stages
that a fit reports, by CPU.
Both candidates are judged on the test rows, which neither saw.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness, models
from benchmarks.harness import note
from rightsized.apps.triage.learning.candidate import refit
from rightsized.apps.triage.learning.compare import scored_by
from rightsized.core.config import AuditConfig, Config
from rightsized.core.types import Targets, Task
from rightsized.store.home import Home
from rightsized.tasks.dataset import Columns, from_lists
from rightsized.tasks.fit import fit_task
from rightsized.tasks.records import FitReport
from rightsized.tasks.service import LocalService
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.versions import TaskStore

TASK, CORRECTIONS, JUDGED = "mail", 280, 2_000
SIZES = {"banking77": (1_000, 5_000, 9_700), "clinc150": (5_000,)}
Rows = list[tuple[str, str]]


@dataclass
class Stages:
    """A Progress that keeps the CPU seconds of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: tuple[str, float] = ("", 0.0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        name, since = self._last
        now = time.process_time()
        if name:
            self.seconds[name] = self.seconds.get(name, 0.0) + now - since
        self._last = (stage, now)


def rows_of(name: str, data: Path) -> tuple[Rows, Rows]:
    """Train rows in a random order, and test rows."""
    read, held = (harness.banking77, "test") if name == "banking77" else (harness.clinc150, "val")
    train, test = (list(zip(*read(data, split), strict=True)) for split in ("train", held))
    order = np.random.default_rng(0).permutation(len(train))
    first = list({train[i][1]: i for i in order[::-1]}.values())  # of each label one: all are known from the start
    return [train[i] for i in [*first, *(i for i in order if i not in set(first))]], test[:JUDGED]


def home_with(rows: Rows, folder: Path) -> Home:
    """A home that has the encoder and the task fitted on these rows."""
    shutil.copytree(models.home().path / "models", folder / "models", copy_function=os.link)
    home = Home(folder).ensure()
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    plan = FitPlan(str(folder), TASK, rows=(texts, labels), columns=Columns(), targets=Targets(), train_only=True)
    fit_task(plan)
    return home


async def correct(home: Home, rows: Rows) -> None:
    """Messages are answered, and a person says of each what it is."""
    config = Config(home=str(home.path), audit=AuditConfig(rate=0.0))
    async with LocalService(config, purpose="benchmark", record=True) as service:
        for text, label in rows:
            reply = await service.classify(TASK, text)
            give = service.label if reply.status == "abstained" else service.feedback
            await give(reply.id, label, "benchmark")


def by_command(home: Home, *options: str) -> dict[str, Any]:
    """`triage learn refit` as a person runs it; its CPU and wall seconds, and what it said."""
    command = [sys.executable, "-m", "rightsized.cli", "triage", "learn", "refit", TASK, *options]
    with harness.Clock() as clock:
        done = subprocess.run(
            [*command, "--home", str(home.path), "--json"], check=True, capture_output=True, text=True
        )
    said = json.loads(done.stdout)
    compared = said["comparison"]["out_of_fold"]
    return {
        "cpu_s": clock.cpu,
        "wall_s": clock.wall,
        "version": said["candidate"]["version"],
        "corrections": said["candidate"]["corrections"],
        "needed": said["candidate"]["needed"],
        "old_examples_compared": compared["n"] if compared else 0,
    }


def parts(home: Home) -> dict[str, float]:
    """CPU seconds of the stages of the fit behind a refit, in this process."""
    stages = Stages()

    def fit(plan: FitPlan) -> FitReport:
        try:
            return fit_task(plan, stages)
        finally:
            stages("", 0, 0)

    refit(home, TASK, fit)
    return stages.seconds


def accuracy(home: Home, versions: Sequence[str], test: Rows) -> list[float]:
    """Share right of each version's encoder rung, through the path that serves."""
    store = TaskStore(home)
    task = store.read(TASK, "task.json", Task)
    data = from_lists([text for text, _ in test], [label for _, label in test], Columns())
    scored = scored_by(home, task, [store.folder(TASK, version) for version in versions], data)
    return [float(one.correct[:, -1].mean()) for one in scored]


def measure(name: str, size: int, data: Path) -> dict[str, Any]:
    """All figures of one size."""
    train, test = rows_of(name, data)
    note(f"{name}, {size} examples")
    with tempfile.TemporaryDirectory() as folder:
        home = home_with(train[:size], Path(folder) / "home")
        asyncio.run(correct(home, train[size : size + CORRECTIONS]))
        usual, full = by_command(home), by_command(home, "--full")
        found = {
            "examples": size,
            "refit": {**usual, "stages_cpu_s": parts(home)},
            "full": full,
        }
        before = TaskStore(home).current(TASK)
        own = accuracy(home, [before, usual["version"], full["version"]], test)
        return {**found, "accuracy": dict(zip(("running", "refit", "full"), own, strict=True))}


def main(arguments: Sequence[str] | None = None) -> int:
    """All sizes of both data sets."""
    given = harness.options("triage_refit", __doc__ or "", arguments=arguments)
    models.encoder().close()  # pulled where it is not there
    sizes = {"banking77": SIZES["banking77"][:1]} if given.quick else SIZES
    result = {name: [measure(name, size, given.data) for size in each] for name, each in sizes.items()}
    lines = [line for name, rows in result.items() for row in rows for line in _lines(name, row)]
    return harness.finish(given, result, lines)


def _lines(name: str, row: dict[str, Any]) -> list[str]:
    found = [f"{name}, {row['examples']} examples"]
    for how in ("refit", "full"):
        one = row[how]
        found.append(
            f"  {how:6} {one['cpu_s']:5.1f} s CPU {one['wall_s']:5.1f} s wall, accuracy {row['accuracy'][how]:.3f}"
        )
    stages = row["refit"]["stages_cpu_s"].items()
    return [*found, "  of a refit: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages)]


if __name__ == "__main__":
    raise SystemExit(main())
