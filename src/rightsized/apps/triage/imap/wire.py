"""The bytes of an IMAP connection: opened through the egress, verified, bounded in size and in time.

imaplib and IMAPClient speak the protocol. Here is what they leave open: a line or literal of any size, a server that
sends a byte a minute, bytes that were slipped in before TLS, news that came before anybody waited for it.
"""

from __future__ import annotations

import contextlib
import imaplib
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from imapclient import IMAPClient

from rightsized.apps.triage.imap.address import Place
from rightsized.core.egress import Egress

CONNECT_S = 20.0
COMMAND_S = 300.0  # of one command, whatever the server sends meanwhile: a part of 1 MiB at 3.5 kB/s
MOST_LINE = 16 << 20  # bytes: the numbers of two million messages
SMALL = 1 << 16  # bytes of literals in the answer to what is no fetch
BLOCK = 1 << 16
KEEPALIVE_S = 60  # idle seconds after which the system asks whether the other side still is there


class Wire(imaplib.IMAP4):
    """imaplib over a socket of ours. `begin` before each command says how much its answer may hold."""

    def __init__(self, host: str, port: int, connect: Callable[[], socket.socket], silence_s: float) -> None:
        self._open_socket, self._silence_s = connect, silence_s
        self._held = bytearray()
        self._step = BLOCK
        self.begin()
        super().__init__(host, port)

    def begin(self, most: int = SMALL) -> None:
        """A command begins: its answer holds at most so many bytes in literals."""
        self._most, self._until = most, time.monotonic() + COMMAND_S

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """See imaplib."""
        self.host, self.port = host, port
        self.sock = self._open_socket()

    def read(self, size: int) -> bytes:
        """A literal. Aborts where it is larger than it may be."""
        if size > self._most:
            raise self.abort(f"a literal of {size:,} bytes, where {self._most:,} may come")
        self._most -= size
        while len(self._held) < size:
            self._fill()
        return self._cut(size)

    def readline(self) -> bytes:
        """A line, its end included. Aborts where it has no end."""
        looked = 0
        while (end := self._held.find(b"\n", looked)) < 0:
            looked = len(self._held)
            if looked > MOST_LINE:
                raise self.abort(f"a line of more than {MOST_LINE:,} bytes")
            self._fill()
        return self._cut(end + 1)

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Turn to TLS. Nothing is read past the answer: what somebody put behind it in plain text reaches the
        handshake, and breaks it (CVE-2011-0411)."""
        self._step = 1
        try:
            return super().starttls(ssl_context)
        finally:
            self._step = BLOCK

    def shutdown(self) -> None:
        """Close the socket, from whichever thread."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        for name in ("file", "_file"):  # made by imaplib's STARTTLS; keeps the socket open
            if (file := self.__dict__.get(name)) is not None:
                with contextlib.suppress(OSError):
                    file.close()
        self.sock.close()

    def news(self) -> bool:
        """Whether the server has said since the last question how many messages there are."""
        return self.response("EXISTS")[1] != [None]

    def await_news(self, seconds: float, wake: int) -> None:
        """Wait in IDLE (RFC 2177) until the server says anything, `wake` can be read, or the time is over.

        imaplib and IMAPClient take what comes before the continuation for an error, and wait for what they hold.
        """
        self.begin()
        tag = self._command("IDLE")
        while self._get_response() is not None:
            if self.tagged_commands[tag]:
                self._command_complete("IDLE", tag)
                raise self.abort("IDLE ended before it began")
        if not self._held and not self._pending() and "EXISTS" not in self.untagged_responses:
            poller = select.poll()
            poller.register(self.sock.fileno(), select.POLLIN)
            poller.register(wake, select.POLLIN)
            poller.poll(seconds * 1000)
        self.begin()
        self.send(b"DONE\r\n")
        self._command_complete("IDLE", tag)

    def _pending(self) -> int:
        return self.sock.pending() if isinstance(self.sock, ssl.SSLSocket) else 0

    def _fill(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"an answer took more than {COMMAND_S:.0f} seconds")
        self.sock.settimeout(min(self._silence_s, left))
        block = self.sock.recv(self._step)
        if not block:
            raise self.abort("it closed the connection")
        self._held += block

    def _cut(self, size: int) -> bytes:
        with memoryview(self._held) as view:
            data = bytes(view[:size])
        del self._held[:size]
        return data


class Client(IMAPClient):  # type: ignore[misc]  # the library has no types
    """IMAPClient over a `Wire`. Times are given with their zone; nothing of what is said reaches a debug log."""

    def __init__(self, place: Place, tls: ssl.SSLContext | None, egress: Egress, silence_s: float) -> None:
        self._opened = (place, tls, egress, silence_s)
        super().__init__(place.host, place.port, ssl=place.security == "tls", timeout=silence_s)
        self._imap.debug = 0
        self.normalise_times = False

    @property
    def wire(self) -> Wire:
        wire: Wire = self._imap
        return wire

    def forget_capabilities(self) -> None:
        """What a server can do is asked again: it says more to who is logged in, and the library keeps the first."""
        self._cached_capabilities = None

    def _create_IMAP4(self) -> Wire:  # noqa: N802 - the library's name
        place, tls, egress, silence_s = self._opened

        def connect() -> socket.socket:
            with egress.connecting(place.host, f"The mailbox of {place.user}"):
                plain = socket.create_connection((place.host, place.port), timeout=min(CONNECT_S, silence_s))
            try:
                _keep_alive(plain)
                if place.security == "tls" and tls is not None:
                    return tls.wrap_socket(plain, server_hostname=place.host)
            except BaseException:
                plain.close()
                raise
            return plain

        return Wire(place.host, place.port, connect, silence_s)


def _keep_alive(connection: socket.socket) -> None:
    """Let the system find out when the other side is gone without a word, as behind a router that forgot us."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", KEEPALIVE_S), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
