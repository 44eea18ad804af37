"""Every JSON route: what it answers, and that the description says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_service import WAITING, FakeService
from live_server import Client
from prometheus_client.parser import text_string_to_metric_families
from schema_check import violations

from rightsized.server import openapi
from rightsized.server.problems import HTTP_KINDS, kinds
from rightsized.server.routes import OPERATIONS, Operation

BILLING = "my invoice was charged twice, refund the payment"
VAGUE = "good morning to all of you"


@pytest.fixture(scope="module")
def description(client: Client) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.status == 200
    return dict(answer.json)


def check(description: dict[str, Any], method: str, path: str, value: Any, status: int = 200) -> None:
    """Fails where a response is not what the description promises."""
    responses = description["paths"][path][method.lower()]["responses"]
    ((_, content),) = responses[str(status)]["content"].items()
    assert violations(value, content["schema"], description["components"]["schemas"]) == []


def test_classify_one(client: Client, description: dict[str, Any]) -> None:
    answer = client.post("/v1/classify", {"task": "support", "text": BILLING})
    check(description, "POST", "/v1/classify", answer.json)
    (reply,) = answer.json["replies"]
    assert (answer.status, reply["output"]["label"], reply["status"]) == (200, "billing", "answered")
    assert answer.headers["x-rightsized-decision"] == reply["id"]
    assert answer.headers["x-rightsized-tier"] == "3"
    assert answer.headers["x-rightsized-rung"] == reply["rung"] == "ngram"
    assert answer.headers["x-rightsized-state"] == "certified"


def test_classify_abstains(client: Client, description: dict[str, Any]) -> None:
    answer = client.post("/v1/classify", {"task": "support", "text": VAGUE, "conversation": "c-1"})
    check(description, "POST", "/v1/classify", answer.json)
    (reply,) = answer.json["replies"]
    assert reply["output"] is None
    assert answer.headers["x-rightsized-tier"] == "0"
    assert client.get(f"/v1/decisions/{reply['id']}").json["decision"]["conversation"] == "c-1"


def test_classify_batch_keeps_the_order(client: Client, description: dict[str, Any]) -> None:
    answer = client.post(
        "/v1/classify", {"task": "support", "texts": [BILLING, VAGUE, "the app shows an error screen"]}
    )
    check(description, "POST", "/v1/classify", answer.json)
    labels = [reply["output"] and reply["output"]["label"] for reply in answer.json["replies"]]
    assert labels == ["billing", None, "technical"]
    assert "x-rightsized-decision" not in answer.headers


def test_classify_takes_any_unicode(client: Client) -> None:
    text = "refund \u0000 \U0001f4b6 \u202egnihsams, Straße, 退款 invoice payment"
    reply = client.post("/v1/classify", {"task": "support", "text": text}).json["replies"][0]
    assert client.get(f"/v1/decisions/{reply['id']}").json["text"] == text


def test_tasks(client: Client, description: dict[str, Any]) -> None:
    answer = client.get("/v1/tasks")
    check(description, "GET", "/v1/tasks", answer.json)
    assert [(t["task"]["name"], t["state"]) for t in answer.json["tasks"]] == [
        ("invoices", "suspended"),
        ("support", "certified"),
        ("urgency", "estimated"),
    ]
    one = client.get("/v1/tasks/support")
    check(description, "GET", "/v1/tasks/{name}", one.json)
    assert one.json["certificate"]["epsilon"] == 0.05


def test_decision_and_explanation(client: Client, description: dict[str, Any]) -> None:
    made = client.post("/v1/classify", {"task": "support", "text": BILLING}).json["replies"][0]["id"]
    decision = client.get(f"/v1/decisions/{made}")
    check(description, "GET", "/v1/decisions/{id}", decision.json)
    assert decision.json["text"] == BILLING
    why = client.get(f"/v1/decisions/{made}/explanation")
    check(description, "GET", "/v1/decisions/{id}/explanation", why.json)
    assert why.json["total"] == pytest.approx(sum(c["value"] for c in why.json["contributions"]))


def test_explanation_of_a_deleted_text(client: Client) -> None:
    made = client.post("/v1/classify", {"task": "support", "text": BILLING}).json["replies"][0]["id"]
    client.service.forget(made)
    assert client.get(f"/v1/decisions/{made}").json["text"] is None
    answer = client.get(f"/v1/decisions/{made}/explanation")
    assert (answer.status, answer.json["code"]) == (410, "text-removed")


def test_feedback(client: Client, description: dict[str, Any]) -> None:
    made = client.post("/v1/classify", {"task": "support", "text": BILLING}).json["replies"][0]["id"]
    answer = client.post("/v1/feedback", {"decision": made, "label": "returns", "reviewer": "ana"})
    check(description, "POST", "/v1/feedback", answer.json)
    assert (answer.json["label"], answer.json["kind"]) == ("returns", "feedback")


def test_queue_label_and_take_back(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    described = client.get("/openapi.json").json
    items = client.get("/v1/queue?task=support").json
    check(described, "GET", "/v1/queue", items)
    assert [item["kind"] for item in items["items"]] == [kind for kind, _ in WAITING]
    first = items["items"][0]["decision"]
    assert [i["decision"] for i in client.get("/v1/queue?limit=1").json["items"]] == [first]
    review = client.post(f"/v1/queue/{first}", {"label": "account", "reviewer": "ana"})
    check(described, "POST", "/v1/queue/{id}", review.json)
    assert len(client.get("/v1/queue").json["items"]) == len(WAITING) - 1
    assert client.send("DELETE", f"/v1/queue/{first}").status == 204
    assert len(client.get("/v1/queue").json["items"]) == len(WAITING)
    assert client.send("DELETE", f"/v1/queue/{first}").status == 404


def test_audit_items_carry_no_suggestion(client: Client) -> None:
    audits = [item for item in client.get("/v1/queue").json["items"] if item["kind"] == "audit"]
    assert audits
    assert all(item["suggestion"] is None for item in audits)


def test_jobs(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    listed = client.get("/v1/jobs")
    check(client.get("/openapi.json").json, "GET", "/v1/jobs", listed.json)
    assert [job["id"] for job in listed.json["jobs"]] == ["job-3", "job-2", "job-1"]
    assert client.send("DELETE", "/v1/jobs/job-3").status == 204
    assert client.get("/v1/jobs").json["jobs"][0]["state"] == "cancelled"
    again = client.send("DELETE", "/v1/jobs/job-3")
    assert (again.status, again.json["code"]) == (409, "job-ended")
    assert client.send("DELETE", "/v1/jobs/none").status == 404


def test_health_and_readiness(client: Client) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json == {"status": "ready"}
    client.service.started = False
    try:
        answer = client.get("/readyz")
    finally:
        client.service.started = True
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "not-ready", "1")
    client.service.unrecordable = "No space is left to record decisions."
    try:
        answer = client.get("/readyz")
    finally:
        client.service.unrecordable = ""
    assert (answer.status, answer.json["detail"]) == (503, "No space is left to record decisions.")
    assert client.get("/readyz").status == 200


def test_head_has_no_body(client: Client) -> None:
    answer = client.send("HEAD", "/v1/tasks")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_metrics(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    client.post("/v1/classify", {"task": "support", "texts": [BILLING, VAGUE]})
    client.service.busy = True
    client.post("/v1/classify", {"task": "support", "text": BILLING})
    client.service.busy = False
    client.get("/v1/nowhere")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(answer.text)}
    samples = {(s.name, *sorted(s.labels.items())): s.value for family in families.values() for s in family.samples}
    task = ("task", "support")
    assert samples["rightsized_replies_total", ("rung", "ngram"), ("state", "certified"), task, ("tier", "3")] == 1
    assert samples["rightsized_abstentions_total", ("state", "certified"), task] == 1
    assert samples[("rightsized_busy_total",)] == 1
    route = ("route", "/v1/classify")
    assert samples["rightsized_requests_total", ("method", "POST"), route, ("status", "200")] == 1
    assert samples["rightsized_requests_total", ("method", "POST"), route, ("status", "503")] == 1
    assert samples["rightsized_requests_total", ("method", "GET"), ("route", "unknown"), ("status", "404")] == 1
    assert samples["rightsized_request_seconds_count", route] == 2
    assert samples["rightsized_queue_length", task] == len(WAITING) + 1
    assert samples["rightsized_certificate_state", ("state", "certified"), task] == 1
    assert samples["rightsized_certificate_state", ("state", "suspended"), task] == 0
    assert samples["rightsized_monitor_alarm", ("task", "invoices")] == 1
    assert families["rightsized_request_seconds"].type == "histogram"


def test_the_description_lists_every_route(description: dict[str, Any]) -> None:
    listed = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert listed == {(o.method, o.path) for o in OPERATIONS}
    assert description["openapi"] == "3.1.0"
    ids = [d["operationId"] for methods in description["paths"].values() for d in methods.values()]
    assert len(ids) == len(set(ids))


MISSING = {"invalid-field", "missing_required_parameter", "model_not_found"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=openapi.operation_id)
def test_every_described_route_is_served(client: Client, operation: Operation) -> None:
    """With a made-up id a route may say `not-found`, but never that there is no such address."""
    path = operation.path.replace("{id}", "none").replace("{name}", "none")
    path = path.replace("{inbox}", "none").replace("{number}", "1")
    answer = client.send(operation.method, path, b"{}", {"content-type": "application/json"})
    if answer.status >= 400:
        code = answer.json["error"]["code"] if operation.failures else answer.json["code"]
        assert code in {"not-found", "input", "unauthorized"} or code in MISSING


def test_references_in_the_description_resolve(description: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [node["$ref"]] if "$ref" in node else [r for inner in node.values() for r in references(inner)]
        return [r for inner in node for r in references(inner)] if isinstance(node, list) else []

    found = references(description)
    assert found
    assert {r.removeprefix("#/components/schemas/") for r in found} <= set(description["components"]["schemas"])


def test_every_kind_of_problem_has_a_status_and_a_title() -> None:
    known = kinds()
    assert set(HTTP_KINDS) < set(known)
    assert known["not-found"] == (404, "No such task, model, decision, job or file.")
    assert all(400 <= status < 600 and title.endswith(".") for status, title in known.values())
