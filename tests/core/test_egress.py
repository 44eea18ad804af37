from __future__ import annotations

import subprocess
import sys

import pytest

from rightsized.core.egress import Egress, is_loopback
from rightsized.core.errors import EgressDeniedError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "::1%lo"])
def test_loopback_stays(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "example.com", "2001:db8::1", "localhost.example.com", "1270.0.0.1"])
def test_others_leave(host: str) -> None:
    assert not is_loopback(host)


def test_denied_by_default_and_granted_for_a_block() -> None:
    egress = Egress()
    with pytest.raises(EgressDeniedError, match=r"example\.com"):
        egress.require("example.com", "A test")
    with egress.granted("example.com"):
        egress.require("example.com", "A test")
    with pytest.raises(EgressDeniedError):
        egress.require("example.com", "A test")


def test_the_net_stops_connections_and_look_ups() -> None:
    code = """
import socket
from rightsized.core.egress import Egress
from rightsized.core.errors import EgressDeniedError
Egress().watch()
stopped = 0
for attempt in (
    lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
    lambda: socket.getaddrinfo("rightsized.invalid", 80),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9)),
):
    try:
        attempt()
    except EgressDeniedError:
        stopped += 1
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), timeout=1).close()
print(stopped)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"
