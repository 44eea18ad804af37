"""API keys of a home: who may ask, for what, how much, until when. The file holds digests, never a key.

A key is 256 random bits, so a plain SHA-256 of it cannot be turned round by guessing; slow hashes are for passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.core.frozen import Frozen
from rightsized.core.generation import DataClass
from rightsized.core.principals import checked
from rightsized.core.roles import ROLES, Role
from rightsized.store import atomic
from rightsized.store.home import Home
from rightsized.store.locks import one_at_a_time

Period = Literal["day", "month"]

# Files written before there were roles hold scopes; a key keeps what it could do, and the file is rewritten with roles
# at the next change.
ROLE_OF_SCOPE: dict[str, Role] = {"ask": "client", "review": "reviewer", "admin": "admin"}
PREFIX = "rs"
ID_BYTES, SECRET_BYTES = 6, 32
LOOK_SECONDS = 0.25  # between two looks at the file: a revoked key works no longer than that
FILE, LOCK = "keys.json", "keys.lock"
LATER = 253_402_300_799.0  # the last second of the year 9999: never


class Limits(Frozen, frozen=True):
    """How much a key may ask; 0 is no limit. Budgets are in US dollars a calendar day or month, UTC."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    budget_usd: float = 0.0
    budget_period: Period = "month"


class Secret(Frozen, frozen=True):
    """One secret of a key: its SHA-256 in hexadecimal, and when it ends, seconds since the epoch."""

    sha256: str
    expires: float


