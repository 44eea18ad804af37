"""A load generator in a process of its own: closed loops over HTTP keep-alive connections, with aiohttp.

    python -m benchmarks.load < order.json > result.json

The order names the URL, the bodies, the connections and the seconds; latencies come back in milliseconds.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import aiohttp
import msgspec

from benchmarks.harness import ROOT, percentiles

WARM_SECONDS = 1.0  # requests before the clock starts


class Order(msgspec.Struct, frozen=True):
    """What to send. `cpus` pins the generator to these cores; empty pins nothing. `headers` beside the content type."""

    url: str
    bodies: tuple[str, ...]
    connections: int
    seconds: float
    cpus: tuple[int, ...] = ()
    headers: dict[str, str] = {}


class Outcome(msgspec.Struct, frozen=True):
    """What came back. `requests` and `failed` are counted within `seconds`; `failure` is the first one's words.

    `total` counts all requests sent, the warm second's too: what the server's CPU time has to be divided by.
    """

    connections: int
    requests: int
    failed: int
    seconds: float
    per_second: float
    latency_ms: dict[str, float]
    generator_cpu_s: float
    total: int
    failure: str = ""


def run(order: Order) -> Outcome:
    """Carry out an order in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=msgspec.json.encode(order), capture_output=True, check=False, cwd=ROOT, timeout=order.seconds + 120,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"the load generator failed: {done.stderr.decode()[-600:]}")
    return msgspec.json.decode(done.stdout, type=Outcome)


class _Loop:
    """Connections that each send the next body as soon as the last answer is whole."""

    def __init__(self, order: Order, session: aiohttp.ClientSession) -> None:
        self._order, self._session = order, session
        self._bodies: Iterator[bytes] = itertools.cycle([body.encode() for body in order.bodies])
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self.total = 0
        self.measuring = False
        self.stop = False

    async def connection(self) -> None:
        headers = {"content-type": "application/json", **self._order.headers}
        while not self.stop:
            started = time.perf_counter()
            try:
                async with self._session.post(self._order.url, data=next(self._bodies), headers=headers) as response:
                    body = await response.read()
                whole = not response.headers.get("content-type", "").startswith("text/event-stream") or (
                    body.rstrip().endswith(b"[DONE]")
                )
                failure = "" if response.status == 200 and whole else f"{response.status}: {body[-200:]!r}"
            except aiohttp.ClientError as error:
                failure = f"{type(error).__name__}: {error}"
            self.total += 1
            if self.measuring and not self.stop:
                self.latencies.append((time.perf_counter() - started) * 1e3)
                if failure:
                    self.failures.append(failure)


async def _measure(order: Order) -> Outcome:
    connector = aiohttp.TCPConnector(limit=order.connections, force_close=False)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        loop = _Loop(order, session)
        running = [asyncio.create_task(loop.connection()) for _ in range(order.connections)]
        await asyncio.sleep(WARM_SECONDS)
        loop.measuring, cpu, started = True, time.process_time(), time.perf_counter()
        await asyncio.sleep(order.seconds)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        loop.stop = True
        await asyncio.gather(*running)
    good = len(loop.latencies) - len(loop.failures)
    return Outcome(
        connections=order.connections,
        requests=len(loop.latencies),
        failed=len(loop.failures),
        seconds=seconds,
        per_second=good / seconds,
        latency_ms=percentiles(loop.latencies, (50, 95, 99, 100)),
        generator_cpu_s=cpu,
        total=loop.total,
        failure=loop.failures[0] if loop.failures else "",
    )


def bodies(texts: Sequence[str], task: str = "") -> tuple[str, ...]:
    """One JSON body a text; with a task, as `POST /v1/classify` takes it."""
    return tuple(msgspec.json.encode({"task": task, "text": t} if task else {"text": t}).decode() for t in texts)


def main() -> int:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    if order.cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, order.cpus)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_measure(order))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
