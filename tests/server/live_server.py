"""Runs a real server on a free loopback port, with the fake service behind it, and talks to it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fake_service import FakeService

from rightsized.core.config import Config, ServerConfig
from rightsized.core.tiers import GatewayConfig
from rightsized.server.app import create_app
from rightsized.server.run import Listening, serve

WAIT = 20.0  # seconds until a server that does not come up fails the test


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


class Client:
    """Sends requests to one running server."""

    def __init__(self, service: FakeService, listening: Listening) -> None:
        self.service, self.listening = service, listening

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.listening.port, timeout=WAIT)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, json.dumps(body), {"content-type": "application/json", **given})

    def form(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """Post as a browser without JavaScript does."""
        given = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html", **headers}
        return self.send("POST", path, urlencode(fields), given)

    def page(self, path: str) -> Answer:
        return self.send("GET", path, headers={"accept": "text/html"})


@contextmanager
def running(service: FakeService, gateway: GatewayConfig | None = None, **settings: Any) -> Iterator[Client]:
    """A server in a thread of its own; drained at the end. `home`: where its API keys are."""
    home = str(settings.pop("home", "/nonexistent/home"))
    config = Config(home=home, server=ServerConfig(**settings), gateway=gateway or GatewayConfig())
    app = create_app(service, config)
    ready = threading.Event()
    found: list[Listening] = []

    def note(listening: Listening) -> None:
        found.append(listening)
        ready.set()

    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, 5.0, note))
    thread.start()
    try:
        assert ready.wait(WAIT), "the server did not come up"
        yield Client(service, found[0])
    finally:
        if found:
            found[0].stop()
        thread.join(WAIT)
        assert not thread.is_alive(), "the server did not stop"
