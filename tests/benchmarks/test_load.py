"""The load generator counts what a server really answered, and says what failed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import load


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[dict[str, str]]
    status: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(json.loads(body))
        self.send_response(self.status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(params=[200, 503])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, type[_Handler]]]:
    handler = type("Handler", (_Handler,), {"seen": [], "status": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", handler
        running.shutdown()
        thread.join()


def test_every_request_is_counted_and_failures_are_named(server: tuple[str, type[_Handler]]) -> None:
    url, handler = server
    outcome = load.run(load.Order(url, load.bodies(["one", "two"], "t"), connections=3, seconds=0.5))
    assert outcome.total == len(handler.seen)
    assert 0 < outcome.requests < outcome.total
    assert {row["text"] for row in handler.seen} == {"one", "two"}
    assert {row["task"] for row in handler.seen} == {"t"}
    if handler.status == 200:
        assert (outcome.failed, outcome.failure) == (0, "")
        assert outcome.latency_ms["p50"] <= outcome.latency_ms["p99"]
    else:
        assert outcome.failed == outcome.requests
        assert outcome.failure.startswith("503")
        assert outcome.per_second == 0
