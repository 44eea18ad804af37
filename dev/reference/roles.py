"""Roles, permissions, and which of them each route of the server needs, from core/roles.py and server/access.py."""

from __future__ import annotations

from reference.markdown import cell, code, table
from rightsized.core.roles import GRANTS, MEANINGS, PERMISSIONS, ROLES
from rightsized.server.access import API, OPEN, PAGES, Route

OPENING = """# Roles

A key carries one role or several (`rightsized keys create NAME --role reviewer`). Each route needs one permission; a
request passes where one of its roles holds it. On loopback, where no key is asked for, whoever reaches the server is
`admin`. A route that is not listed here needs `administer`. [Let others in](../how-to/let-others-in.md) says how.

"""
YES, NO = "yes", ""


def page() -> str:
    """The page."""
    roles = table(("role", "for"), [(code(role), cell(MEANINGS[role])) for role in ROLES])
    head = ("permission", *map(code, ROLES))
    grants = [(code(one), *(YES if one in GRANTS[role] else NO for role in ROLES)) for one in PERMISSIONS]
    parts = [OPENING, roles, "\n## Permissions\n\n", table(head, grants)]
    for title, routes in (("API", API), ("Pages", PAGES)):
        parts.append(f"\n## {title}\n\n{_routes(routes)}")
    return "".join(parts)


def _routes(routes: tuple[Route, ...]) -> str:
    rows = [(code(f"{one.method} {one.path}"), one.needs, *(_may(one, role) for role in ROLES)) for one in routes]
    return table(("route", "needs", *map(code, ROLES)), rows)


def _may(route: Route, role: str) -> str:
    return YES if route.needs == OPEN or route.needs in GRANTS[role] else NO  # type: ignore[index]  # one of ROLES
