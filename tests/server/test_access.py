"""Every route the server has declares what it needs, and lets in exactly the roles that hold it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_service import FakeService
from live_server import Client
from test_keys_gate import bearer, guarded

from rightsized.core.config import Config
from rightsized.core.roles import GRANTS, MEANINGS, PERMISSIONS, ROLES, Identity, Role, who_may
from rightsized.server.access import OPEN, ROUTES, needed
from rightsized.server.app import App, create_app
from rightsized.server.routes import OPERATIONS
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore


def served(app: App) -> set[tuple[str, str]]:
    """Method and address of everything that the router, the hot path and the OpenAI surface answer."""
    found = {(operation.method, operation.path) for operation in OPERATIONS}
    for route in app._router.routes:
        found |= {(method, route.path) for method in route.endpoint._methods if method != "HEAD"}  # type: ignore[attr-defined]
    surface = app._openai
    for address in (*surface._exact.values(), surface._stored, surface._model):
        found.add((address._method, address._route))
    return found


def test_every_route_is_declared_and_every_declaration_is_a_route(tmp_path: Path) -> None:
    app = create_app(FakeService(), Config(home=str(tmp_path)))
    declared = {(route.method, route.path) for route in ROUTES}
    assert sorted(served(app) - declared) == [], "declare these in server/access.py"
    assert sorted(declared - served(app)) == [], "server/access.py declares what nothing answers"
    assert len(ROUTES) == len(declared)


def test_the_walk_sees_the_pages_and_the_surface(tmp_path: Path) -> None:
    found = served(create_app(FakeService(), Config(home=str(tmp_path))))
    assert {("POST", "/queue/{id}"), ("GET", "/v1/models/{id}"), ("POST", "/v1/classify"), ("GET", "/metrics")} <= found


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_let_in_where_it_may_and_nowhere_else(role: Role, tmp_path: Path) -> None:
    _, shown = KeyStore(Home(tmp_path)).create(role, roles=(role,))
    with guarded(tmp_path) as client:
        for route in ROUTES:
            refused = asked(client, route.method, route.path, shown)
            may = route.needs == OPEN or route.needs in GRANTS[role]
            assert refused is not may, (role, route)


def asked(client: Client, method: str, path: str, shown: str) -> bool:
    """Whether the gate refuses; what the route itself makes of an empty request does not matter."""
    path = re.sub(r"\{\w+\}", "x", path)
    kind = "application/x-www-form-urlencoded" if not path.startswith("/v1/") else "application/json"
    answer = client.send(method, path, "{}" if method == "POST" else "", {"content-type": kind, **bearer(shown)})
    return answer.status == 403 and "this address needs" in answer.text


def test_what_is_not_declared_is_for_admins_alone() -> None:
    assert needed("GET", "/v1/secrets") == "administer"
    assert who_may("administer") == ("admin",)


def test_no_role_but_admin_both_reads_messages_and_runs_the_service() -> None:
    for role in ROLES:
        if {"read", "operate"} <= GRANTS[role]:
            assert role == "admin"
    assert not {"ask", "correct", "review", "operate", "administer"} & GRANTS["auditor"]
    assert not {"read", "review"} & GRANTS["viewer"]


def test_the_table_of_roles_is_whole() -> None:
    assert set(GRANTS) == set(MEANINGS) == set(ROLES)
    assert {route.needs for route in ROUTES} - {OPEN} <= set(PERMISSIONS)
    assert all(who_may(permission) for permission in PERMISSIONS)
    assert Identity("person", "kim@example.com", "Kim", roles=("reviewer",)).may("review")
