"""Figure 6: memory of the server with one task, and what starting costs beside a bare `python -c pass`.

Starts are run in turn, so that all meet the same load; a multiple is the ratio of medians. CPU is user and system time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

from benchmarks import harness, load, servers

ROUNDS, QUICK_ROUNDS = 15, 3
REQUESTS_S = 4.0  # load before memory is read the second time
TARGET_MB = 250.0
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import rightsized": ["-c", "import rightsized"],
    "rightsized --help": ["-m", "rightsized.cli", "--help"],
    "rightsized --version": ["-m", "rightsized.cli", "--version"],
    "import sklearn.linear_model (to compare)": ["-c", "import sklearn.linear_model"],
}


def starts(rounds: int) -> dict[str, dict[str, float]]:
    """Wall and CPU milliseconds of each command (medians), and multiples of the bare interpreter."""
    wall: dict[str, list[float]] = {name: [] for name in COMMANDS}
    cpu: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            once = _once(arguments)
            if turn:  # the first round fills the file cache
                wall[name].append(once[0])
                cpu[name].append(once[1])
    bare_wall, bare_cpu = median(wall["python -c pass"]), median(cpu["python -c pass"])
    return {
        name: {
            "wall_ms": median(wall[name]),
            "cpu_ms": median(cpu[name]),
            "wall_multiple": median(wall[name]) / bare_wall,
            "cpu_multiple": median(cpu[name]) / bare_cpu,
        }
        for name in COMMANDS
    }


def _once(arguments: list[str]) -> tuple[float, float]:
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"python {' '.join(arguments)} ended with status {process.returncode}")
    return (time.perf_counter() - started) * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def memory(given: harness.Options, split: str) -> dict[str, Any]:
    """Resident memory of `rightsized serve` with banking77 as its one task: started, under load, after explaining."""
    rows = given.data / "triage" / f"banking77_{split}.csv.gz"
    home = servers.home_with_task("banking77", rows, "text", "category", 0.05)
    texts, _ = harness.banking77(given.data, "test")
    with servers.rightsized(home) as server:
        started = server.rss_mb()
        order = load.Order(server.url + "/v1/classify", load.bodies(texts[:500], "banking77"), 16, REQUESTS_S)
        outcome = load.run(order)
        loaded = server.rss_mb()
    if outcome.failed:
        raise SystemExit(f"{outcome.failed} requests failed: {outcome.failure}")
    train, labels = harness.banking77(given.data, split)
    return {
        "task": f"banking77_{split}",
        "rows": len(train),
        "labels": len(set(labels)),
        "rss_mb_started": started,
        "rss_mb_after_load": loaded,
        "requests": outcome.requests,
        "target_mb": TARGET_MB,
        "target_met": max(started, loaded) < TARGET_MB,
    }


def main() -> int:
    given = harness.options("startup", __doc__ or "")
    tasks = ("10shot",) if given.quick else ("train", "10shot")
    result = {
        "starts": starts(QUICK_ROUNDS if given.quick else ROUNDS),
        "memory": [memory(given, split) for split in tasks],
    }
    return harness.finish(given, result, _table(result))


def _table(result: dict[str, Any]) -> list[str]:
    lines = [
        f"{name:42} {row['wall_ms']:7.0f} ms  {row['wall_multiple']:5.1f}x wall  {row['cpu_multiple']:5.1f}x CPU"
        for name, row in result["starts"].items()
    ]
    for row in result["memory"]:
        lines.append(
            f"server, {row['task']} ({row['labels']} labels): {row['rss_mb_started']:.0f} MB started, "
            f"{row['rss_mb_after_load']:.0f} MB after {row['requests']} requests (target {row['target_mb']:.0f})"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
