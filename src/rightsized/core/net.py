"""The net beneath the allow-list: which socket events would leave this machine, and a runner that refuses them.

Imports nothing but the standard library, so that a Python without this package can run a script inside the net:

    python -P net.py SCRIPT ARGUMENTS...

It sees what Python's own socket module does. Native code, and uvloop, open sockets past it.
"""

from __future__ import annotations

import functools
import ipaddress
import sys

_LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "0.0.0.0", "::"})  # noqa: S104 - names, not a bind
_ADDRESSED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getnameinfo"})  # (socket, address)
_NAMED = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})  # (name, ...)


@functools.lru_cache(maxsize=1024)  # asked before every request; few hosts, and a text alone decides
def is_loopback(host: str) -> bool:
    """True for names and addresses that stay on this machine."""
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0].strip("[]")).is_loopback
    except ValueError:
        return False


def holds_password(address: str) -> bool:
    """Whether an address such as `https://USER:PASSWORD@HOST/` holds one: it must not be stored, shown or logged."""
    _, marked, rest = address.partition("://")
    return bool(marked) and ":" in rest.partition("/")[0].rpartition("@")[0]


def beyond(event: str, arguments: tuple[object, ...]) -> str:
    """The host beyond this machine that an audit event would reach or look up; empty where there is none."""
    if event in _NAMED:
        target = arguments[0] if arguments else None
    elif event in _ADDRESSED:
        target = arguments[0] if event == "socket.getnameinfo" else arguments[1] if len(arguments) > 1 else None
    else:
        return ""
    host = target[0] if isinstance(target, tuple) and target else target
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host.startswith(("/", "\0")):  # Unix sockets
        return ""
    return "" if is_loopback(host) else host


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook that lets nothing leave. Raises PermissionError."""
    host = beyond(event, arguments)
    if host:
        raise PermissionError(f"A connection to {host!r} was stopped: this process may not leave the machine.")


def main() -> None:
    """Run the script that the first argument names, inside the net."""
    import runpy
    from pathlib import Path

    sys.addaudithook(refuse)
    del sys.argv[0]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
