"""CPU that the HTTP server adds to one `POST /v1/classify`, beside a bare ASGI application in the same uvicorn.

    python -m benchmarks.http_overhead --json [--quick]

Both answer the same bytes and run no model; what differs is reading, checking, decoding, counting and encoding. CPU is
user plus system time of the server's process, over the requests it answered.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, cast

import msgspec
import psutil

from benchmarks import harness, load
from rightsized.core.config import Config
from rightsized.core.types import TIER_TASK, Attempt, LabelScore, Prediction, Reply
from rightsized.server.app import App, create_app
from rightsized.server.bodies import Replies
from rightsized.server.reading import Receive, Send
from rightsized.server.run import Listening, serve
from rightsized.tasks.service_protocol import Service

TEXT = "My invoice was charged twice, please send the refund of the second payment to my card."
CONNECTIONS = 16
KINDS = ("bare", "rightsized")


def fixed_reply() -> Reply:
    """A reply as large as a real one of the first rung."""
    scores = tuple(LabelScore(f"label {n}", 0.9 / (n + 1)) for n in range(5))
    said = Prediction("label 0", ("label 0",), scores)
    attempt = Attempt("ngram", TIER_TASK, "sha256:" + "0" * 64, 0.97, 0.91, True, said, latency_ms=0.17)
    return Reply(
        id="01a206bf-9717-7c71-9ba4-0db293ac0b68", task="support", status="answered", output=said, rung="ngram",
        tier=TIER_TASK, model=attempt.model, confidence=0.97, state="certified", certified=True, attempts=(attempt,),
    )  # fmt: skip


class FixedService:
    """The part of a Service that the hot path touches."""

    def __init__(self) -> None:
        self._reply = fixed_reply()

    async def classify(self, task: str, text: str, **asked: Any) -> Reply:
        return self._reply

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Bare:
    """The least that an ASGI application can do: take the body, send bytes made beforehand."""

    def __init__(self) -> None:
        self.config = Config()  # the server reads from it how long a body may take
        self._body = msgspec.json.encode(Replies((fixed_reply(),)))
        length = b"%d" % len(self._body)
        self._headers = [(b"content-type", b"application/json"), (b"content-length", length)]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        yield


def serve_kind(kind: str) -> None:
    """Serve one of the two and print its port. Runs in a process of its own."""
    app = cast(App, Bare()) if kind == "bare" else create_app(cast(Service, FixedService()), Config())

    def say(listening: Listening) -> None:
        print(listening.port, flush=True)

    serve(app, "127.0.0.1", 0, on_ready=say)


def measure(kind: str, seconds: float) -> float:
    """Microseconds of CPU a request."""
    command = [sys.executable, "-m", "benchmarks.http_overhead", "--serve", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=harness.ROOT) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the server has no standard output")
            url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1/classify"
            body = msgspec.json.encode({"task": "support", "text": TEXT}).decode()
            watched = psutil.Process(process.pid)
            load.run(load.Order(url, (body,), CONNECTIONS, 0.5))
            before = watched.cpu_times()
            done = load.run(load.Order(url, (body,), CONNECTIONS, seconds))
            after = watched.cpu_times()
        finally:
            process.terminate()
    if done.failed:
        raise RuntimeError(f"{done.failed} requests to the {kind} server failed: {done.failure}")
    spent = after.user + after.system - before.user - before.system
    share = done.seconds / (done.seconds + load.WARM_SECONDS)  # CPU covers the generator's warm-up, the count does not
    return float(1e6 * spent * share / done.requests)


def main() -> int:
    given = harness.options("http_overhead", __doc__ or "")
    rounds, seconds = (1, 1.0) if given.quick else (5, 5.0)
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS[:: -1 if number % 2 else 1]:  # the order alternates: neither always runs on a warm machine
            found[kind].append(measure(kind, seconds))
            harness.note(f"round {number + 1}: {kind} {found[kind][-1]:.0f} us a request")
    bare, ours = (median(found[kind]) for kind in KINDS)
    result = {
        "connections": CONNECTIONS,
        "rounds": rounds,
        "seconds": seconds,
        "cpu_us_a_request": {kind: {"median": median(values), "all": values} for kind, values in found.items()},
        "added_cpu_us": ours - bare,
        "ratio": ours / bare,
    }
    lines = [f"bare {bare:.0f} us, rightsized {ours:.0f} us: {ours - bare:.0f} us of CPU added to a request"]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        serve_kind(sys.argv[2])
    else:
        raise SystemExit(main())
