"""Starting and stopping: the port, the signals, the draining."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_service import FakeService
from live_server import Answer, Client, running

from rightsized.core.config import Config
from rightsized.core.errors import ConfigError, HomeLockedError
from rightsized.server.app import create_app
from rightsized.server.run import bind, serve

GOOD = {"task": "support", "text": "refund my invoice"}
HERE = Path(__file__).parent


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            serve(create_app(FakeService(), Config()), "127.0.0.1", port)
    assert str(port) in caught.value.message
    assert "--port 0" in caught.value.fix


def test_a_port_is_free_again_at_once() -> None:
    with running(FakeService()) as client:
        port = client.listening.port
        client.get("/healthz")
    bind("127.0.0.1", port).close()


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(ConfigError) as caught:
        bind("203.0.113.9", 0)
    assert "203.0.113.9" in caught.value.message
    assert caught.value.fix


def test_a_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError, match=r"'no-such-host.invalid' cannot be found: Name or service not known"):
        bind("no-such-host.invalid", 0)


def test_literal_addresses_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    for host in ("127.0.0.1", "0.0.0.0", "::1"):
        with bind(host, 0) as listener:
            assert listener.getsockname()[1] > 0


def test_the_url_can_be_opened(client: Client) -> None:
    assert client.listening.url == f"http://127.0.0.1:{client.listening.port}"


def test_the_service_is_started_and_closed() -> None:
    service = FakeService()
    with running(service):
        assert service.started
        assert not service.closed
    assert service.closed


def test_an_error_at_start_keeps_its_kind() -> None:
    class Locked(FakeService):
        async def start(self) -> None:
            raise HomeLockedError("Another process writes to this home.")

    with pytest.raises(HomeLockedError):
        serve(create_app(Locked(), Config()), "127.0.0.1", 0)


def test_requests_in_flight_are_answered_before_the_end(start: Callable[..., Client]) -> None:
    service = FakeService(delay=0.6)
    client = start(service)
    answers: list[Answer] = []
    asked = threading.Thread(target=lambda: answers.append(client.post("/v1/classify", GOOD)))
    arrived = service.arrived
    asked.start()
    assert arrived.wait(10)
    client.listening.stop()
    asked.join(10)
    assert [answer.status for answer in answers] == [200]
    assert not service.closed_while_busy


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_status_zero(number: signal.Signals) -> None:
    command = [sys.executable, str(HERE / "fake_service.py"), "--port", "0", "--delay", "0.6"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        port = int(url.rpartition(":")[2])
        body = b'{"task": "support", "text": "refund my invoice"}'
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n" % len(body) + body
            )
            assert process.stdout.readline().strip() == "arrived"
            process.send_signal(number)
            received = b""
            while piece := connection.recv(65536):
                received += piece
        out, error = process.communicate(timeout=20)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"replies" in received
    assert (process.returncode, error) == (0, "")
    assert out.strip() == "closed"
