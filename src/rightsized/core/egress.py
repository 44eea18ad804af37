"""The allow-list that every opener of an outgoing connection asks, and a net beneath it.

Empty by default: nothing leaves this machine. A command that fetches (`models pull`) grants exactly the
destination it was told to use, for as long as it runs. Listening and loopback are not egress.
"""

from __future__ import annotations

import functools
import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rightsized.core.errors import EgressDeniedError

_LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "0.0.0.0", "::"})  # noqa: S104 - names, not a bind


@functools.lru_cache(maxsize=1024)  # asked before every request; few hosts, and a text alone decides
def is_loopback(host: str) -> bool:
    """True for names and addresses that stay on this machine."""
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0].strip("[]")).is_loopback
    except ValueError:
        return False


class Egress:
    """Destinations that may be reached, by name: a host (`pypi`, `hub`, `api.example.com`)."""

    def __init__(self, allowed: frozenset[str] = frozenset()) -> None:
        self._allowed = set(allowed)
        self._open = 0  # grants that let a fetching library choose its own hosts

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset(self._allowed)

    def require(self, destination: str, purpose: str) -> None:
        """Raise EgressDeniedError unless `destination` is loopback or allowed."""
        if is_loopback(destination) or destination in self._allowed:
            return
        raise EgressDeniedError(
            f"{purpose} would connect to {destination!r}, which no rule allows.",
            fix="Nothing leaves this machine unless you say so; name the destination in [egress] allow.",
        )

    @contextmanager
    def granted(self, destination: str) -> Iterator[None]:
        """Allow `destination` inside the block: a person asked for this very fetch."""
        added = destination not in self._allowed
        self._allowed.add(destination)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            if added:
                self._allowed.discard(destination)

    def watch(self) -> None:
        """Install the net: from now on this process refuses to connect or look up names outside loopback.

        An audit hook cannot be removed, so a process calls this once. uvloop opens sockets past it.
        """
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._open or event not in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            return
        target = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = target[0] if isinstance(target, tuple) and target else target
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        if not isinstance(host, str) or host.startswith("/") or host in self._allowed:
            return  # Unix sockets, and names a rule allows
        if event == "socket.getaddrinfo" and host == "":
            return
        if not is_loopback(host):
            raise EgressDeniedError(f"A connection to {host!r} was stopped; no rule allows it.")
