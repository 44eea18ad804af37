"""Figure 5 of the gateway: what no client should send. Schemathesis against the OpenAPI document, and mutated bodies.

A server of its own (sample tasks, the default encoder, a tier that needs no model) gets 10,000 valid requests changed
at random, then what Schemathesis makes of /openapi.json in a virtual environment of its own. Counted are answers of 500
and above, requests that got no answer, failures without the shape that is documented, tracebacks in the server's log,
and whether the process lived.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import harness, models, servers
from benchmarks.mutations import Mutant, mutants
from benchmarks.peer import Peer, PeerUnavailable

BODIES, QUICK_BODIES = 10_000, 500
EXAMPLES, QUICK_EXAMPLES = 100, 5
SEED = 20261123
ANSWER_SECONDS = 60.0
SCHEMATHESIS = ("schemathesis==4.32.5",)
# Every request gets ANSWER_SECONDS: with a made-up thousandth of a second it would rightly be answered 504.
# Two checks are left out. One wants all that the document allows accepted: a tier, a task or a decision of a made-up
# name is rightly refused. The other wants all else rejected, and takes any further header field of HTTP for that.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "unsupported_method",
)  # fmt: skip
KEPT = 10  # examples of failures in the result
SETTINGS = '[[tiers]]\nname = "small"\nengine = "fake"\n[gateway]\nuncertified_tier = "small"\n'


def home() -> Path:
    """A home with the sample tasks and the encoder, made anew."""
    path = models.home().path / "benchmarks" / "home-fuzz"
    shutil.rmtree(path, ignore_errors=True)
    models.encoder().close()  # pulled if absent
    shutil.copytree(models.home().path / "models", path / "models")
    command = [sys.executable, "-m", "rightsized.cli", "demo", "--no-serve", "--home", str(path), "--json"]
    subprocess.run(command, check=True, capture_output=True, cwd=harness.ROOT)
    return path


def serving(at: Path, settings: Path) -> servers.Server:
    """`rightsized serve` with one tier."""
    port = servers.free_port()
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", str(port), "--json", "--home", str(at)]
    return servers.Server([*command, "--config", str(settings)], f"http://127.0.0.1:{port}", "/readyz")


class Sender:
    """Sends mutants over one connection, and another where the server closed it."""

    def __init__(self, url: str) -> None:
        self._at = urlsplit(url).netloc
        self._connection = self._new()

    def _new(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._at, timeout=ANSWER_SECONDS)

    def send(self, mutant: Mutant) -> tuple[int, str, bytes]:
        """Status, content type and body. Raises OSError, HTTPException where no answer came."""
        headers = {"Content-Type": "application/json", **mutant.headers}
        try:
            return self._exchange(mutant, headers)
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()  # it had been idle, or was closed after a refusal: once more on a fresh one
            self._connection = self._new()
            return self._exchange(mutant, headers)

    def _exchange(self, mutant: Mutant, headers: dict[str, str]) -> tuple[int, str, bytes]:
        self._connection.request("POST", mutant.path, mutant.body, headers)
        response = self._connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read()


def complaint(mutant: Mutant, status: int, kind: str, body: bytes) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if status >= 500:
        return f"status {status}"
    if status < 400:
        return ""
    try:
        document = json.loads(body)
    except ValueError:
        return f"status {status} without JSON"
    if kind.startswith("application/problem+json"):
        return "" if {"type", "title", "status", "detail", "code"} <= set(document) else "no problem document"
    error = document.get("error") if isinstance(document, dict) else None
    ours = isinstance(error, dict) and {"message", "type", "param", "code"} <= set(error)
    return "" if ours else f"status {status} in no documented shape"


def mutated(url: str, count: int) -> dict[str, Any]:
    """Send mutants and count what came back."""
    sender, statuses, wrong = Sender(url), Counter[int](), list[dict[str, Any]]()
    unanswered = 0
    for mutant in mutants(count, SEED):
        try:
            status, kind, body = sender.send(mutant)
        except (OSError, http.client.HTTPException) as error:
            unanswered += 1
            wrong.append(_example(mutant, f"no answer: {type(error).__name__}: {error}"))
            continue
        statuses[status] += 1
        fault = complaint(mutant, status, kind, body)
        if fault:
            wrong.append(_example(mutant, f"{fault}: {body[:200]!r}"))
    return {
        "sent": count,
        "statuses": {str(status): number for status, number in sorted(statuses.items())},
        "server_errors": sum(number for status, number in statuses.items() if status >= 500),
        "unanswered": unanswered,
        "wrong": len(wrong),
        "examples": wrong[:KEPT],
    }


def _example(mutant: Mutant, fault: str) -> dict[str, Any]:
    return {"path": mutant.path, "body": repr(mutant.body[:400]), "headers": mutant.headers, "fault": fault}


def schemathesis(url: str, examples: int) -> dict[str, Any]:
    """Run it against the OpenAPI document of the server."""
    peer = Peer("schemathesis", SCHEMATHESIS, "echo_peer.py")
    try:
        peer.install()
    except PeerUnavailable as error:
        return peer.unavailable(error)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "events.ndjson"
        command = [
            str(peer.python.with_name("st")), "run", f"{url}/openapi.json", "--checks", ",".join(CHECKS),
            "--max-examples", str(examples), "--seed", str(SEED), "--continue-on-failure", "--no-color",
            "--report", "ndjson", "--report-ndjson-path", str(report), "--phases", "examples,coverage,fuzzing",
            "--header", f"X-Rightsized-Timeout: {ANSWER_SECONDS:g}", "--suppress-health-check", "all",
            "--request-timeout", str(ANSWER_SECONDS),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        requests, failures = _events(report)
    said = done.stdout.strip()
    return {
        "version": SCHEMATHESIS[0],
        "checks": list(CHECKS),
        "requests": requests,
        "failed_checks": failures,
        "status": done.returncode,
        "last_words": said[-2000:] if done.returncode else said.rpartition("\n")[2],
    }


def _events(report: Path) -> tuple[int, dict[str, int]]:
    """Requests sent, and failed checks by name, from the report's events."""
    requests, failures = 0, Counter[str]()
    for node in _recorders(report):
        requests += len(node.get("interactions") or {})
        for checks in (node.get("checks") or {}).values():
            failures.update(check["name"] for check in checks if check.get("status") == "failure")
    return requests, dict(failures)


