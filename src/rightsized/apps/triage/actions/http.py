"""Requests to one server over HTTP: each asks the egress first, is bounded in size, and follows no redirect."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, EgressDeniedError, UpstreamError, UpstreamTimeoutError
from rightsized.core.net import holds_password, is_loopback

MOST_BYTES = 64 << 20  # of an answer
MOST_SAID = 200  # characters of a refusal that are shown
TOO_MANY, ERRORS = 429, 500
_AGAIN = frozenset({408, 425, TOO_MANY})


class Answer(NamedTuple):
    """What a server said. `body` is bounded."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON. Raises UpstreamError."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            raise UpstreamError(f"A server answered {self.status} with what is no JSON.") from None


class HttpServer:
    """A server at an address such as `https://desk.example.com/prefix`. May be used by several threads.

    Args:
        purpose: what it is asked for, in the words of an error: "The helpdesk desk.example.com".
        ca: a file of further certificate authorities.
    Raises ConfigError: the address cannot be used, or would send secrets in plain text over a network.
    """

    def __init__(self, address: str, egress: Egress | None, purpose: str, *, timeout_s: float, ca: str = "") -> None:
        if holds_password(address):
            raise ConfigError("The address of a server holds a password.", fix="Leave it out; see its page for keys.")
        url = urlsplit(address)
        try:
            self._port = url.port
        except ValueError:
            raise ConfigError(f"{address!r} has no usable port.") from None
        self.host = url.hostname or ""
        if url.scheme not in ("http", "https") or not self.host or url.username or url.query or url.fragment:
            raise ConfigError(f"{address!r} names no server.", fix="Write https://HOST/PATH, without a password.")
        if url.scheme == "http" and not is_loopback(self.host):
            raise ConfigError(f"{address} would send texts and keys in plain text.", fix="Write https://.")
        if egress is None:
            raise EgressDeniedError(f"{purpose} connects to {self.host!r}, and nothing may connect here.")
        self._path, self._egress, self._purpose, self._timeout_s = url.path.rstrip("/"), egress, purpose, timeout_s
        try:
            self._tls = ssl.create_default_context(cafile=ca or None) if url.scheme == "https" else None
        except OSError as error:
            raise ConfigError(f"ca = {ca!r} cannot be read: {error.strerror}.") from None

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request, and read its answer whatever its status.

        Raises EgressDeniedError, UpstreamTimeoutError; UpstreamError: no answer, or a status that passes by itself.
        """
        with self._egress.connecting(self.host, self._purpose):
            connection = self._connection()
            try:
                connection.request(method, self._path + path or "/", body, dict(headers or {}))
                answered = connection.getresponse()
                data = answered.read(MOST_BYTES + 1)
            except TimeoutError:
                raise UpstreamTimeoutError(f"{self._purpose} did not answer in {self._timeout_s:g} s.") from None
            except (OSError, http.client.HTTPException) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                raise UpstreamError(f"{self._purpose} cannot be reached: {why}.") from None
            finally:
                connection.close()
        if len(data) > MOST_BYTES:
            raise UpstreamError(f"{self._purpose} answered with more than {MOST_BYTES:,} bytes.", retryable=False)
        if answered.status in _AGAIN or answered.status >= ERRORS:
            raise UpstreamError(
                f"{self._purpose} answered {answered.status}.",
                upstream_status=answered.status,
                retry_after=_seconds(answered.headers.get("retry-after")),
            )
        return Answer(answered.status, data, {name.lower(): value for name, value in answered.headers.items()})

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self.host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self.host, self._port, timeout=self._timeout_s, context=self._tls)


def _seconds(text: str | None) -> float | None:
    return min(float(text), 3600.0) if text and text.isascii() and text.isdigit() else None
