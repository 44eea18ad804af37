"""The guard that keeps tests on loopback works, and can fail."""

from __future__ import annotations

import socket

import pytest

from rightsized.core.errors import EgressDeniedError


def test_nothing_beyond_loopback() -> None:
    with pytest.raises(EgressDeniedError):
        socket.getaddrinfo("rightsized.invalid", 443)
    with pytest.raises(EgressDeniedError), socket.socket() as client:
        client.connect(("192.0.2.1", 443))


def test_loopback_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
