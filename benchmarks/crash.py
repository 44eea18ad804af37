"""Figure 9: kill -9 at random moments under load, and count the acknowledged decisions that are not on the disk.

A child process records decisions of many concurrent requests and writes the id of each reply it gives out to a pipe:
such a decision is acknowledged. The child is killed with SIGKILL at a random moment, opening the file included; then
every acknowledged id must be in the file, ended, with its own reply and text, and `ledger verify` must find nothing:
the file sound, no entry missing, the head over exactly the entries there are, signed.
The same file goes on through all kills. With --server HOME the child is the real server on a copy of that home, and an
acknowledgement is an HTTP response.

A killed process leaves what the operating system holds in memory; a power cut would not. For that the claim rests on
SQLite's synchronous=FULL, which syncs its log before a commit returns.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp

from benchmarks import harness
from rightsized.core.protocols import Answerer
from rightsized.core.types import Reply, Request
from rightsized.engines.fake import FakeAnswerer
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.log_keys import LogKeys
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.ledger.recorded import Recorded
from rightsized.ledger.verify import verify
from rightsized.store.secrets import SecretFolder

KILLS, QUICK_KILLS = 50, 5
LATEST_SECONDS = 1.0  # a kill comes at most this long after the child has begun
CONCURRENT = 64
ANSWER_SECONDS = 0.004  # the longest a fake answer takes
AUDIT_RATE = 0.05
TASK = "crash"


def label_of(text: str) -> str | None:
    """What the fake answers: one message in seven goes to a person."""
    number = int(text.split()[-1])
    return None if number % 7 == 0 else f"label-{number % 10}"


class Jittered(Answerer):
    """Answers after a random pause, so that starts and ends interleave."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._inner = FakeAnswerer(lambda request: label_of(request.text), confidence=0.9)

    async def answer(self, request: Request) -> Reply:
        await asyncio.sleep(self._random.random() * ANSWER_SECONDS)
        return await self._inner.answer(request)


def record_until_killed(path: str, seed: int) -> None:
    """The child: prints `ready`, then `id message` for every reply given out, until it is killed."""
    os.write(1, b"ready\n")
    with SqliteLedger(path, secrets=SecretFolder(Path(path).parent / "secrets")) as ledger:
        recorded = Recorded(Jittered(seed), ledger, coin=lambda i, _: (hash(i) % 100 < 100 * AUDIT_RATE, AUDIT_RATE))

        async def worker(first: int) -> None:
            number = first
            while True:
                subject = f"person {number % 7}" if number % 5 == 0 else ""  # some are sealed, under few keys
                reply = await recorded.answer(Request(TASK, f"message {seed} {number}", subject=subject))
                os.write(1, f"{reply.id} {seed} {number}\n".encode())
                number += CONCURRENT

        async def everyone() -> None:
            await asyncio.gather(*(worker(n) for n in range(CONCURRENT)))

        asyncio.run(everyone())


@dataclasses.dataclass
class Tally:
    """What the kills found."""

    acknowledged: dict[str, str] = dataclasses.field(default_factory=dict)  # id -> text
    per_kill: list[int] = dataclasses.field(default_factory=list)
    lost: list[str] = dataclasses.field(default_factory=list)
    altered: list[str] = dataclasses.field(default_factory=list)
    damage: list[str] = dataclasses.field(default_factory=list)


def fake_round(path: Path, seed: int, delay: float) -> dict[str, str]:
    """Run the child, kill it `delay` seconds after it is ready, and return what it acknowledged: id -> text."""
    code = f"from benchmarks.crash import record_until_killed; record_until_killed({str(path)!r}, {seed})"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=harness.ROOT)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    lines: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(child.stdout, lines))
    reader.start()
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    child.wait()
    reader.join()
    child.stdout.close()
    whole = b"".join(lines).split(b"\n")[:-1]  # a last line without its end was not given out whole
    pairs = (line.decode().split(" ", 1) for line in whole)
    return {decision: f"message {text}" for decision, text in pairs}


