"""Latency and memory of a fitted task on this machine, taken in a process of its own that has loaded nothing else.

`measure_serving` starts it; `python -m rightsized.tasks.measure` is it. The time is that of one request at a time
through the rungs with the thresholds in force, tokenising included, HTTP and recording excluded. Memory is the peak
resident set.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from rightsized.core.config import EngineConfig
from rightsized.core.errors import JobError
from rightsized.core.types import Frozen
from rightsized.tasks.records import Latency

TEXTS = 200  # requests timed
WARM_UP = 10  # requests before them: the first calls allocate
TIMEOUT_S = 600


class Serving(Frozen, frozen=True):
    """What one request takes here. `rungs` are the median milliseconds of each rung alone, on every text."""

    latency: Latency
    rss_mb: float
    rungs: tuple[float, ...]


def measure_serving(
    home: str, folder: Path, encoder: str, thresholds: Sequence[float | None], texts: Sequence[str]
) -> Serving:
    """Time up to 200 texts in a fresh process. Raises JobError with its last words where it fails."""
    body = {"home": home, "folder": str(folder), "encoder": encoder, "thresholds": list(thresholds)}
    body["texts"] = list(texts[:TEXTS])
    done = subprocess.run(
        [sys.executable, "-m", "rightsized.tasks.measure"],
        input=json.dumps(body),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    if done.returncode:
        raise JobError(f"Measuring latency failed: {done.stderr.strip()[-400:]}")
    return msgspec.json.decode(done.stdout, type=Serving)


async def _measure(body: dict[str, object]) -> Serving:
    from rightsized.engines.classifier import Classifier, open_rungs
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore
    from rightsized.tasks.encoders import open_encoder

    texts = msgspec.convert(body["texts"], list[str])
    thresholds = msgspec.convert(body["thresholds"], list[float | None])
    encoder = open_encoder(str(body["encoder"]), ModelStore(Home(str(body["home"]))), EngineConfig(sessions=1))
    rungs = open_rungs(Classifier.open(Path(str(body["folder"]))), encoder)
    taken = np.zeros((len(texts), len(rungs)))
    total = np.zeros(len(texts))
    for text in texts[:WARM_UP]:
        for rung in rungs:
            await rung.score(text)
    for i, text in enumerate(texts):
        answered = False
        for k, (rung, threshold) in enumerate(zip(rungs, thresholds, strict=True)):
            started = time.perf_counter()
            scored = await rung.score(text)
            taken[i, k] = (time.perf_counter() - started) * 1000
            if not answered:
                total[i] += taken[i, k]
            answered = answered or (threshold is not None and scored.score >= threshold)
    p50, p95, p99 = np.percentile(total, [50, 95, 99])
    encoder.close()
    peak = _peak_bytes()
    latency = Latency(p50=float(p50), p95=float(p95), p99=float(p99), n=len(texts))
    return Serving(latency, peak / 1e6, tuple(float(x) for x in np.median(taken, axis=0)))


def _peak_bytes() -> int:
    """Peak resident set of this program; `ru_maxrss` would count the parent's pages before exec on Linux."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text("ascii").splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_measure(json.load(sys.stdin)))))
