"""A header has an end: whoever sends more than 64 KiB of it gets 431 and no memory of ours."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest
from fake_service import FakeService
from live_server import WAIT, Client

from rightsized.server.connection import MAX_HEADER_BYTES

START = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
FIELD, VALUE = b"x-%d: " + b"a" * 30_000 + b"\r\n", b"a" * 30_000
MANY = 10_000  # pieces: 300 MB, were they taken


def refused(client: Client, first: bytes, piece: Callable[[int], bytes]) -> tuple[bytes, int]:
    """What the server said, and how many pieces it took."""
    with socket.create_connection(("127.0.0.1", client.listening.port), timeout=WAIT) as connection:
        connection.sendall(first)
        sent = 0
        try:
            while sent < MANY:
                connection.sendall(piece(sent))
                sent += 1
        except OSError:
            pass
        try:
            return connection.recv(65_536), sent
        except ConnectionResetError:
            return b"", sent  # closed while we were still sending: what was said is lost on the way


@pytest.mark.parametrize("whole", [True, False], ids=["many fields", "one field"])
def test_a_header_without_end(client: Client, whole: bool) -> None:
    first = START if whole else START + b"x: "
    _, sent = refused(client, first, lambda number: FIELD % number if whole else VALUE)
    assert sent < MANY
    assert client.get("/healthz").status == 200


def test_what_is_said(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    with socket.create_connection(("127.0.0.1", client.listening.port), timeout=WAIT) as connection:
        connection.sendall(START + b"x: " + b"a" * (MAX_HEADER_BYTES + 1))
        said = connection.makefile("rb").read()
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert json.loads(body)["code"] == "header-too-large"


def test_a_large_header_that_is_still_taken(client: Client) -> None:
    pieces = {f"x-{number}": "a" * 5_000 for number in range(10)}
    assert client.send("GET", "/healthz", headers=pieces).status == 200
