"""What a request must pass before any handler: the right host, and not sent by another web site through a browser.

The console has no log-in; a server on loopback is as private as the account it runs under. What could still reach it
is a web page in the user's own browser: by a name that resolves to 127.0.0.1 (DNS rebinding: the Host header gives it
away) or by a form posted across sites (Origin and Sec-Fetch-Site give it away).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from rightsized.server.problems import RefusedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = frozenset({b"same-origin", b"none"})  # `none`: typed by the user into the address bar

_COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # `no-referrer` would make browsers send `Origin: null` with our own forms
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
API_HEADERS = {**_COMMON, "content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
PAGE_HEADERS = {
    **_COMMON,
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
# The report stands alone: its styles are inside it, as are those of its charts. Scripts stay forbidden.
REPORT_HEADERS = {
    **_COMMON,
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks requests. `bound_to` is the address listened on; a loopback one answers to loopback names only."""

    def __init__(self, bound_to: str) -> None:
        self._loopback_only = is_loopback(bound_to)
        self._known: set[bytes] = set()

    def check(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        """Raises RefusedError (`wrong-host`, `cross-site`)."""
        host = headers.get(b"host", b"")
        if self._loopback_only and host not in self._known:
            self._check_host(host)
        if method not in SAFE_METHODS:
            _check_site(host, headers)

    def _check_host(self, host: bytes) -> None:
        name = _name(host.decode("latin-1"))
        if name and not is_loopback(name):
            raise RefusedError(
                "wrong-host",
                f"This server listens on this machine only and does not answer for {name!r}.",
                fix="Use http://127.0.0.1 or http://localhost, or start the server with --host ADDRESS.",
            )
        if len(self._known) < 64:  # bounded: ports can be made up
            self._known.add(host)


def _check_site(host: bytes, headers: Mapping[bytes, bytes]) -> None:
    site = headers.get(b"sec-fetch-site")
    origin = headers.get(b"origin")
    foreign_site = site is not None and site not in OWN_SITES
    foreign_origin = origin is not None and origin.partition(b"://")[2] != host
    if foreign_site or foreign_origin:
        sender = (origin or b"another site").decode("latin-1")
        raise RefusedError(
            "cross-site",
            f"A page of {sender!r} sent this request; only this server's own pages may change things here.",
            fix="Behind a reverse proxy, let it drop the Origin header or, for a server that does not listen on "
            "loopback, pass Host on unchanged.",
        )


def _name(host: str) -> str:
    """A Host header without its port; IPv6 addresses keep their brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
