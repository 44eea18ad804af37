"""`rightsized keys`: API keys of this home."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.core.generation import DataClass
    from rightsized.core.roles import Role as KeyRole
    from rightsized.store.keys import ApiKey, KeyStore, Period

app = typer.Typer(name="keys", help="API keys: create, list, rotate, revoke.", no_args_is_help=True)
Scope = StrEnum("Scope", ["ask", "review", "admin"])  # what roles were before; still taken
Role = StrEnum("Role", ["client", "viewer", "reviewer", "operator", "auditor", "admin"])
Budget = StrEnum("Budget", ["day", "month"])
Class = StrEnum("Class", ["public", "internal", "personal", "health", "secret"])


@dataclass(frozen=True, kw_only=True)
class CreateOptions(Common):
    name: Annotated[str, typer.Argument(help="What it is for, as you will know it again.")]
    role: Annotated[list[Role] | None, typer.Option(help="What it may do. Default: client.")] = None
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Older words for roles: ask is client, review is reviewer.")
    ] = None
    tenant: Annotated[str, typer.Option(help="For whom; kept with every decision.")] = ""
    days: Annotated[float | None, typer.Option(help="Days until it expires. Default: never.")] = None
    requests_per_minute: Annotated[int, typer.Option(help="Most requests a minute; 0 = no limit.")] = 0
    tokens_per_minute: Annotated[int, typer.Option(help="Most tokens a minute; 0 = no limit.")] = 0
    budget: Annotated[float, typer.Option(help="Most US dollars a period; 0 = no limit.")] = 0.0
    period: Annotated[Budget, typer.Option(help="The period of the budget, UTC.")] = Budget.month
    data_class: Annotated[
        Class | None, typer.Option(help="What its requests hold; they may declare stricter, not looser.")
    ] = None
    principal: Annotated[
        list[str] | None, typer.Option(help="As whom it sees documents: user:NAME or group:NAME; may be repeated.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class KeyOptions(Common):
    id: Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")]


@dataclass(frozen=True, kw_only=True)
class RotateOptions(KeyOptions):
    overlap_hours: Annotated[float, typer.Option(help="Hours the old secret goes on working.", min=0)] = 24.0


def create(options: CreateOptions) -> Result:
    """Make a key. It is shown this once; only its digest is kept."""
    from rightsized.store.keys import ROLE_OF_SCOPE, Limits

    limits = Limits(
        options.requests_per_minute, options.tokens_per_minute, options.budget, cast("Period", options.period.value)
    )
    older = [ROLE_OF_SCOPE[scope.value] for scope in options.scope or ()]
    roles = [cast("KeyRole", role.value) for role in options.role or ()] + older or ["client"]
    key, shown = _store(options).create(
        options.name,
        tenant=options.tenant,
        roles=tuple(dict.fromkeys(roles)),
        days=options.days,
        limits=limits,
        data_class=cast("DataClass", options.data_class.value) if options.data_class else None,
        principals=tuple(options.principal or ()),
    )
    return _shown_once(key, shown)


def list_keys(options: Common) -> Result:
    """List the keys, oldest first."""
    keys = _store(options).all()
    rows = [
        [
            key.id,
            key.name,
            key.tenant,
            " ".join(key.roles),
            key.state(time.time()),
            _day(key.expires),
            key.data_class or "",
            _limits(key),
        ]
        for key in keys
    ]
    heads = ["id", "name", "tenant", "roles", "state", "expires", "data class", "limits"]
    text = aligned(heads, rows) if rows else "No keys yet. Make one: rightsized keys create NAME"
    return Result([_told(key) for key in keys], text)


def rotate(options: RotateOptions) -> Result:
    """Give a key a new secret; the old one works for some hours more."""
    key, shown = _store(options).rotate(options.id, overlap_hours=options.overlap_hours)
    return _shown_once(key, shown)


def revoke(options: KeyOptions) -> Result:
    """End a key at once."""
    key = _store(options).revoke(options.id)
    return Result(_told(key), f"The key {key.id} ({key.name}) is revoked.")


def _store(options: Common) -> KeyStore:
    from rightsized.store.home import Home
    from rightsized.store.keys import KeyStore

    return KeyStore(Home(options.settings().home))


def _shown_once(key: ApiKey, shown: str) -> Result:
    text = f"{shown}\nThis is the only time the key {key.name!r} is shown. Send it as: Authorization: Bearer KEY"
    return Result({**_told(key), "key": shown}, text)


def _told(key: ApiKey) -> dict[str, Any]:
    """A key for --json: all but its digests; `expires` is null for a key that never does."""
    from rightsized.store.keys import LATER

    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "roles": key.roles,
        "state": key.state(time.time()),
        "created": key.created,
        "expires": key.expires if key.expires < LATER else None,
        "revoked": key.revoked,
        "limits": key.limits,
        "data_class": key.data_class,
        "principals": key.principals,
    }


def _limits(key: ApiKey) -> str:
    limits = key.limits
    parts = [
        f"{limits.requests_per_minute:,}/min" if limits.requests_per_minute else "",
        f"{limits.tokens_per_minute:,} tokens/min" if limits.tokens_per_minute else "",
        f"${_dollars(limits.budget_usd)}/{limits.budget_period}" if limits.budget_usd else "",
    ]
    return ", ".join(part for part in parts if part)


def _dollars(amount: float) -> str:
    """Two decimals, or as many as a smaller amount needs."""
    return f"{amount:,.2f}" if round(amount, 2) == amount else f"{amount:,.4g}"


def _day(moment: float) -> str:
    from rightsized.store.keys import LATER

    return "never" if moment >= LATER else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


add(app, "create", CreateOptions, create)
add(app, "list", Common, list_keys)
add(app, "rotate", RotateOptions, rotate)
add(app, "revoke", KeyOptions, revoke)
