"""Who may ask: API keys in front of every address. Each needs a scope; what is not listed here needs `admin`.

On loopback no key is asked for unless the settings say `always`: a server there is as private as the account it runs
under. Beyond loopback nothing but the two health checks is open.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

from rightsized.core.config import Config
from rightsized.core.errors import ConfigError, ForbiddenError, UnauthorizedError
from rightsized.core.generation import Caller
from rightsized.server.guards import is_loopback
from rightsized.server.reading import Scope as Connection
from rightsized.store.home import Home
from rightsized.store.keys import PREFIX, ApiKey, KeyStore, Scope
from rightsized.tasks.remote import local_key
from rightsized.tasks.spending import Spending

CALLER = "rightsized.caller"  # where the connection's scope says who asks
OPEN = frozenset({"/healthz", "/readyz"})
# (method or "*", path, or path ending in "/" for all below it) -> scope. The first that fits; else `admin`.
SCOPES: tuple[tuple[str, str, Scope], ...] = (
    ("POST", "/v1/classify", "ask"),
    ("POST", "/v1/chat/completions", "ask"),
    ("POST", "/v1/completions", "ask"),
    ("POST", "/v1/embeddings", "ask"),
    ("POST", "/v1/rerank", "ask"),
    ("POST", "/v1/responses", "ask"),
    ("POST", "/v1/feedback", "ask"),
    ("GET", "/v1/models", "ask"),
    ("GET", "/v1/models/", "ask"),
    ("GET", "/v1/tasks", "ask"),
    ("GET", "/v1/tasks/", "ask"),
    ("GET", "/openapi.json", "ask"),
    ("GET", "/problems/", "ask"),
    ("*", "/v1/queue", "review"),
    ("*", "/v1/queue/", "review"),
    ("GET", "/v1/decisions/", "review"),
)
BROWSER = {"www-authenticate": 'Basic realm="Rightsized: any name, an API key as the password"'}


class Gate:
    """Admits requests.

    Args:
        spending: what keys have used; shared with the gateway.
    Raises:
        ConfigError: the server would listen beyond loopback, keys are needed, and there is none.
    """

    def __init__(self, config: Config, spending: Spending) -> None:
        home = Home(config.home)
        self._keys, self._spending = KeyStore(home), spending
        self._required = config.server.require_key == "always" or not is_loopback(config.server.host)
        self._local = local_key(home) if self._required else ""
        if self._required and not self._keys.all():
            raise ConfigError(
                f"A server on {config.server.host} asks for API keys, and this home has none.",
                fix="Make one: rightsized keys create NAME --scope ask (or --scope admin for the console).",
            )

    def admit(self, connection: Connection) -> None:
        """Let a request pass, noting who asks in its scope.

        Raises UnauthorizedError, ForbiddenError (the scope is missing), RateLimitError.
        """
        path = connection["path"]
        if path in OPEN:
            return
        presented = presented_key(dict(connection["headers"]))
        if self._local and hmac.compare_digest(presented.encode(), self._local.encode()):
            return  # a command of this machine's own user
        ours = presented.startswith(f"{PREFIX}-")
        if not self._required and not ours:
            return  # clients of other servers send keys of their own kind; nobody asked for them here
        key = self._known(presented)
        needed = scope_of(connection["method"], path)
        if not key.allows(needed):
            raise ForbiddenError(
                f"The key {key.name!r} may {', '.join(key.scopes)}; this address needs {needed}.",
                fix=f"Use a key with --scope {needed}.",
            )
        self._spending.admit(key)
        connection[CALLER] = Caller(key.id, key.tenant, key.data_class)

    def _known(self, presented: str) -> ApiKey:
        if not presented:
            raise UnauthorizedError("This server asks for an API key.", fix="Send Authorization: Bearer rs-...")
        key = self._keys.find(presented)
        if key is None:
            raise UnauthorizedError("The API key is not known here.", fix="See: rightsized keys list")
        state = key.state(self._spending.clock())
        if state != "valid":
            raise UnauthorizedError(f"The API key {key.name!r} is {state}.", fix="Ask for a new one.")
        return key


def presented_key(headers: Mapping[bytes, bytes]) -> str:
    """The key of a request: Bearer, the password of Basic, `api-key` or `x-api-key`; empty where there is none."""
    kind, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return (headers.get(b"api-key") or headers.get(b"x-api-key") or b"").decode("latin-1").strip()


def scope_of(method: str, path: str) -> Scope:
    """The scope that an address needs."""
    for verb, at, scope in SCOPES:
        fits = path.startswith(at) if at.endswith("/") else path == at
        if fits and verb in ("*", "GET" if method == "HEAD" else method):
            return scope
    return "admin"
