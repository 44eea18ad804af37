"""What a queue costs in a large inbox: listing, arrivals, giving out, forecasts, opening, memory and disk.

    python -m benchmarks.triage_queue --json

Inboxes of 1,000, 10,000 and 100,000 messages, of which 200, 2,000 and 10,000 wait, for 20 people with two skills and
room for ten messages each (benchmarks/triage_queue_inbox.py). Each size is measured in a process of its own. CPU and
wall milliseconds are of one call, with every thread of the process; a command is a process of its own and is measured
whole, with its start. The home has no encoder and no task: what a task's explanation costs a page is not in here.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import harness
from benchmarks.harness import note
from benchmarks.triage_queue_inbox import fill, mail_of, put, sample_mails
from rightsized.apps.triage.desk import settings as desk_settings
from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.records import Waits
from rightsized.apps.triage.tending import Tending
from rightsized.core.config import Config
from rightsized.server.app import create_app
from rightsized.server.run import Listening, serve
from rightsized.tasks.service import LocalService

SIZES = ((1_000, 200), (10_000, 2_000), (100_000, 10_000))
EXTRA = ((100_000, 2_000),)  # the size that the aims are about
QUICK = ((1_000, 200),)
TIMES, FEW = 30, 3  # calls of what is quick, and of what takes seconds
ARRIVALS = 200
MIB = 2**20
COMMAND = [sys.executable, "-c", "from rightsized.cli import main; main()", "triage", "queue", "--json", "--home"]


def main(arguments: Sequence[str] | None = None) -> int:
    given = harness.options("triage_queue", __doc__.splitlines()[0] if __doc__ else "", _configure, arguments)
    if given.extra.worker:
        messages, waiting = map(int, given.extra.worker.split(","))
        print(json.dumps(harness.plain(measured(messages, waiting))))
        return 0
    sizes = QUICK if given.quick else (*SIZES, *EXTRA)
    rows = []
    for messages, waiting in sizes:
        note(f"{messages:,} messages, {waiting:,} wait")
        again = [sys.executable, "-m", "benchmarks.triage_queue", "--worker", f"{messages},{waiting}"]
        rows.append(json.loads(subprocess.run(again, check=True, stdout=subprocess.PIPE, text=True).stdout))
    return harness.finish(given, {"inboxes": rows}, [line for row in rows for line in _lines(row)])


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--worker", default="", help="measure one inbox: MESSAGES,WAITING")


def measured(messages: int, waiting: int) -> dict[str, Any]:
    """All figures of one inbox."""
    with tempfile.TemporaryDirectory() as scratch:
        home, mails, now = Path(scratch) / "home", sample_mails(), time.time()
        folder = home / "triage" / "inbox"
        fill(folder, messages, waiting, now, mails)
        disk = sum(one.stat().st_size for one in folder.iterdir())
        gc.collect()
        before = psutil.Process().memory_info().rss
        calls = {**_alone(folder, mails, messages, now), **_served(home), "triage queue --json": _command(home)}
        after = psutil.Process().memory_info().rss
    found = {"messages": messages, "waiting": waiting, "disk_mib": disk / MIB, "calls": calls}
    return {**found, "rss_mib": after / MIB, "rss_grown_mib": (after - before) / MIB}


def _alone(folder: Path, mails: list[Any], messages: int, now: float) -> dict[str, Any]:
    desk = desk_settings.load(folder)
    store = MessageStore(folder)
    try:
        made = Tending(store, desk, Calendar(desk.hours))
        calls = {
            "open": _timed(lambda: Tending(store, desk, Calendar(desk.hours)), FEW),
            "first round of giving out": _timed(made.give_out, 1),
            "give_out": _timed(made.give_out, TIMES),
            "ordered, 100 of all": _timed(lambda: made.ordered(Waits(limit=100)), TIMES),
            "ordered, 100 of one queue": _timed(lambda: made.ordered(Waits(queue="orders", limit=100)), TIMES),
            "counts by status": _timed(store.counts, TIMES),
            "a thread": _timed(lambda: store.thread("m300@bench"), TIMES),
            "forecast": _timed(made.forecast, 1),
            "purge, nothing to delete": _timed(lambda: store.purge(now - 400 * 86400), FEW),
        }
        rng, places = np.random.default_rng(6), iter(range(messages, messages + 10 * ARRIVALS))

        def arrive() -> Callable[[], Any]:
            mail = mail_of(mails, next(places), time.time())
            put(store, mail, rng)
            return lambda: made.arrived(store.get(mail.key))

        calls["arrived"] = _timed_each(arrive, ARRIVALS)
    finally:
        store.close()
    return calls


def _served(home: Path) -> dict[str, Any]:
    paths = {
        "GET /v1/triage": "/v1/triage",
        "GET /v1/triage/inbox/messages": "/v1/triage/inbox/messages?limit=100",
        "GET /v1/triage/inbox/messages?queue=": "/v1/triage/inbox/messages?limit=100&queue=orders",
        "GET /v1/triage/inbox/messages?status=done": "/v1/triage/inbox/messages?limit=100&status=done&assignee=person3",
        "GET /triage/inbox (page)": "/triage/inbox",
    }
    with _serving(home) as port:
        return {name: _timed(partial(_get, port, path), TIMES, warm=2) for name, path in paths.items()}


@contextlib.contextmanager
def _serving(home: Path) -> Iterator[int]:
    config = Config(home=str(home))
    app = create_app(LocalService(config, purpose="benchmark", record=True), config)
    ready, found = threading.Event(), list[Listening]()

    def told(one: Listening) -> None:
        found.append(one)
        ready.set()

    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, 5.0, told))
    thread.start()
    try:
        if not ready.wait(60):
            raise SystemExit("the server did not come up")
        yield found[0].port
    finally:
        for one in found:
            one.stop()
        thread.join()


def _get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path, headers={"accept": "*/*" if path.startswith("/v1") else "text/html"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:300]!r}")
        return body
    finally:
        connection.close()


def _command(home: Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(harness.ROOT / "src")}
    return _timed(lambda: subprocess.run([*COMMAND, str(home)], check=True, capture_output=True, env=environment), FEW)


def _timed(call: Callable[[], Any], times: int, warm: int = 0) -> dict[str, Any]:
    for _ in range(warm):
        call()
    return _timed_each(lambda: call, times)


def _timed_each(prepared: Callable[[], Callable[[], Any]], times: int) -> dict[str, Any]:
    """CPU and wall milliseconds of one call; each is made ready outside the clock."""
    wall, cpu = list[float](), list[float]()
    for _ in range(times):
        call = prepared()
        with harness.Clock() as clock:
            call()
        wall.append(clock.wall * 1000)
        cpu.append(clock.cpu * 1000)
    at = harness.percentiles(wall, (50, 95))
    return {"calls": times, "cpu_ms": float(np.mean(cpu)), "p50_ms": at["p50"], "p95_ms": at["p95"]}


def _lines(row: dict[str, Any]) -> list[str]:
    head = f"{row['messages']:,} messages, {row['waiting']:,} wait: {row['disk_mib']:.0f} MiB on disk, "
    lines = [head + f"{row['rss_mib']:.0f} MiB resident ({row['rss_grown_mib']:+.0f})"]
    for name, one in row["calls"].items():
        lines.append(f"  {name:44} {one['cpu_ms']:9.1f} ms CPU, p50 {one['p50_ms']:9.1f}, p95 {one['p95_ms']:9.1f}")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