class Server:
    """The real server on a home with a fitted task; an acknowledgement is a response read whole."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def round(self, number: int, delay: float) -> dict[str, str]:
        """Start it, load it, kill it `delay` seconds after its first response; returns id -> text."""
        command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--json"]
        environment = {**os.environ, "RIGHTSIZED_HOME": str(self._home)}
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=harness.ROOT)
        try:
            assert child.stdout is not None
            serving = json.loads(child.stdout.readline())
            return asyncio.run(self._load(serving["url"], serving["tasks"][0], number, child, delay))
        finally:
            child.kill()
            child.communicate()

    async def _load(
        self, url: str, task: str, number: int, child: subprocess.Popen[bytes], delay: float
    ) -> dict[str, str]:
        acknowledged: dict[str, str] = {}
        first = asyncio.Event()

        async def worker(client: aiohttp.ClientSession, index: int) -> None:
            while True:
                text = f"message {number} {index}"
                async with client.post(f"{url}/v1/classify", json={"task": task, "text": text}) as response:
                    body = await response.json()
                    acknowledged[body["replies"][0]["id"]] = text
                first.set()
                index += CONCURRENT

        async with aiohttp.ClientSession() as client:
            workers = [asyncio.ensure_future(worker(client, n)) for n in range(CONCURRENT)]
            await first.wait()
            await asyncio.sleep(delay)
            child.send_signal(signal.SIGKILL)
            await asyncio.gather(*workers, return_exceptions=True)  # each ends with its connection
        return acknowledged


def _drain(pipe: BinaryIO, into: list[bytes]) -> None:
    while chunk := os.read(pipe.fileno(), 1 << 16):
        into.append(chunk)


def examine(path: Path, acknowledged: dict[str, str], tally: Tally, *, labels: bool) -> None:
    """Look up every acknowledged decision in the file as the crash left it."""
    if not path.exists():
        tally.lost += acknowledged
        return
    with LedgerReader(path) as reader:
        for decision_id, text in acknowledged.items():
            decision = reader.get(decision_id)
            if decision is None or decision.phase != "done" or decision.reply is None:
                tally.lost.append(decision_id)
            elif reader.text(decision_id) != text or (labels and decision.reply.label != label_of(text)):
                tally.altered.append(decision_id)
    with LedgerReader(path) as reader:
        (origin,) = reader.query("SELECT origin FROM identity")[0]
    trusted = [signer.key for signer in LogKeys(SecretFolder(path.parent / "secrets"), origin).all()]
    tally.damage += [finding.words for finding in verify(path, trusted=trusted).findings]


def run(path: Path, kills: int, seed: int, server: Server | None = None) -> dict[str, Any]:
    """All kills over one file; the result as JSON holds it."""
    chance = random.Random(seed)
    tally = Tally()
    for number in range(kills):
        delay = chance.uniform(0.0, LATEST_SECONDS)
        found = server.round(number, delay) if server else fake_round(path, number, delay)
        examine(path, found, tally, labels=server is None)
        tally.acknowledged |= found
        tally.per_kill.append(len(found))
        harness.note(f"kill {number + 1}/{kills} after {delay:.3f} s: {len(found)} acknowledged")
    examine(path, tally.acknowledged, tally, labels=server is None)  # none may be lost to a later crash or recovery
    with LedgerReader(path) as reader:
        rows = [row.seq for row in reader.rows()]
        open_ones = reader.search(Search(status="open"), limit=1_000_000)
    return {
        "kills": kills,
        "concurrent": CONCURRENT,
        "acknowledged": len(tally.acknowledged),
        "acknowledged_per_kill": harness.percentiles([float(n) for n in tally.per_kill], (0, 50, 100)),
        "lost": len(set(tally.lost)),
        "altered": len(set(tally.altered)),
        "integrity_errors": len(tally.damage),
        "interrupted": sum(decision.phase == "interrupted" for decision in open_ones),
        "read_as_started": sum(decision.phase == "started" for decision in open_ones),
        "rows": len(rows),
        "gaps_in_sequence": len(rows) and rows[-1] - len(rows),
        "file_mb": path.stat().st_size / 1e6,
    }


def main() -> int:
    """Entry of `python -m benchmarks.crash`."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--kills", type=int, default=None, help=f"how often (default {KILLS}, quick {QUICK_KILLS})")
        parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
        parser.add_argument("--server", type=Path, default=None, help="a home with a fitted task: kill the real server")

    given = harness.options("crash", "Acknowledged decisions lost to kill -9.", configure)
    kills = given.extra.kills or (QUICK_KILLS if given.quick else KILLS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.sqlite"
        result = run(path, kills, given.extra.seed)
        if given.extra.server:
            home = Path(folder) / "home"
            shutil.copytree(given.extra.server, home)
            given = dataclasses.replace(given, command=f"python -m benchmarks.{given.name} --json --server HOME")
            result["server"] = run(home / "decisions.sqlite", kills, given.extra.seed, Server(home))
    lines = [f"{key:28} {value}" for key, value in result.items()]
    harness.finish(given, result, lines)
    return int(bool(result["lost"] or result["altered"] or result["integrity_errors"]))


if __name__ == "__main__":
    sys.exit(main())
