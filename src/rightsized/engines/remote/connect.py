"""Connections to one server, new or kept. The allow-list is asked before each request and each look-up of a name, since
uvloop opens sockets past the process's audit hook. There are no redirects, proxies of the environment or cookies.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import aiohappyeyeballs

from rightsized.core.egress import Egress
from rightsized.engines.remote.connection import Connection, ConnectionTrouble, Trouble
from rightsized.engines.remote.settings import Settings

NAMES_KEPT_S = 30.0
NEXT_ADDRESS_S = 0.25  # wait for one address before the next is tried beside it (RFC 8305, section 8)
Address = tuple[int, int, int, str, Any]  # as socket.getaddrinfo gives it


class Resolver(Protocol):
    """Looks up the addresses of a name. Raises OSError."""

    async def __call__(self, host: str, port: int) -> list[Address]: ...


async def system_resolver(host: str, port: int) -> list[Address]:
    """Asks the system, in a thread of its own; a literal address is not asked for."""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        return [(int(family), int(kind), proto, name, at) for family, kind, proto, name, at in found]
    family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]


class Connections:
    """Connections to the server of one tier.

    Args:
        resolver: looks up names; None asks the system.
    """

    def __init__(self, settings: Settings, egress: Egress, resolver: Resolver | None = None) -> None:
        self._settings, self._egress, self._resolve = settings, egress, resolver or system_resolver
        self._purpose = f"The tier {settings.tier.name!r}"
        self._idle: deque[tuple[float, Connection]] = deque()  # the longest idle first
        self._all: set[Connection] = set()
        self._addresses: list[Address] = []
        self._looked_up = 0.0
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(self, head: bytes, body: bytes, left: Callable[[], float], *, again: bool) -> Connection:
        """Send a request and wait for the head of its answer; `give_back` must follow.

        Args:
            head: status line and fields, ending behind `Content-Length: `.
            left: seconds that the request may still take.
            again: whether it may be sent once more where a kept connection was just being closed.
        Raises ConnectionTrouble, EgressDeniedError; TimeoutError where no time is left.
        """
        while True:
            connection = await self._take(left())
            try:
                connection.send(head, body)
                while not connection.headed:
                    await connection.wait(left())
                return connection
            except BaseException:
                self._drop(connection)
                if not (again and connection.closed_while_idle):
                    raise

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it where its answer is not whole."""
        if not connection.finish():
            self._drop(connection)
            return
        self._idle.append((time.monotonic(), connection))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._settings.preset.idle_s, self._close_idle)

    async def close(self) -> None:
        """Close all; requests under way fail."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in tuple(self._all):
            self._drop(connection)
        self._idle.clear()
        await asyncio.sleep(0)  # a turn of the loop, in which their sockets close

    async def _take(self, seconds: float) -> Connection:
        if self._closed:
            raise ConnectionTrouble(Trouble.CLOSED)
        self._egress.require(self._settings.host, self._purpose)
        oldest = time.monotonic() - self._settings.preset.idle_s
        while self._idle:
            since, connection = self._idle.pop()
            if connection.open and since > oldest:
                return connection
            self._drop(connection)
        with self._egress.connecting(self._settings.host, self._purpose):
            connection = await self._open(seconds)
        self._all.add(connection)
        return connection

    async def _open(self, seconds: float) -> Connection:
        own = self._settings.tier.connect_s
        try:
            async with asyncio.timeout(min(own, seconds)):
                return await self._connected()
        except TimeoutError:
            if seconds < own:
                raise
            raise ConnectionTrouble(Trouble.NOT_TAKEN) from None
        except socket.gaierror:
            raise ConnectionTrouble(Trouble.NAME) from None
        except (ssl.SSLCertVerificationError, ssl.CertificateError):
            raise ConnectionTrouble(Trouble.CERTIFICATE) from None
        except ssl.SSLError:
            raise ConnectionTrouble(Trouble.TLS) from None
        except OSError:
            self._addresses = []
            raise ConnectionTrouble(Trouble.REFUSED) from None

    async def _connected(self) -> Connection:
        settings, loop = self._settings, asyncio.get_running_loop()
        now = time.monotonic()
        if not self._addresses or now - self._looked_up > NAMES_KEPT_S:
            self._addresses, self._looked_up = await self._resolve(settings.host, settings.port), now
        opened = await aiohappyeyeballs.start_connection(
            self._addresses, happy_eyeballs_delay=NEXT_ADDRESS_S, loop=loop
        )
        _, connection = await loop.create_connection(
            lambda: Connection(loop, settings.tier.first_byte_s),
            sock=opened,
            ssl=settings.tls,
            server_hostname=settings.host if settings.tls else None,
        )
        return connection

    def _drop(self, connection: Connection) -> None:
        connection.abort()
        self._all.discard(connection)

    def _close_idle(self) -> None:
        """Close what nobody has used for long, and look again while anything is left."""
        self._sweep = None
        now, most = time.monotonic(), self._settings.preset.idle_s
        while self._idle and now - self._idle[0][0] >= most:
            self._drop(self._idle.popleft()[1])
        if self._idle:
            left = most - (now - self._idle[0][0])
            self._sweep = asyncio.get_running_loop().call_later(left, self._close_idle)
