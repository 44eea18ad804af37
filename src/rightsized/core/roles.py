"""Roles and what each may do. A route needs one permission; a role holds some; nothing else decides who gets in.

`server/access.py` says which route needs which permission; keys carry roles, and so will people once they log in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from rightsized.core.frozen import Frozen
from rightsized.core.generation import Caller, DataClass

Role = Literal["client", "viewer", "reviewer", "operator", "auditor", "admin"]
# list: what may be asked for. ask: have something answered. search: documents, within what their principals may see.
# correct: say that an answer was wrong. look: tasks, tiers, reports and jobs, no messages. review: label what waits.
# read: decisions with their texts. audit: policy, egress and proofs. measure: metrics. operate: end jobs. administer:
# whatever no other permission covers.
Permission = Literal[
    "list", "ask", "search", "correct", "look", "review", "read", "audit", "measure", "operate", "administer"
]  # fmt: skip

ROLES: tuple[Role, ...] = get_args(Role)
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
GRANTS: dict[Role, frozenset[Permission]] = {
    "client": frozenset({"list", "ask", "search", "correct"}),
    "viewer": frozenset({"list", "look", "search"}),
    "reviewer": frozenset({"list", "look", "search", "review", "read", "correct"}),
    "operator": frozenset({"list", "look", "ask", "measure", "operate"}),
    "auditor": frozenset({"list", "look", "read", "audit", "measure"}),
    "admin": frozenset(PERMISSIONS),
}
MEANINGS: dict[Role, str] = {
    "client": "a program that has texts answered and documents searched",
    "viewer": "sees tasks, tiers and reports, no messages; searches documents",
    "reviewer": "works the queue, reads decisions",
    "operator": "runs the service: jobs, metrics, a test message; no decisions",
    "auditor": "reads decisions and what stands behind them, changes nothing",
    "admin": "everything",
}


class Identity(Frozen, frozen=True):
    """Who asks, however that was found out.

    Args:
        kind: `key` an API key; `local` whoever can reach a server on loopback, or a command of this machine's own user;
            `person` somebody who has logged in (nothing makes one yet: this is where OpenID Connect will).
        id: of the key or person; empty for `local`.
        name: as people know it.
        data_class: the least restrictive class that its requests may declare.
        principals: as whom it sees documents, such as `user:anna` and `group:legal`; `everyone` goes without saying.
    """

    kind: Literal["key", "local", "person"]
    id: str = ""
    name: str = ""
    tenant: str = ""
    roles: tuple[Role, ...] = ()
    data_class: DataClass | None = None
    principals: tuple[str, ...] = ()

    @property
    def caller(self) -> Caller:
        """As the gateway and the tasks are told."""
        return Caller(self.id, self.tenant, self.data_class, self.roles)

    def signs_as(self, named: str) -> str:
        """Under which name what it does is recorded: its own, whatever it says; only this machine's own user, who can
        be anybody here, says who it was."""
        return named if self.kind == "local" else self.name or self.id

    def may(self, permission: Permission) -> bool:
        """Whether one of its roles holds the permission."""
        return holds(self.roles, permission)


LOCAL_ADMIN = Identity("local", name="this machine", roles=("admin",))


def holds(roles: Iterable[Role], permission: Permission) -> bool:
    """Whether one of the roles holds the permission."""
    return any(permission in GRANTS[role] for role in roles)


def who_may(permission: Permission) -> tuple[Role, ...]:
    """The roles that hold a permission."""
    return tuple(role for role in ROLES if permission in GRANTS[role])
