"""From the arrival of a message to its route: APPEND acknowledged, announced by IDLE, fetched, read, recorded.

Dovecot on loopback, the sample mailbox's messages at random moments, a home with the sample tasks: each message is
parsed, read by both tasks, summarised, routed and put on record. Dovecot itself waits half a second before it announces
a message; `handed_over` says how much of the time is the server's and the network's, `read` how much is ours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

from benchmarks import dovecot, harness, models
from benchmarks.dovecot import Dovecot
from rightsized import data
from rightsized.apps.triage.protocols import Arrival, Source
from rightsized.apps.triage.records import Handled
from rightsized.apps.triage.running import run
from rightsized.apps.triage.service import TriageService
from rightsized.core import config
from rightsized.core.egress import Egress
from rightsized.tasks.service import LocalService

SEED = 20261128
USER = "support"
COUNT, QUICK_COUNT = 200, 12
MEAN_S = 0.7  # between two messages: the times of arrival are those of a Poisson process


class Timed:
    """A source that notes when it handed each message over."""

    def __init__(self, inner: Source) -> None:
        self._inner, self.name = inner, inner.name
        self.at: dict[str, float] = {}  # by the name of the message

    async def arrivals(self, *, wait: bool) -> AsyncIterator[Arrival]:
        async for one in self._inner.arrivals(wait=wait):
            self.at[named(one.data)] = time.perf_counter()
            yield one

    async def recorded(self, arrival: Arrival) -> None:
        await self._inner.recorded(arrival)

    async def close(self) -> None:
        await self._inner.close()


def named(message: bytes) -> str:
    """The name that a message was given here."""
    return message[: message.index(b"\r\n")].decode()


def messages(count: int) -> list[bytes]:
    """Messages of the sample mailbox, each under a Message-ID of its own."""
    files = sorted((Path(data.__file__).parent / "mailbox" / "messages").glob("*.eml"))
    made = []
    for number in range(count):
        parsed = message_from_bytes(files[number % len(files)].read_bytes())
        del parsed["Message-ID"]
        body = parsed.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        made.append(f"Message-ID: <{number}@bench.example>\r\n".encode() + body)
    return made


def home() -> Path:
    """A home with the sample tasks and the encoder, without inboxes; made where there is none."""
    path = models.home().path / "benchmarks" / "home-triage-imap"
    if (path / "ready").exists():
        shutil.rmtree(path / "triage", ignore_errors=True)
        return path
    shutil.rmtree(path, ignore_errors=True)
    models.encoder().close()  # pulled if absent
    shutil.copytree(models.home().path / "models", path / "models")
    command = [sys.executable, "-m", "rightsized.cli", "demo", "--no-serve", "--home", str(path), "--json"]
    subprocess.run(command, check=True, capture_output=True, cwd=harness.ROOT)
    (path / "ready").touch()
    return path


async def deliver(server: Dovecot, wanted: list[bytes], at: dict[str, float]) -> None:
    """Append each message after a random pause, over one connection; note when the server acknowledged it."""
    chance = random.Random(SEED)
    with server.client(USER) as client:
        for one in wanted:
            await asyncio.sleep(chance.expovariate(1 / MEAN_S))
            status, said = await asyncio.to_thread(client.append, "INBOX", "", "", one)
            if status != "OK":
                raise SystemExit(f"not delivered: {said!r}")
            at[named(one)] = time.perf_counter()


async def measure(server: Dovecot, at: Path, count: int) -> dict[str, Any]:
    """Times of each message, in seconds."""
    settings = config.load(flags={"home": str(at)})
    wanted, acknowledged, routed = messages(count), dict[str, float](), dict[str, float]()
    address = f"imap://{USER}@127.0.0.1:{server.plain}/INBOX"
    async with LocalService(settings, purpose="triage", record=True, gateway=True) as service:
        triage = TriageService(settings, service)
        handling = triage.handling("inbox", new=True)
        inbox = triage.inboxes.open("inbox")
        options = {"password_env": "MAIL_PASSWORD", "seen": True}
        source = Timed(inbox.source(address, options, Egress(), dry_run=False))
        delivering = asyncio.ensure_future(deliver(server, wanted, acknowledged))
        found: list[Handled] = []
        try:
            async for one in run(source, handling, dry_run=False, wait=True):
                routed[f"Message-ID: <{one.key}>"] = time.perf_counter()
                found.append(one)
                if len(found) == count:
                    break
            await delivering
        finally:
            await source.close()
            triage.close()
    first, *names = [named(one) for one in wanted]
    total = [routed[name] - acknowledged[name] for name in names]
    return {
        "messages": count,
        "tasks": sorted(found[0].labels),
        "failed": sum(1 for one in found if one.error),
        "routed_s": harness.percentiles(total),
        "longest_s": max(total),
        "first_s": routed[first] - acknowledged[first],  # loads models, so it is counted apart
        "handed_over_s": harness.percentiles([source.at[name] - acknowledged[name] for name in names]),
        "read_s": harness.percentiles([routed[name] - source.at[name] for name in names]),
        "within_1_s": sum(one < 1 for one in total) / len(total),
        "mean_pause_s": MEAN_S,
    }


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=0, help=f"messages (default {COUNT})")


def main() -> int:
    given = harness.options("triage_imap", __doc__ or "", _configure)
    os.environ["MAIL_PASSWORD"] = dovecot.PASSWORD
    harness.note("fitting the sample tasks")
    at = home()
    with dovecot.running([USER]) as server:
        harness.note("messages arrive")
        count = given.extra.count or (QUICK_COUNT if given.quick else COUNT)
        result = asyncio.run(measure(server, at, count))
    p = result["routed_s"]
    lines = [
        f"{result['messages']} messages, tasks {', '.join(result['tasks'])}: routed after p50 {p['p50']:.3f} s, "
        f"p95 {p['p95']:.3f} s, p99 {p['p99']:.3f} s; {result['within_1_s']:.1%} within a second",
        f"p95 until handed over {result['handed_over_s']['p95']:.3f} s, from then on {result['read_s']['p95']:.3f} s",
    ]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
