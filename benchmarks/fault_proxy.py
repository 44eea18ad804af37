"""A TCP proxy on loopback that does to a connection what networks and servers do: for tests and benchmarks.

Each connection takes the next fault of the list, or none. A fault begins when what the client sent holds its `when`,
and strikes after so many further bytes from the server.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Kind = Literal["cut", "reset", "hang", "garbage", "bye", "refuse", "drip"]
BLOCK = 1 << 16
DRIP_S = 0.002


@dataclass(frozen=True)
class Fault:
    """What happens to a connection.

    Attributes:
        kind: cut: closed in order. reset: RST. hang: nothing more comes. garbage: noise in place of the rest. bye: the
            server says that it leaves. refuse: closed before a word. drip: byte by byte from then on.
        when: what the client has to have sent.
        after: bytes from the server until it strikes.
    """

    kind: Kind
    when: bytes = b""
    after: int = 0


class FaultProxy:
    """Stands before a server. `faults` may be added to while it runs; `connections` counts what was accepted."""

    def __init__(self, host: str, port: int, faults: Iterable[Fault] = ()) -> None:
        self.faults, self.connections = deque(faults), 0
        self._to = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Close everything."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.drop()
        for thread in self._threads:
            thread.join(10)

    def drop(self) -> None:
        """Close what is open now."""
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            fault = self.faults.popleft() if self.faults else None
            thread = threading.Thread(target=self._serve, args=(client, fault), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, fault: Fault | None) -> None:
        with client:
            if fault is not None and fault.kind == "refuse":
                return
            try:
                server = socket.create_connection(self._to, timeout=30)
            except OSError:
                return
            with server, contextlib.suppress(OSError):
                self._open |= {client, server}
                try:
                    _Relay(client, server, fault).run()
                finally:
                    self._open -= {client, server}


class _Relay:
    """Passes bytes both ways until the fault strikes or one side is done."""

    def __init__(self, client: socket.socket, server: socket.socket, fault: Fault | None) -> None:
        self._client, self._server, self._fault = client, server, fault
        self._said = bytearray()
        self._left = -1 if fault is None or fault.when else fault.after  # -1: it has not begun
        self._silent = self._dripping = False

    def run(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._client, selectors.EVENT_READ)
            ready.register(self._server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    block = key.fileobj.recv(BLOCK)  # type: ignore[union-attr]  # sockets only
                    if not block:
                        return
                    if key.fileobj is self._client:
                        self._listen(block)
                        self._server.sendall(block)
                    elif not self._pass(block):
                        return

    def _listen(self, block: bytes) -> None:
        fault = self._fault
        if fault is None or self._left >= 0:
            return
        self._said += block
        if fault.when in self._said:
            self._left = fault.after
        else:
            del self._said[: -len(fault.when)]

    def _pass(self, block: bytes) -> bool:
        """Bytes of the server on their way. False where the connection is over."""
        if self._fault is None or self._left < 0:
            self._send(block)
            return True
        whole, rest = block[: self._left], block[self._left :]
        if not self._silent:
            self._send(whole)
        self._left -= len(whole)
        return self._strike(rest) if rest else True

    def _strike(self, rest: bytes) -> bool:
        assert self._fault is not None
        kind = self._fault.kind
        if kind == "reset":
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == "bye":
            self._client.sendall(b"\r\n* BYE the server is going down\r\n")
        elif kind == "garbage":
            self._client.sendall(random.Random(len(rest)).randbytes(len(rest)))
            return True
        elif kind == "hang":
            self._silent = True
            return True
        elif kind == "drip":
            self._dripping = True
            self._send(rest)
            return True
        return False

    def _send(self, block: bytes) -> None:
        if not self._dripping:
            self._client.sendall(block)
            return
        pause = threading.Event()
        for byte in block:
            self._client.sendall(bytes([byte]))
            pause.wait(DRIP_S)


@contextmanager
def proxied(host: str, port: int, *faults: Fault) -> Iterator[FaultProxy]:
    """A proxy before a server, closed at the end."""
    proxy = FaultProxy(host, port, faults)
    try:
        yield proxy
    finally:
        proxy.close()
