"""Messages a second from bytes to a recorded route: parsed, every task, fields, rules, summary, store and signed log.

The sample mailbox (incoming messages, each with a new Message-ID a round) through two tasks, over one encoder session.
CPU seconds are those of the whole process; what the disk takes shows in the wall time.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from rightsized import data
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.running import run
from rightsized.apps.triage.service import TriageService
from rightsized.core.config import Config, EngineConfig
from rightsized.tasks.service import LocalService

ROUNDS, QUICK_ROUNDS = 5, 1
WARM = 40  # messages before the clock starts
_ID = re.compile(rb"^message-id:.*$", re.IGNORECASE | re.MULTILINE)


class Again:
    """The messages, a round at a time, each time as if they were new. Implements `protocols.Source`."""

    name = "bench:"

    def __init__(self, messages: list[bytes], rounds: range) -> None:
        self._messages, self._rounds = messages, rounds

    async def arrivals(self, *, wait: bool) -> AsyncIterator[Arrival]:
        for turn in self._rounds:
            for at, body in enumerate(self._messages):
                named = _ID.sub(b"Message-ID: <%d.%d@bench.example>" % (turn, at), body, count=1)
                yield Arrival(f"{turn}/{at}", named)

    async def recorded(self, arrival: Arrival) -> None: ...

    async def close(self) -> None: ...


def main() -> int:
    given = harness.options("triage_throughput", __doc__.splitlines()[0] if __doc__ else "")
    rounds = QUICK_ROUNDS if given.quick else ROUNDS
    folder = data.folder("mailbox") / "messages"
    messages = [one.read_bytes() for one in sorted(folder.glob("*.eml"))]
    with tempfile.TemporaryDirectory() as scratch:
        home = fitted(Path(scratch))
        result = asyncio.run(measured(home, messages, rounds))
    lines = [
        f"{result['messages']:,} messages: {result['per_cpu_second']:.1f} a CPU second, "
        f"{result['per_second']:.1f} a second of wall time; p95 of one {result['ms']['p95']:.0f} ms"
    ]
    return harness.finish(given, result, lines)


def fitted(scratch: Path) -> Path:
    """A home with the sample tasks."""
    from rightsized.cli import main as command

    home = scratch / "home"
    try:
        command(["demo", "--no-serve", "--home", str(home), "--json"])
    except SystemExit as end:
        if end.code:
            raise
    return home


async def measured(home: Path, messages: list[bytes], rounds: int) -> dict[str, Any]:
    config = Config(home=str(home), engine=EngineConfig(sessions=1))
    async with LocalService(config, purpose="benchmark", record=True) as service:
        triage = TriageService(config, service)
        handling = triage.handling("inbox", new=True)
        async for _ in run(Again(messages[:WARM], range(-1, 0)), handling, dry_run=False):
            pass
        latencies, routed, failed = list[float](), 0, 0
        cpu, wall = time.process_time(), time.perf_counter()
        last = wall
        async for one in run(Again(messages, range(rounds)), handling, dry_run=False):
            now = time.perf_counter()
            latencies.append(now - last)
            last = now
            routed += one.route.automatic
            failed += bool(one.error)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        alone = await _alone(triage, messages)
        triage.close()
    count = len(latencies)
    return {
        "messages": count,
        "routed": routed,
        "failed": failed,
        "cpu_s": cpu,
        "wall_s": wall,
        "per_cpu_second": count / cpu,
        "per_second": count / wall,
        "ms": {f"p{at}": float(np.percentile(alone, at)) for at in (50, 95, 99)},
        "tasks": ["support", "tone"],
    }


async def _alone(triage: TriageService, messages: list[bytes]) -> list[float]:
    """Milliseconds of one message from bytes to a recorded route, with nothing beside it."""
    handling, found = triage.handling("inbox"), list[float]()
    async for arrival in Again(messages, range(10_000, 10_001)).arrivals(wait=False):
        started = time.perf_counter()
        await handling.process(arrival, "bench:", dry_run=False)
        found.append((time.perf_counter() - started) * 1000)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