def _recorders(report: Path) -> Iterator[dict[str, Any]]:
    """What was sent and checked in each scenario."""
    for line in report.read_text("utf-8").splitlines() if report.exists() else ():
        for event in json.loads(line).values():
            recorder = event.get("recorder") if isinstance(event, dict) else None
            if isinstance(recorder, dict):
                yield recorder


def main(arguments: list[str] | None = None) -> int:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--bodies", type=int, default=None, help=f"mutated bodies (default {BODIES:,})")

    given = harness.options("fuzz", __doc__ or "", configure, arguments)
    count = given.extra.bodies or (QUICK_BODIES if given.quick else BODIES)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "rightsized.toml"
        settings.write_text(SETTINGS, "utf-8")
        with serving(home(), settings) as server:
            before = server.rss_mb()
            harness.note(f"{count:,} mutated bodies")
            bodies = mutated(server.url, count)
            harness.note("schemathesis")
            described = schemathesis(server.url, QUICK_EXAMPLES if given.quick else EXAMPLES)
            result = {
                "mutated_bodies": bodies,
                "schemathesis": described,
                "alive": server.alive(),
                "rss_mb": {"before": before, "after": server.rss_mb() if server.alive() else None},
                "tracebacks": server.log().count("Traceback"),
            }
    lines = [
        f"mutated bodies: {bodies['sent']:,} sent, {bodies['server_errors']} of 500 and above, "
        f"{bodies['unanswered']} unanswered, {bodies['wrong']} wrong",
        f"schemathesis: {described.get('requests')} requests, failed checks {described.get('failed_checks')}",
        f"server alive: {result['alive']}; tracebacks in its log: {result['tracebacks']}",
    ]
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    sys.exit(main())
