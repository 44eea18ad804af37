"""Serves the application: binds the port, runs uvicorn, drains on SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import errno
import gc
import ipaddress
import math
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from rightsized.core.errors import ConfigError
from rightsized.server.app import App
from rightsized.server.connection import timed

BACKLOG = 2048  # connections the kernel keeps waiting while the process is busy
# New objects before the collector looks for cycles, and looks of one generation before one of the next. A request makes
# some hundred and leaves no cycle behind: at Python's 700 the collector takes 4 to 10% of a request's CPU.
COLLECT_AFTER = (10_000, 20, 20)


class Listening(NamedTuple):
    """Where the server can be reached once it is ready; `stop` drains and ends it, from any thread."""

    host: str
    port: int
    url: str
    stop: Callable[[], None]


class Tls(NamedTuple):
    """Files of a certificate chain and its private key, PEM; both empty for plain HTTP."""

    certificate: str = ""
    key: str = ""

    def checked(self) -> bool:
        """Whether there is one to use. Raises ConfigError where it cannot be used."""
        if not self.certificate and not self.key:
            return False
        if not (self.certificate and self.key):
            given = "tls_cert" if self.certificate else "tls_key"
            raise ConfigError(f"Only server.{given} is set.", fix="Set both server.tls_cert and server.tls_key.")
        for setting, file in (("server.tls_cert", self.certificate), ("server.tls_key", self.key)):
            if not os.access(file, os.R_OK):
                why = "cannot be read" if Path(file).exists() else "does not exist"
                raise ConfigError(f"{setting} = {file!r} {why}.", fix="Name a PEM file that this user may read.")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"The certificate {self.certificate} with the key {self.key} cannot be used: {error}.",
                fix="Both must be PEM files that belong together, the key without a passphrase.",
            ) from None
        return True


def serve(
    app: App,
    host: str,
    port: int,
    drain_seconds: float = 10.0,
    on_ready: Callable[[Listening], None] | None = None,
    tls: Tls | None = None,
) -> int:
    """Serve until SIGINT, SIGTERM or `Listening.stop`; requests in flight get `drain_seconds` to end.

    Args:
        port: 0 picks a free one.
        on_ready: called once the service has started and the port takes connections.
        tls: certificate and key; empty names speak plain HTTP.
    Returns:
        The port that was bound.
    Raises:
        ConfigError: the address cannot be listened on, or the certificate not be used; says why and what to do.
        RightsizedError: whatever the service's start raises.
    """
    secure = tls is not None and tls.checked()
    listener = bind(host, port)
    bound = int(listener.getsockname()[1])
    config = uvicorn.Config(
        app,
        http=timed(app.config.server.body_seconds),
        loop="none" if sys.platform == "win32" else "uvloop",
        ws="none",
        lifespan="off",  # run() enters the application's lifespan itself, so that its errors stay whole
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody here asks for a client's address or scheme
        backlog=BACKLOG,
        timeout_graceful_shutdown=math.ceil(drain_seconds),
        ssl_certfile=tls.certificate if tls and secure else None,
        ssl_keyfile=tls.key if tls and secure else None,
    )
    server = _Server(config)
    listening = Listening(host, bound, f"http{'s' * secure}://{_for_url(host)}:{bound}", server.stop)
    server.when_ready = (lambda: on_ready(listening)) if on_ready else None

    async def run() -> None:
        async with app.lifespan():
            await server.serve(sockets=[listener])

    with listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())
    return bound


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError where the address or the port cannot be had."""
    family, address = _address(host, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_bind(host, port, error) from None
    return listener


def _address(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Where to listen. A literal address is not looked up: that would ask the network, which may not be allowed."""
    try:
        literal = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    else:
        family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
        return family, (str(literal), port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        message = f"The address {host!r} cannot be found: {error.strerror}."
        raise ConfigError(message, fix="Use --host 127.0.0.1.") from None
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address


def _cannot_bind(host: str, port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else port - 1
        message = f"Port {port} on {host} is in use by another process."
        return ConfigError(message, fix=f"Use --port 0 for any free port, or another one such as --port {other}.")
    if error.errno == errno.EACCES:
        return ConfigError(f"Port {port} on {host} is not open to this user.", fix="Use a port of 1024 or above.")
    return ConfigError(f"Cannot listen on {host} port {port}: {error.strerror}.", fix="Use --host 127.0.0.1.")


def _for_url(host: str) -> str:
    shown = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host)  # noqa: S104 - compared, not bound
    return shown or (f"[{host}]" if ":" in host else host)


def _spare_collector() -> None:
    """What start-up left behind stays as long as the process: the collector need not walk through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


class _Server(uvicorn.Server):
    """uvicorn's server that says when it is ready and ends quietly on a signal."""

    when_ready: Callable[[], None] | None = None

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if threading.current_thread() is threading.main_thread():  # else the process is not this server's alone
            _spare_collector()
        if self.when_ready:
            self.when_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for an orderly end on a signal. The original raises the signal again afterwards, which would end the
        process before the service is closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
