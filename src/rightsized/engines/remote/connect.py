"""Connections to one server. The connector asks the allow-list by itself, before each request and each look-up of a
name: uvloop opens sockets past the process's audit hook. Redirects, proxies from the environment and cookies are off.
"""

from __future__ import annotations

import asyncio
import socket
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp import ClientRequest, ClientTimeout
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from rightsized.core.egress import Egress
from rightsized.engines.remote.settings import Settings

READ_BUFFER = 2**16  # bytes held for a slow reader before the server is made to wait
SHORT_BODY = 2**16  # bytes of a request that are handed to the socket at once; longer ones as fast as it takes them
MAX_HEADER = 2**15  # bytes of one header
NAMES_KEPT_S = 30
_KEPT: ContextVar[bool] = ContextVar("kept", default=False)
_CLOSED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


def closed_while_idle(error: BaseException) -> bool:
    """Whether this task's last request met a kept connection that its server was just closing.

    Servers close idle connections when they like, and some after a stream (cpp-httplib in llama.cpp). That is no
    failure: the request is sent again on another connection.
    """
    return _KEPT.get() and isinstance(error, _CLOSED) and not isinstance(error, aiohttp.ClientConnectorError)


class GuardedResolver(AbstractResolver):
    """Looks up names that the allow-list names, and no others."""

    def __init__(self, egress: Egress, purpose: str, inner: AbstractResolver) -> None:
        self._egress, self._purpose, self._inner = egress, purpose, inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of `host`. Raises EgressDeniedError, OSError."""
        self._egress.require(host, self._purpose)
        return await self._inner.resolve(host, port, family)

    async def close(self) -> None:
        await self._inner.close()


class OneWrite(ClientRequest):
    """A request that writes a short body right behind its head; aiohttp starts a task a request for that."""

    _short = b""

    def update_body_from_data(self, body: Any, *more: int, **named: int) -> None:
        """Keep a short body for `send`."""
        if isinstance(body, bytes) and 0 < len(body) <= SHORT_BODY:
            self._short, body = body, None
            self.headers["Content-Length"] = str(len(self._short))
        super().update_body_from_data(body, *more, **named)

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write it all. Raises ClientConnectionResetError."""
        short, protocol = self._short, conn.protocol
        if short and (protocol is None or protocol.writing_paused):
            super().update_body_from_data(short)  # it must wait its turn
            short = b""
        response = await super().send(conn)  # the head is out where there is no body
        if short and protocol is not None and protocol.transport is not None:
            protocol.transport.write(short)
        return response


class GuardedConnector(aiohttp.TCPConnector):
    """Gives connections to hosts that the allow-list names, and no others."""

    def __init__(self, settings: Settings, egress: Egress, resolver: AbstractResolver) -> None:
        self._egress, self._purpose = egress, f"The tier {settings.tier.name!r}"
        super().__init__(
            limit=0,  # `places` bounds requests
            ssl=settings.tls,
            resolver=GuardedResolver(egress, self._purpose, resolver),
            ttl_dns_cache=NAMES_KEPT_S,
            keepalive_timeout=settings.preset.idle_s,
        )
        self._used: WeakSet[asyncio.Protocol] = WeakSet()  # connections that served a request before

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - the base class names it
    ) -> Connection:
        """A connection, new or kept. Raises EgressDeniedError."""
        self._egress.require(req.url.host or "", self._purpose)
        connection = await super().connect(req, traces, timeout)
        kept = connection.protocol in self._used
        _KEPT.set(kept)
        if not kept and connection.protocol is not None:
            self._used.add(connection.protocol)
        return connection


def open_session(settings: Settings, egress: Egress, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A session for one tier; must be made in a running event loop.

    Args:
        resolver: looks up names; None asks the system.
    """
    tier = settings.tier
    return aiohttp.ClientSession(
        connector=GuardedConnector(settings, egress, resolver or aiohttp.ThreadedResolver()),
        request_class=OneWrite,
        timeout=ClientTimeout(total=None, connect=tier.connect_s, sock_read=tier.first_byte_s),
        headers={
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "rightsized",
            **tier.headers,
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # `incoming` does it within a bound
        trust_env=False,
        read_bufsize=READ_BUFFER,
        max_field_size=MAX_HEADER,
    )
