"""Gateway overhead: CPU a request and latency of `/v1/chat/completions` in front of the same fixed upstream.

Ours runs with everything on that a regulated user needs: API key, rate limit and budget checked, policy (data class)
applied, metrics counted, and every decision durable in the ledger before the client hears its id. Beside it, in the
same run: the raw pass-through (nothing of that), the LiteLLM proxy with one worker and a master key (nothing written
to disk), and the vllm and sglang routers where pip can install them.

The generator and the upstream are processes of their own; CPU is the gateway's own, children included.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import msgspec

from benchmarks import harness, load, models, servers
from benchmarks.load import Order
from benchmarks.peer import Peer, PeerUnavailable

CONNECTIONS = (1, 16, 64)
ROUNDS = 1
MASTER = "sk-benchmark"
LITELLM = ("litellm[proxy]==1.100.0",)  # newer ones ask for a certifi that is not on every mirror
VLLM_ROUTER = ("vllm-router",)
SGLANG_ROUTER = ("sglang-router",)
QUESTION = "Where is my parcel? I ordered it two weeks ago and the tracking page has not changed since Monday."


@dataclass(frozen=True)
class Candidate:
    """A gateway to measure: how to start it in front of an upstream, the headers it wants, and what it includes."""

    name: str
    start: Callable[[str], servers.Server]
    includes: str
    headers: Callable[[], dict[str, str]] = dict


def body(stream: bool) -> str:
    """One chat request."""
    return json.dumps({"model": "fixed", "messages": [{"role": "user", "content": QUESTION}], "stream": stream})


def measure(candidate: Candidate, upstream: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Every set-up of one gateway; the median of the rounds by CPU."""
    harness.note(candidate.name)
    try:
        with candidate.start(upstream) as server:
            found = []
            for stream in (False, True):
                for count in CONNECTIONS:
                    order = Order(
                        server.url + "/v1/chat/completions", (body(stream),), count, seconds, (), candidate.headers()
                    )
                    rows = [_loaded(server, order) for _ in range(rounds)]
                    rows.sort(key=lambda row: row["cpu_us"])
                    chosen = rows[len(rows) // 2]
                    found.append({"stream": stream, **chosen, "cpu_us_rounds": [row["cpu_us"] for row in rows]})
            return {"gateway": candidate.name, "includes": candidate.includes, "measured": found}
    except (servers.ServerFailed, PeerUnavailable) as reason:
        return {"gateway": candidate.name, "unavailable": str(reason)}


def _loaded(server: servers.Server, order: Order) -> dict[str, Any]:
    load.run(msgspec.structs.replace(order, seconds=1.0))
    before = server.cpu_seconds()
    outcome = load.run(order)
    spent = server.cpu_seconds() - before
    return {
        "connections": order.connections,
        "cpu_us": spent / max(1, outcome.total) * 1e6,
        "per_second": outcome.per_second,
        **{f"{key}_ms": value for key, value in outcome.latency_ms.items()},
        "rss_mb": server.rss_mb(),
        "requests": outcome.requests,
        "failed": outcome.failed,
        "failure": outcome.failure,
    }


class Ours:
    """`rightsized serve` with one remote tier, keys asked for, and everything recorded."""

    def __init__(self, *, record: bool = True) -> None:
        self._record = record
        self._key = ""

    def start(self, upstream: str) -> servers.Server:
        home = models.home().path / "benchmarks" / "home-gateway"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        settings = home / "rightsized.toml"
        settings.write_text(
            '[server]\nrequire_key = "always"\n[gateway]\ndata_class = "internal"\n'
            f"[record]\nenabled = {str(self._record).lower()}\n"
            '[[tiers]]\nname = "small"\nmodel = "fixed"\npreset = "vllm"\nconcurrent = 256\nprice_in = 0.1\n'
            f'price_out = 0.2\nurl = "{upstream}/v1"\n'
        )
        made = subprocess.run(
            [sys.executable, "-m", "rightsized.cli", "keys", "create", "benchmark", "--home", str(home), "--json",
             "--requests-per-minute", "100000000", "--budget", "1000000", "--tenant", "bench"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        self._key = json.loads(made.stdout)["key"]
        port = servers.free_port()
        command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", str(port), "--json"]
        command += ["--home", str(home), "--config", str(settings)]
        return servers.Server(command, f"http://127.0.0.1:{port}", "/healthz")

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._key}"}


def passthrough(upstream: str) -> servers.Server:
    port = servers.free_port()
    command = [sys.executable, "-m", "benchmarks.passthrough", str(port), upstream]
    return servers.Server(command, f"http://127.0.0.1:{port}", "/")


def litellm(upstream: str) -> servers.Server:
    peer = Peer("litellm", LITELLM, "wire.py")
    peer.install()
    folder = models.home().path / "benchmarks" / "litellm"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "config.yaml"
    settings.write_text(
        "model_list:\n  - model_name: fixed\n    litellm_params:\n      model: openai/fixed\n"
        f"      api_base: {upstream}/v1\n      api_key: none\ngeneral_settings:\n  master_key: {MASTER}\n"
    )
    port = servers.free_port()
    command = [str(peer.python.parent / "litellm"), "--config", str(settings), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"]
    environment = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return servers.Server(command, f"http://127.0.0.1:{port}", "/health/liveliness", environment)


def router(name: str, requirements: tuple[str, ...], module: str) -> Callable[[str], servers.Server]:
    """A router written in Rust, from PyPI."""

    def start(upstream: str) -> servers.Server:
        peer = Peer(name, requirements, "wire.py")
        peer.install()
        port = servers.free_port()
        command = [str(peer.python), "-m", module, "--worker-urls", upstream, "--port", str(port)]
        command += ["--host", "127.0.0.1", "--policy", "round_robin"]
        return servers.Server(command, f"http://127.0.0.1:{port}", "/v1/models")

    return start


@contextmanager
def upstream() -> Iterator[str]:
    """The fixed upstream, running."""
    port = servers.free_port()
    with servers.Server([sys.executable, "-m", "benchmarks.upstream", str(port)], f"http://127.0.0.1:{port}", "/"):
        yield f"http://127.0.0.1:{port}"


def ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Our CPU a request over each other gateway's, set-up by set-up."""
    by_name = {row["gateway"]: row["measured"] for row in rows if "measured" in row}
    mine = by_name.get("rightsized", [])
    found = []
    for name, measured in by_name.items():
        for own, other in zip(mine, measured, strict=True):
            row = {"beside": name, "stream": own["stream"], "connections": own["connections"]}
            if name != "rightsized":
                found.append({**row, "cpu_ratio": own["cpu_us"] / other["cpu_us"]})
    return found


def main() -> int:
    given = harness.options("gateway", __doc__ or "")
    seconds, rounds = (1.5, 1) if given.quick else (3.0, ROUNDS)
    full, bare = Ours(), Ours(record=False)
    candidates = [
        Candidate("passthrough", passthrough, "nothing"),
        Candidate("rightsized", full.start, "key, limits, budget, policy, metrics, durable decision", full.headers),
        Candidate("rightsized, not recorded", bare.start, "key, limits, budget, policy, metrics", bare.headers),
        Candidate("litellm", litellm, "master key", lambda: {"authorization": f"Bearer {MASTER}"}),
        Candidate("vllm-router", router("vllm-router", VLLM_ROUTER, "vllm_router.launch_router"), "nothing"),
        Candidate("sglang-router", router("sglang-router", SGLANG_ROUTER, "sglang_router.launch_router"), "nothing"),
    ]
    with upstream() as url:
        rows = [measure(candidate, url, seconds, rounds) for candidate in candidates]
    result = {
        "gateways": rows,
        "ratios": ratios(rows),
        "median_ratio": {
            name: median(r["cpu_ratio"] for r in ratios(rows) if r["beside"] == name)
            for name in {r["beside"] for r in ratios(rows)}
        },
        "cpus": os.cpu_count(),
    }
    return harness.finish(given, result, _table(result))


def _table(result: dict[str, Any]) -> list[str]:
    lines = []
    for row in result["gateways"]:
        if "unavailable" in row:
            lines.append(f"{row['gateway']}: {row['unavailable'][-200:]}")
            continue
        for at in row["measured"]:
            lines.append(
                f"{row['gateway']:26} {'stream' if at['stream'] else 'whole':6} {at['connections']:3} conn: "
                f"{at['cpu_us']:7.0f} us CPU  {at['per_second']:6.0f}/s  p50 {at['p50_ms']:.1f}  "
                f"p99 {at['p99_ms']:.1f} ms  {at['failed']} failed"
            )
    lines += [f"CPU of {name}: ours is {ratio:.2f} of it (median)" for name, ratio in result["median_ratio"].items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
