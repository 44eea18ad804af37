"""Who asks, and whether they may: an identity for every request, and the permission that its route needs.

On loopback no key is asked for unless the settings say `always`: a server there is as private as the account it runs
under, and whoever reaches it is its admin. Beyond loopback nothing but the two health checks is open. A new way to log
in, such as OpenID Connect, is one more `Identifier`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from rightsized.core.config import Config
from rightsized.core.errors import ConfigError, ForbiddenError, RateLimitError, UnauthorizedError
from rightsized.core.generation import Caller
from rightsized.core.roles import LOCAL_ADMIN, Identity, Permission, who_may
from rightsized.server.access import OPEN, needed
from rightsized.server.guards import is_loopback
from rightsized.server.reading import Scope as Connection
from rightsized.store.home import Home
from rightsized.store.keys import PREFIX, KeyStore
from rightsized.tasks.remote import local_key
from rightsized.tasks.spending import Spending

CALLER = "rightsized.caller"  # where the connection's scope says who asks, as the tasks are told
IDENTITY = "rightsized.identity"  # and where it says who that is
BROWSER = {"www-authenticate": 'Basic realm="Rightsized: any name, an API key as the password"'}
Headers = Mapping[bytes, bytes]


class Identifier(Protocol):
    """One way to find out who asks."""

    def identify(self, headers: Headers) -> Identity | None:
        """Who it is; None where this way says nothing. Raises UnauthorizedError for what was shown and is not valid,
        RateLimitError."""
        ...


class LocalCommand:
    """A command of this machine's own user: whoever can read the home has its secret."""

    def __init__(self, home: Home) -> None:
        self._secret = local_key(home).encode()

    def identify(self, headers: Headers) -> Identity | None:
        """The local admin, or None."""
        shown = presented_key(headers).encode("utf-8", "surrogatepass")
        return LOCAL_ADMIN if hmac.compare_digest(shown, self._secret) else None


class KeyHolder:
    """Whoever shows an API key of this home.

    Args:
        spending: what keys have used; one request of the key's minute is taken.
        all_kinds: whether anything shown must be one of ours. Clients of other servers send keys of their own kind,
            which do no harm where nobody asked for one.
    """

    def __init__(self, keys: KeyStore, spending: Spending, *, all_kinds: bool) -> None:
        self._keys, self._spending, self._all_kinds = keys, spending, all_kinds

    def identify(self, headers: Headers) -> Identity | None:
        """The key's identity, or None where none was shown. Raises UnauthorizedError, RateLimitError."""
        shown = presented_key(headers)
        if not shown or not (self._all_kinds or shown.startswith(f"{PREFIX}-")):
            return None
        key = self._keys.find(shown)
        if key is None:
            raise UnauthorizedError("The API key is not known here.", fix="See: rightsized keys list")
        state = key.state(self._spending.clock())
        if state != "valid":
            raise UnauthorizedError(f"The API key {key.name!r} is {state}.", fix="Ask for a new one.")
        try:
            self._spending.admit(key)
        except RateLimitError as error:
            error.tenant = key.tenant
            raise
        return Identity("key", key.id, key.name, key.tenant, key.roles, key.data_class, key.principals)


class Anybody:
    """Whoever reaches a server that asks for no key: its admin."""

    def identify(self, headers: Headers) -> Identity | None:
        """The local admin."""
        return LOCAL_ADMIN


class Gate:
    """Admits requests.

    Args:
        spending: what keys have used; shared with the gateway.
        identifiers: further ways to find out who asks, tried after keys.
    Raises:
        ConfigError: the server would listen beyond loopback, keys are needed, and there is none.
    """

    def __init__(self, config: Config, spending: Spending, identifiers: Sequence[Identifier] = ()) -> None:
        home = Home(config.home)
        keys = KeyStore(home)
        required = config.server.require_key == "always" or not is_loopback(config.server.host)
        if required and not identifiers and not keys.all():
            raise ConfigError(
                f"A server on {config.server.host} asks for API keys, and this home has none.",
                fix="Make one: rightsized keys create NAME --role client (or --role admin for everything).",
            )
        holder = KeyHolder(keys, spending, all_kinds=required)
        self._keys, self._spending = keys, spending
        self._ways: tuple[Identifier, ...] = (
            (LocalCommand(home), *identifiers, holder) if required else (holder, *identifiers, Anybody())
        )

    def admit(self, connection: Connection) -> None:
        """Let a request pass, noting who asks in its scope.

        Raises UnauthorizedError, ForbiddenError (no role of theirs holds the permission), RateLimitError.
        """
        needs = needed(connection["method"], connection["path"])
        if needs == OPEN:
            return
        identity = self._identity(dict(connection["headers"]))
        if not identity.may(cast("Permission", needs)):
            raise _refused(identity, cast("Permission", needs))
        connection[IDENTITY], connection[CALLER] = identity, identity.caller

    def used(self, caller: Caller, tokens: int) -> None:
        """Count tokens that were read without a tier, so that a key's tokens a minute bind there too."""
        key = self._keys.get(caller.key) if caller.key else None
        with self._spending.reserved(key, 0.0) as reservation:
            reservation.settle(0.0, tokens)

    def _identity(self, headers: Headers) -> Identity:
        for way in self._ways:
            found = way.identify(headers)
            if found is not None:
                return found
        raise UnauthorizedError("This server asks for an API key.", fix="Send Authorization: Bearer rs-...")


def _refused(identity: Identity, needs: Permission) -> ForbiddenError:
    roles = who_may(needs)
    return ForbiddenError(
        f"{identity.name!r} has the role {', '.join(identity.roles)}; this address needs {' or '.join(roles)}.",
        fix=f"Use a key made with --role {roles[0]}.",
    )


def presented_key(headers: Headers) -> str:
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
