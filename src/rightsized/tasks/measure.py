"""Latency and memory of a fitted task on this machine, taken in a process of its own that has loaded nothing else.

`measure_serving` starts it; `python -m rightsized.tasks.measure` is it. The time is that of one request at a time
through the rungs with the thresholds in force, tokenising included, HTTP and recording excluded. Memory is the peak
resident set.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rightsized.core.config import EngineConfig
from rightsized.core.egress import Egress
from rightsized.core.errors import JobError
from rightsized.core.types import Frozen
from rightsized.tasks.records import Latency

if TYPE_CHECKING:
    from rightsized.engines.classifier import Classifier
    from rightsized.engines.onnx import OnnxEncoder
    from rightsized.store.home import Home

TIMED = 60  # texts timed with the encoder before quantisation, where its vectors of the others are at hand
WARM_UP = 10  # requests before them: the first calls allocate
TIMEOUT_S = 600


class FullPrecision(Frozen, frozen=True):
    """The encoder before quantisation, behind the same head: what INT8 saves and what it costs.

    `answers` and `scores` are the encoder rung's, text by text; `size` in bytes.
    """

    size: int
    latency_ms: float
    answers: tuple[tuple[str, ...], ...]
    scores: tuple[float, ...]


class Serving(Frozen, frozen=True):
    """What one request takes here. `rungs` are the median milliseconds of each rung alone, on every text."""

    latency: Latency
    rss_mb: float
    rungs: tuple[float, ...]
    full: FullPrecision | None = None


class Measurement(Frozen, frozen=True):
    """What is to be measured: `asked` is how many rungs each text goes through at the thresholds in force."""

    home: str
    folder: str
    encoder: str
    texts: tuple[str, ...]
    asked: tuple[int, ...]
    compare: bool


def spread(rows: int, count: int) -> list[int]:
    """Positions of the rows that are timed: up to `count`, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, rows - 1, min(count, rows)).astype(int))] if rows else []


def measure_serving(measurement: Measurement) -> Serving:
    """Time the texts in a fresh process. Raises JobError with its last words where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "rightsized.tasks.measure"],
        input=msgspec.json.encode(measurement),
        capture_output=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        raise JobError(f"Measuring latency failed: {done.stderr.decode('utf-8', 'replace').strip()[-400:]}")
    return msgspec.json.decode(done.stdout, type=Serving)


async def _measure(wanted: Measurement) -> Serving:
    from rightsized.engines.classifier import Classifier, open_rungs
    from rightsized.store.home import Home
    from rightsized.store.models import ModelStore
    from rightsized.tasks.encoders import open_encoder

    store, config = ModelStore(Home(wanted.home)), EngineConfig(sessions=1)
    encoder = open_encoder(wanted.encoder, store, config)
    classifier = Classifier.open(Path(wanted.folder))
    rungs = open_rungs(classifier, encoder)
    taken = np.zeros((len(wanted.texts), len(rungs)))
    for text in wanted.texts[:WARM_UP]:
        for rung in rungs:
            await rung.score(text)
    for i, text in enumerate(wanted.texts):
        for k, rung in enumerate(rungs):
            started = time.perf_counter()
            await rung.score(text)
            taken[i, k] = (time.perf_counter() - started) * 1000
    encoder.close()
    peak = _peak_bytes()  # before the other variant is opened
    total = [float(row[:asked].sum()) for row, asked in zip(taken, wanted.asked, strict=True)]
    p50, p95, p99 = np.percentile(total, [50, 95, 99])
    latency = Latency(p50=float(p50), p95=float(p95), p99=float(p99), n=len(total))
    full = None
    if wanted.compare and encoder.variant == "int8" and "fp32" in encoder.card.variants:
        other = open_encoder(wanted.encoder, store, config, variant="fp32")
        full = _full_precision(classifier, other, store.home, wanted.texts)
    return Serving(latency, peak / 1e6, tuple(float(x) for x in np.median(taken, axis=0)), full)


def _full_precision(classifier: Classifier, encoder: OnnxEncoder, home: Home, texts: Sequence[str]) -> FullPrecision:
    from rightsized.tasks.embeddings import Embedder

    embedder = Embedder(home, encoder)
    known, fresh, milliseconds = embedder.known(texts), {}, []
    timed = set(np.linspace(0, len(texts) - 1, TIMED).astype(int).tolist())
    for text in texts[:WARM_UP]:
        encoder.encode_now(text)
    scored = []
    for i, text in enumerate(texts):
        started = time.perf_counter()
        encoded = known[text] if i not in timed and text in known else encoder.encode_now(text)
        scored.append(classifier.score_vector(text, encoded.vector))
        if i in timed or text not in known:
            milliseconds.append((time.perf_counter() - started) * 1000)
            fresh[text] = encoded
    embedder.keep(fresh)
    encoder.close()
    size = encoder.card.files[encoder.card.variants[encoder.variant].file].size
    answers, scores = tuple(one.prediction.labels for one in scored), tuple(one.score for one in scored)
    return FullPrecision(size, float(np.median(milliseconds)), answers, scores)


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
    Egress().watch()
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Measurement)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_measure(request))))