class ApiKey(Frozen, frozen=True):
    """A key as kept: everything but the key itself.

    `roles` say what it may do (`core/roles.py`). `data_class`: what its requests hold where they declare nothing, and
    the least restrictive class they may declare; None leaves it to the request and the settings. `principals`: as whom
    it sees documents (`user:anna`, `group:legal`).
    """

    id: str
    name: str
    tenant: str
    roles: tuple[Role, ...]
    created: float
    expires: float
    secrets: tuple[Secret, ...]
    revoked: float | None = None
    limits: Limits = Limits()
    data_class: DataClass | None = None
    principals: tuple[str, ...] = ()

    def state(self, now: float) -> Literal["valid", "expired", "revoked"]:
        """Whether it may be used."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        return "valid" if now < self.expires else "expired"


class _Kept(Frozen, frozen=True):
    keys: tuple[ApiKey, ...] = ()


class KeyStore:
    """The keys of one home. Changes are atomic and seen by a running server within a second.

    >>> import tempfile
    >>> store = KeyStore(Home(tempfile.mkdtemp()))
    >>> key, shown = store.create("billing bot", tenant="billing", roles=("client",))
    >>> store.find(shown).name, store.find(shown + "x")
    ('billing bot', None)
    """

    def __init__(self, home: Home, *, clock: Callable[[], float] = time.time) -> None:
        self._home, self._clock = home, clock
        self._file = home.path / FILE
        self._read: tuple[tuple[int, int, int], dict[str, ApiKey]] = ((0, 0, 0), {})
        self._looked = float("-inf")  # when the file was last looked at

    def all(self) -> list[ApiKey]:
        """Every key, oldest first, revoked ones included."""
        return list(self._keys().values())

    def get(self, key_id: str) -> ApiKey | None:
        """The key of this id, whatever its state."""
        return self._keys().get(key_id)

    def find(self, presented: str) -> ApiKey | None:
        """The key that a caller presents, whatever its state; None where there is none such.

        The digest is compared in constant time, and a secret that has ended does not match.
        """
        prefix, _, rest = presented.partition("-")
        key_id, _, _ = rest.partition("-")
        key = self._keys().get(key_id) if prefix == PREFIX else None
        if key is None:
            return None
        digest, now = _digest(presented), self._clock()
        matches = [hmac.compare_digest(s.sha256, digest) and now < s.expires for s in key.secrets]
        return key if any(matches) else None

    def create(
        self,
        name: str,
        *,
        tenant: str = "",
        roles: tuple[Role, ...] = ("client",),
        days: float | None = None,
        limits: Limits | None = None,
        data_class: DataClass | None = None,
        principals: tuple[str, ...] = (),
    ) -> tuple[ApiKey, str]:
        """A new key and what to hand out, which is shown this once. `days` None: it does not expire.

        Raises InputError (no name, no role, a limit below 0, no principal), StoreError, DiskFullError.
        """
        limits = limits or Limits()
        if not name.strip() or not roles:
            raise InputError("A key needs a name and at least one role.", fix=f"Roles: {', '.join(ROLES)}.")
        if min(limits.requests_per_minute, limits.tokens_per_minute, limits.budget_usd) < 0 or (
            days is not None and days <= 0
        ):
            raise InputError("The limits and days of a key are above 0; leave one out for no limit.")
        now, key_id = self._clock(), secrets.token_hex(ID_BYTES)
        shown = _shown(key_id)
        expires = LATER if days is None else now + days * 86_400
        key = ApiKey(
            key_id,
            name.strip(),
            tenant,
            roles,
            now,
            expires,
            (Secret(_digest(shown), LATER),),
            None,
            limits,
            data_class,
            checked(principals),
        )
        self._change(lambda keys: {**keys, key_id: key})
        return key, shown

    def revoke(self, key_id: str) -> ApiKey:
        """End a key at once. Raises NotFoundError."""
        return self._replace(key_id, lambda key: msgspec.structs.replace(key, revoked=key.revoked or self._clock()))

    def rotate(self, key_id: str, *, overlap_hours: float = 24.0) -> tuple[ApiKey, str]:
        """A new secret for a key; the old ones work for `overlap_hours` more. Raises NotFoundError, InputError."""
        now, shown = self._clock(), _shown(key_id)
        until = now + overlap_hours * 3600

        def change(key: ApiKey) -> ApiKey:
            if key.state(now) != "valid":
                raise InputError(f"The key {key_id} is {key.state(now)}.", fix="Make a new one: rightsized keys create")
            old = [Secret(s.sha256, min(s.expires, until)) for s in key.secrets if now < s.expires]
            return msgspec.structs.replace(key, secrets=(Secret(_digest(shown), LATER), *old))

        return self._replace(key_id, change), shown

    def _replace(self, key_id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey:
        made: list[ApiKey] = []

        def work(keys: dict[str, ApiKey]) -> dict[str, ApiKey]:
            if key_id not in keys:
                raise NotFoundError(f"There is no key {key_id!r}.", fix="See: rightsized keys list")
            made.append(change(keys[key_id]))
            return {**keys, key_id: made[0]}

        self._change(work)
        return made[0]

    def _change(self, work: Callable[[dict[str, ApiKey]], dict[str, ApiKey]]) -> None:
        self._home.ensure()
        with one_at_a_time(self._home.path / LOCK):
            self._looked = float("-inf")  # another process may have changed it this very moment
            kept = _Kept(tuple(work(dict(self._keys())).values()))
            self._looked = float("-inf")
            atomic.write(self._file, msgspec.json.format(msgspec.json.encode(kept)), mode=atomic.PRIVATE)

    def _keys(self) -> dict[str, ApiKey]:
        """By id; the file is looked at a few times a second, and read again only where it changed."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return self._read[1]
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            self._read = ((0, 0, 0), {})
            return {}
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._read[0]:
            try:
                kept = msgspec.convert(_with_roles(msgspec.json.decode(self._file.read_bytes())), _Kept)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise IntegrityError(
                    f"{self._file} cannot be read: {error}.",
                    fix="Restore it from a backup, or remove it and make new keys.",
                ) from None
            self._read = (stamp, {key.id: key for key in kept.keys})
        self._looked = now
        return self._read[1]


def _with_roles(document: Any) -> Any:
    """A file's document with roles in place of scopes. An unknown scope is kept, and refused as no role."""
    for key in document.get("keys", ()) if isinstance(document, dict) else ():
        if isinstance(key, dict) and "scopes" in key and "roles" not in key:
            key["roles"] = [ROLE_OF_SCOPE.get(scope, scope) for scope in key.pop("scopes")]
    return document


def _shown(key_id: str) -> str:
    return f"{PREFIX}-{key_id}-{secrets.token_urlsafe(SECRET_BYTES)}"


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).hexdigest()
