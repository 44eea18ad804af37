"""Metrics by tenant: who asked, with what outcome, for how much; and never more names than the settings allow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fake_service import FakeService
from live_server import Client, running
from prometheus_client.parser import text_string_to_metric_families
from scripted_gateway import ScriptedGateway

from rightsized.server.tenants import NONE, OTHER, TenantLabels
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore, Limits

CHAT = "/v1/chat/completions"


def test_a_bounded_number_of_tenants_keep_their_names() -> None:
    labels = TenantLabels(2)
    assert [labels.of(name) for name in ("a", "", "b", "c", "a", "d", "b")] == ["a", NONE, "b", OTHER, "a", OTHER, "b"]
    assert TenantLabels(0).of("a") == OTHER


def figures(client: Client, shown: str) -> dict[tuple[str, ...], Any]:
    text = client.get("/metrics", authorization=f"Bearer {shown}").text
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        (
            sample.name.removeprefix("rightsized_tenant_").removesuffix("_total"),
            sample.labels["tenant"],
            *(value for name, value in sample.labels.items() if name != "tenant"),
        ): pytest.approx(sample.value)
        for sample in found
        if sample.name.startswith("rightsized_tenant_") and not sample.name.endswith("_created")
    }


def ask(client: Client, shown: str, **more: Any) -> int:
    body = {"model": "small", "messages": [{"role": "user", "content": "Is it raining?"}], **more}
    return client.post(CHAT, body, authorization=f"Bearer {shown}").status


def test_requests_tokens_and_cost_are_counted_by_tenant(tmp_path: Path) -> None:
    store = KeyStore(Home(tmp_path))
    _, admin = store.create("admin", roles=("admin",))
    _, ward = store.create("w", roles=("client",), tenant="ward", limits=Limits(requests_per_minute=4))
    _, lab = store.create("l", roles=("client",), tenant="lab")
    _, late = store.create("x", roles=("client",), tenant="too-many")
    service = FakeService()
    service.gateway = ScriptedGateway()
    with running(service, home=tmp_path, require_key="always", metric_tenants=2) as client:
        assert [ask(client, ward), ask(client, ward, stream=True), ask(client, ward, model="fails")] == [200, 200, 502]
        response = client.post(
            "/v1/responses", {"model": "small", "input": "Is it raining?"}, authorization=f"Bearer {ward}"
        )
        assert response.status == 200
        assert ask(client, ward) == 429
        assert (ask(client, lab), ask(client, late)) == (200, 200)
        text = {"task": "support", "text": "Where is my parcel?"}
        assert client.post("/v1/classify", text, authorization=f"Bearer {lab}").status == 200
        found = figures(client, admin)
    assert found == {
        ("requests", "ward", "200"): 3, ("requests", "ward", "502"): 1, ("requests", "ward", "429"): 1,
        ("requests", "lab", "200"): 2, ("requests", OTHER, "200"): 1,
        ("tokens", "ward", "prompt"): 33, ("tokens", "ward", "completion"): 9,
        ("tokens", "lab", "prompt"): 11, ("tokens", "lab", "completion"): 3,
        ("tokens", OTHER, "prompt"): 11, ("tokens", OTHER, "completion"): 3,
        ("cost_usd", "ward"): 3 * 0.000042, ("cost_usd", "lab"): 0.000042, ("cost_usd", OTHER): 0.000042,
        ("replies", "ward", "certified", "2"): 3, ("replies", "lab", "certified", "2"): 1,
        ("replies", "lab", "uncertified", "0"): 1, ("replies", OTHER, "certified", "2"): 1,
    }  # fmt: skip


def test_the_page_shows_use_by_tenant_to_those_who_may_measure_and_to_nobody_else(tmp_path: Path) -> None:
    store = KeyStore(Home(tmp_path))
    _, operator = store.create("o", roles=("operator",))
    _, viewer = store.create("v", roles=("viewer",))
    _, ward = store.create("w", roles=("client",), tenant="<b>ward</b>")
    service = FakeService()
    service.gateway = ScriptedGateway()
    with running(service, home=tmp_path, require_key="always", metric_tenants=1) as client:
        assert [ask(client, ward), ask(client, ward, model="abstains"), ask(client, ward, model="fails")] == [
            200,
            422,
            502,
        ]
        shown = client.get("/models", authorization=f"Bearer {operator}", accept="text/html").text
        hidden = client.get("/models", authorization=f"Bearer {viewer}", accept="text/html").text
    row = re.search(r"<tr><td>&lt;b&gt;ward.*?</tr>", shown)
    assert row is not None
    assert re.findall(r'<td class="n">([^<]*)</td>', row[0]) == ["3", "2", "1 of 2", "1", "14", "0.0000"]
    assert "Use by tenant" in shown
    assert "Use by tenant" not in hidden
    assert "ward" not in hidden
