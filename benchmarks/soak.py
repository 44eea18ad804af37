"""Soak: half an hour of mixed load on the gateway; its memory must not grow, and no decision be lost or doubled.

The mix, a few dozen requests at a time: whole answers, streams, streams whose reader goes away half-way, bodies that
are refused, a tier that is down and falls back, and repeats. Memory is the gateway's resident set, children included,
read every few seconds; growth is the median of the last tenth of the time over that of the second. At the end every
decision id that a client heard is looked up in the ledger.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks import harness, models, servers
from benchmarks.gateway import upstream

MINUTES, QUICK_MINUTES = 30.0, 0.5
WORKERS = 24
PAUSE = 0.15  # seconds between a worker's requests: load without saturation
SAMPLE_SECONDS = 3.0
LIMIT = 0.05  # growth allowed
MIX = (("whole", 40), ("stream", 30), ("leave", 10), ("refused", 8), ("fallback", 7), ("repeat", 5))


class Soak:
    """Workers that draw from the mix until the time is up."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._until = url + "/v1/chat/completions", time.monotonic() + seconds
        self.seen: Counter[str] = Counter()
        self.ids: list[str] = []
        self.failures: Counter[str] = Counter()

    async def run(self, session: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(self._worker(session, random.Random(seed)) for seed in range(WORKERS)))

    async def _worker(self, session: aiohttp.ClientSession, dice: random.Random) -> None:
        kinds, weights = zip(*MIX, strict=True)
        while time.monotonic() < self._until:
            (kind,) = dice.choices(kinds, weights)
            try:
                await self._one(session, kind, dice)
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failures[f"{kind}: {type(error).__name__}: {error}"[:200]] += 1
            self.seen[kind] += 1
            await asyncio.sleep(PAUSE * dice.random() * 2)

    async def _one(self, session: aiohttp.ClientSession, kind: str, dice: random.Random) -> None:
        text = "the same words each time" if kind == "repeat" else "word " * dice.randint(1, 400) + str(dice.random())
        body: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": text}]}
        body["stream"] = kind in ("stream", "leave")
        if kind == "refused":
            body["temperature"] = "hot"
        if kind == "fallback":
            body["model"] = "down"
        async with session.post(self._url, json=body) as answer:
            wanted = 400 if kind == "refused" else 200
            if answer.status != wanted:
                self.failures[f"{kind}: {answer.status}: {(await answer.text())[:160]}"] += 1
                return
            if decision := answer.headers.get("x-rightsized-decision"):
                self.ids.append(decision)
            if kind == "leave":
                await answer.content.readany()
                answer.close()  # the connection is cut with the stream under way
                return
            if body["stream"] and not (await answer.read()).rstrip().endswith(b"[DONE]"):
                self.failures["stream: no [DONE]"] += 1
            await answer.read()


async def _sampled(server: servers.Server, work: asyncio.Task[None]) -> list[tuple[float, float]]:
    began, samples = time.monotonic(), []
    while not work.done():
        samples.append((time.monotonic() - began, server.rss_mb()))
        await asyncio.wait([work], timeout=SAMPLE_SECONDS)
    await work
    return samples


def _home(url: str) -> tuple[Path, Path]:
    home = models.home().path / "benchmarks" / "home-soak"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    dead = servers.free_port()
    settings = home / "rightsized.toml"
    settings.write_text(
        f'[gateway]\ndata_class = "internal"\ncache_entries = 500\n'
        f'[[tiers]]\nname = "small"\nmodel = "fixed"\npreset = "vllm"\nurl = "{url}/v1"\n'
        f'[[tiers]]\nname = "down"\nmodel = "gone"\npreset = "vllm"\nurl = "http://127.0.0.1:{dead}/v1"\n'
        'fallback = ["small"]\nretries = 0\n'
    )
    return home, settings


def _recorded(home: Path, heard: list[str], sent: int) -> dict[str, Any]:
    """What the ledger holds of the decisions that clients heard of; `sent`: requests that were not refused."""
    with sqlite3.connect(f"file:{home / 'decisions.sqlite'}?mode=ro", uri=True) as database:
        starts = Counter(row[0] for row in database.execute("SELECT id FROM starts"))
        ends = Counter(row[0] for row in database.execute("SELECT id FROM ends"))
        outcomes = dict(database.execute("SELECT status, count(*) FROM ends GROUP BY status"))
    return {
        "heard": len(heard),
        "heard_twice": len(heard) - len(set(heard)),
        "lost": sum(starts[decision] == 0 for decision in heard),
        "doubled": max(0, starts.total() - sent),  # one row a request that was taken, however often it was tried
        "without_end": sum(ends[decision] == 0 for decision in heard),
        "outcomes": outcomes,
    }


async def soak(minutes: float) -> dict[str, Any]:
    """One run."""
    with upstream() as url:
        home, settings = _home(url)
        port = servers.free_port()
        command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", str(port), "--json"]
        command += ["--home", str(home), "--config", str(settings)]
        with servers.Server(command, f"http://127.0.0.1:{port}", "/healthz") as server:
            cpu = server.cpu_seconds()
            load = Soak(server.url, minutes * 60)
            timeout = aiohttp.ClientTimeout(total=60)
            connector = aiohttp.TCPConnector(limit=WORKERS * 2)
            async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
                samples = await _sampled(server, asyncio.create_task(load.run(session)))
            await asyncio.sleep(1.0)  # ends of streams that were left
            cpu = server.cpu_seconds() - cpu
        found = _recorded(home, load.ids, load.seen.total() - load.seen["refused"])
    tenth = max(1, len(samples) // 10)
    early = median(rss for _, rss in samples[tenth : 2 * tenth] or samples)
    late = median(rss for _, rss in samples[-tenth:])
    return {
        "minutes": minutes,
        "requests": sum(load.seen.values()),
        "mix": dict(load.seen),
        "failures": dict(load.failures),
        "rss_mb": {"early": early, "late": late, "most": max(rss for _, rss in samples)},
        "growth": late / early - 1,
        "limit": LIMIT,
        "cpu_s": cpu,
        "decisions": found,
        "samples": [[round(at), round(rss, 1)] for at, rss in samples[:: max(1, len(samples) // 60)]],
    }


def main() -> int:
    given = harness.options("soak", __doc__ or "")
    result = asyncio.run(soak(QUICK_MINUTES if given.quick else MINUTES))
    lines = [
        f"{result['requests']:,} requests in {result['minutes']:g} min; memory {result['rss_mb']['early']:.1f} MB "
        f"-> {result['rss_mb']['late']:.1f} MB ({result['growth']:+.1%}, at most {LIMIT:.0%})",
        f"decisions: {json.dumps(result['decisions'])}",
        f"failures: {json.dumps(result['failures'])}",
    ]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    sys.exit(main())
