"""An S3 server for tests: moto's, in an environment of its own. It checks signatures; boto3 writes to it.

`python -m tests.apps.search.connectors.s3_server` installs it; tests skip where it is not installed.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from benchmarks.peer import Peer, PeerUnavailable
from tests.conformance.clients import PythonClient

REQUIREMENTS = ("moto[s3,iam,server]==5.2.5", "boto3==1.43.58")
BUCKET = "docs"


def peer() -> PythonClient:
    return PythonClient("s3-server", REQUIREMENTS, "moto_s3.py")


class Server:
    """A server that runs, with one bucket. `put` and `delete` are boto3's."""

    def __init__(self, running: Peer) -> None:
        self._running = running
        started: dict[str, Any] = running.call("start", bucket=BUCKET)
        self.endpoint: str = started["endpoint"]
        self.host = self.endpoint.removeprefix("http://")
        self.access, self.secret = started["keys"]["reader"]
        self.stranger: tuple[str, str] = tuple(started["keys"]["stranger"])

    def put(self, key: str, body: bytes) -> None:
        self._running.call("put", key=key, body=base64.b64encode(body).decode())

    def put_in_parts(self, key: str, *parts: bytes) -> None:
        self._running.call("put_in_parts", key=key, parts=[base64.b64encode(part).decode() for part in parts])

    def delete(self, key: str) -> None:
        self._running.call("delete", key=key)

    def address(self, prefix: str = "", **options: str) -> str:
        extra = "".join(f"&{name}={quote(value)}" for name, value in options.items())
        return f"s3://{BUCKET}/{quote(prefix)}?endpoint={self.endpoint}{extra}"


@contextmanager
def running() -> Iterator[Server]:
    """A server on a free port of loopback."""
    with peer() as started:
        yield Server(started)


if __name__ == "__main__":
    try:
        peer().install()
    except PeerUnavailable as error:
        sys.exit(str(error))
