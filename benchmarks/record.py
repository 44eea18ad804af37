"""What recording costs: decisions a second, CPU and latency, beside the same answerer unrecorded, in the same run.

The answerer sleeps as long as a rung takes (n-gram model 0.15 ms, encoder head 5 ms) and uses no CPU, so that the
difference is the recorder's and the ledger's alone. Every recorded reply is on the disk, under a signed head, before it
counts; how long the disk takes to sync 4 KiB is measured beside each row.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.samples import reply
from rightsized.core.protocols import Answerer
from rightsized.core.types import Reply, Request
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.recorded import Recorded
from rightsized.store.secrets import SecretFolder

PAUSES_MS = (0.15, 5.0)
CONCURRENT = (1, 16, 64)
SYNCS = 50
SECONDS, QUICK_SECONDS = 2.0, 0.5  # of each measurement
ROUNDS, QUICK_ROUNDS = 3, 1  # bare and recorded take turns
TEXT = "I was charged twice for order {}, can you please send one of the two payments back?"


class Pausing(Answerer):
    """A reply of realistic size after a pause."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def answer(self, request: Request) -> Reply:
        await asyncio.sleep(self._seconds)
        return reply(request.id, request.task)


async def load(answerer: Answerer, concurrent: int, seconds: float) -> tuple[list[float], float, float]:
    """Latencies (ms), wall seconds and CPU seconds of `concurrent` callers asking for `seconds`."""
    latencies: list[float] = []
    stop = time.perf_counter() + seconds

    async def caller(first: int) -> None:
        number = first
        while (began := time.perf_counter()) < stop:
            await answerer.answer(Request("support", TEXT.format(number)))
            latencies.append(1000 * (time.perf_counter() - began))
            number += concurrent

    with harness.Clock() as clock:
        await asyncio.gather(*(caller(n) for n in range(concurrent)))
    return latencies, clock.wall, clock.cpu


def sync_ms(folder: Path) -> float:
    """Median time to write and sync 4 KiB here: what no commit can be quicker than."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(1000 * (time.perf_counter() - began))
    return harness.percentiles(times)["p50"]


def measure(pause_ms: float, concurrent: int, seconds: float, rounds: int, folder: Path) -> dict[str, Any]:
    """One row: bare and recorded in turns, their figures and the difference."""
    kinds: dict[str, list[tuple[list[float], float, float]]] = {"bare": [], "recorded": []}
    groups, syncs = 0, []
    for number in range(rounds):
        bare = Pausing(pause_ms / 1000)
        syncs.append(sync_ms(folder))
        kinds["bare"].append(asyncio.run(load(bare, concurrent, seconds)))
        secrets = SecretFolder(folder / "secrets")
        with SqliteLedger(folder / f"{pause_ms}-{concurrent}-{number}.sqlite", secrets=secrets) as ledger:
            kinds["recorded"].append(asyncio.run(load(Recorded(bare, ledger), concurrent, seconds)))
            groups += ledger.groups
    row: dict[str, Any] = {"pause_ms": pause_ms, "concurrent": concurrent}
    for kind, runs in kinds.items():
        latencies = [latency for run in runs for latency in run[0]]
        row[kind] = {
            "per_second": len(latencies) / sum(run[1] for run in runs),
            "cpu_us": 1e6 * sum(run[2] for run in runs) / len(latencies),
            "latency_ms": harness.percentiles(latencies),
        }
    recorded = sum(len(run[0]) for run in kinds["recorded"])
    row["added_cpu_us"] = row["recorded"]["cpu_us"] - row["bare"]["cpu_us"]
    row["added_p50_ms"] = row["recorded"]["latency_ms"]["p50"] - row["bare"]["latency_ms"]["p50"]
    row["sync_ms"] = sum(syncs) / len(syncs)
    row["rows_per_commit"] = 2 * recorded / groups
    return row


def main() -> int:
    """Entry of `python -m benchmarks.record`."""
    given = harness.options("record", "What recording each decision costs.")
    seconds, rounds = (QUICK_SECONDS, QUICK_ROUNDS) if given.quick else (SECONDS, ROUNDS)
    rows = []
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "benchmarks") as folder:  # the disk, not memory
        for pause_ms in PAUSES_MS:
            for concurrent in CONCURRENT:
                rows.append(measure(pause_ms, concurrent, seconds, rounds, Path(folder)))
                harness.note(f"pause {pause_ms} ms, {concurrent} callers: {_line(rows[-1])}")
    return harness.finish(given, {"seconds": seconds, "rounds": rounds, "rows": rows}, [_line(row) for row in rows])


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['pause_ms']:5.2f} ms pause {row['concurrent']:3d} callers: {row['recorded']['per_second']:7,.0f}/s, "
        f"+{row['added_cpu_us']:4.0f} us CPU, +{row['added_p50_ms']:5.2f} ms p50, "
        f"{row['rows_per_commit']:5.1f} rows a commit (a bare sync: {row['sync_ms']:.2f} ms)"
    )


if __name__ == "__main__":
    sys.exit(main())
