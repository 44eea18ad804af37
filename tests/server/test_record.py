"""What auditors see over HTTP and on the page Record; what administrators may do; links that a role may not follow."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from fake_record import KEY, SINKS, WEEK
from fake_service import FakeService
from live_server import Client, running
from test_keys_gate import bearer, guarded

from rightsized.core.errors import DiskFullError
from rightsized.core.roles import ROLES, Role, holds
from rightsized.server.access import OPEN, needed
from rightsized.server.metrics import Metrics
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore


def test_an_auditor_reads_policy_egress_record_and_proofs(client: Client) -> None:
    policy = client.get("/v1/policy").json
    assert policy["policy"]["flows"][0]["id"] == "public-to-eu"
    assert policy["digest"].startswith("sha256:")
    found = client.get("/v1/egress?days=7").json
    assert (found["sent"][0]["destination"], found["may"][0]["data_classes"]) == ("api.example.eu", ["public"])
    assert client.service.record.asked[-1] == 7
    assert client.get("/v1/egress?days=-1").status == 422
    record = client.get("/v1/record").json
    assert (record["entries"], record["keys"]) == (48_210, [KEY])
    assert [sink["error"] for sink in record["sinks"]] == ["", "It did not answer."]
    proof = client.get("/v1/decisions/d1/proof").json
    assert (proof["kind"], proof["entries"][0]["table"]) == ("inclusion", "starts")
    assert client.get("/v1/decisions/none/proof").status == 404


def test_an_administrator_changes_the_key_and_deletes_what_is_due(client: Client) -> None:
    assert client.post("/v1/record/keys", None).json["key"] == KEY
    assert client.post("/v1/record/retention", None).json == {"deleted": 12}
    assert client.service.record.asked[-2:] == ["rotate", "purge"]
    assert client.post("/v1/record/keys", None, sec_fetch_site="cross-site").status == 403


def test_a_command_puts_on_record_whom_it_shows_documents(client: Client) -> None:
    body = {"name": "root as anna", "what": "production", "collection": "mails", "documents": ["d1", "d2"]}
    assert client.post("/v1/record/accesses", body).status == 204
    noted = client.service.record.looked[-1]
    assert (noted.name, noted.what, noted.documents) == ("root as anna", "production", ("mails/d1", "mails/d2"))
    assert client.post("/v1/record/accesses", {**body, "documents": []}).status == 422
    assert client.post("/v1/record/accesses", {**body, "what": "decision"}).status == 422


def test_where_nothing_is_recorded_that_is_said(client: Client) -> None:
    client.service.record.off = True
    try:
        assert client.get("/v1/record").status == 500
        page = client.page("/record")
        assert page.status == 200
        assert "Decisions are not recorded here." in page.text
    finally:
        client.service.record.off = False


def test_the_page_says_what_binds_what_left_and_which_witness_is_away(client: Client) -> None:
    page = client.page("/record").text
    assert "22 requests were seen elsewhere in the last 30 days" in page
    assert "public-to-eu" in page
    assert "No &lt;b&gt;advice&lt;/b&gt;." in page
    assert "It did not answer." in page
    assert "Waiting since" in page
    assert KEY in page
    client.service.record.problem = "policy.toml is gone; the policy read from it before stays in force."
    assert "policy.toml is gone" in client.page("/record").text
    client.service.record.problem = ""


def test_a_sink_that_is_away_shows_in_the_metrics() -> None:
    text = Metrics(FakeService()).exposition().decode()
    away, fine = f'{{sink="{SINKS[1].sink}"}}', f'{{sink="{SINKS[0].sink}"}}'
    assert f"rightsized_sink_waiting{away} 2016.0" in text
    assert f"rightsized_sink_failures{away} 412.0" in text
    assert f"rightsized_sink_waiting{fine} 0.0" in text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("rightsized_sink_"))
    behind = float(lines[f"rightsized_sink_last_timestamp_seconds{fine}"]) - float(
        lines[f"rightsized_sink_waiting_since_timestamp_seconds{away}"]
    )
    assert behind == pytest.approx(WEEK - 300)
    assert f"rightsized_sink_waiting_since_timestamp_seconds{fine}" not in lines
    service = FakeService()
    service.record.off = True
    assert b"rightsized_sink_waiting{" not in Metrics(service).exposition()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "client"])
def test_pages_offer_a_role_no_link_or_form_that_it_may_not_use(role: Role, tmp_path: Path) -> None:
    _, shown = KeyStore(Home(tmp_path)).create(role, roles=(role,))
    pages = ("/", "/?task=support", "/models", "/jobs", "/tasks/support", "/tasks/invoices", "/record", "/queue")
    pages += ("/decisions/d0000001", "/decisions/d0000003")
    with guarded(tmp_path) as client:
        seen = 0
        for page in pages:
            answer = client.send("GET", page, headers={"accept": "text/html", **bearer(shown)})
            if answer.status != 200:
                assert not holds((role,), needed("GET", page.partition("?")[0]))  # type: ignore[arg-type]
                continue
            for method, where in offered(answer.text):
                needs = needed(method, where.partition("?")[0].partition("#")[0])
                assert needs == OPEN or holds((role,), needs), (page, method, where)  # type: ignore[arg-type]
                seen += 1
        assert seen > 20


def offered(page: str) -> set[tuple[str, str]]:
    """Method and address of every link and form of a page."""
    links = {("GET", where) for where in re.findall(r'href="(/[^"]*)"', page)}
    forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page)
    return links | {("POST", where) for where in forms}


def test_an_admin_is_offered_everything(tmp_path: Path) -> None:
    with running(FakeService()) as client:
        found = set.union(*(offered(client.page(page).text) for page in ("/", "/queue", "/jobs")))
    addresses = {where.partition("?")[0] for _, where in found}
    assert {"/try", "/queue", "/jobs", "/record", "/metrics", "/models"} <= addresses
    assert any(where.endswith("/cancel") for where in addresses)


def test_whoever_is_shown_texts_is_noted_before(client: Client) -> None:
    looked = client.service.record.looked
    looked.clear()
    assert client.get("/v1/decisions/d0000001").status == 200
    assert client.get("/v1/decisions/d0000001/explanation").status == 200
    shown = [item["decision"] for item in client.get("/v1/queue").json["items"]]
    assert client.page("/decisions/d0000001").status == client.page("/queue").status == 200
    assert client.page("/").status == client.get("/v1/tasks").status == 200  # no texts there
    assert [(one.by, one.what) for one in looked] == [
        ("local", what) for what in ("decision", "explanation", "queue", "decision", "queue")
    ]
    assert looked[0].decisions == ("d0000001",)
    assert list(looked[2].decisions) == shown
    assert len(looked[4].decisions) > 1


def test_what_cannot_be_noted_is_not_shown(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(one: object) -> None:
        raise DiskFullError("No space is left.")

    monkeypatch.setattr(client.service.record, "note", full)
    for path in ("/v1/decisions/d0000001", "/v1/decisions/d0000001/explanation", "/v1/queue"):
        answer = client.get(path)
        assert answer.status == 507
        assert "parcel" not in answer.text


def test_a_reader_with_a_key_is_named(tmp_path: Path) -> None:
    key, shown = KeyStore(Home(tmp_path)).create("Kim at night", roles=("reviewer",))
    with guarded(tmp_path) as client:
        assert client.get("/v1/decisions/d0000001", **bearer(shown)).status == 200
        (one,) = client.service.record.looked
        assert (one.by, one.id, one.name) == ("key", key.id, "Kim at night")


def test_decisions_are_found_over_http_and_on_a_page(client: Client) -> None:
    record = client.service.record
    record.found = tuple(client.service.decision(f"d000000{number}") for number in (1, 2))
    found = client.get("/v1/decisions?rule=no-health&since=2026-11-01&limit=2").json
    assert [one["id"] for one in found["decisions"]] == ["d0000001", "d0000002"]
    assert found["more"] is True
    assert (record.asked[-1].rule, record.asked[-1].since, record.asked[-1].label) == ("no-health", 1793491200.0, None)
    assert (record.looked[-1].what, record.looked[-1].decisions) == ("list", ("d0000001", "d0000002"))
    page = client.page("/decisions?tenant=ward&status=abstained").text
    assert '<a href="/decisions/d0000001">' in page
    assert (record.asked[-1].tenant, record.asked[-1].status) == ("ward", "abstained")
    assert client.get("/v1/decisions?since=may").status == client.page("/decisions?since=may").status == 422
    assert "outcome" in client.get("/v1/decisions?status=good").json["detail"]
    assert client.get("/v1/decisions?colour=red").status == 422
    record.found = ()
    looked = len(record.looked)
    assert "No decision fits." in client.page("/decisions?label=%3Cb%3E").text
    assert len(record.looked) == looked  # nothing was shown


def test_whoever_may_give_a_blind_look_sees_no_outcome_before(tmp_path: Path) -> None:
    """Its label must not lean on the model's: the certificate's monitor rests on that."""
    shown = {r: KeyStore(Home(tmp_path)).create(r, roles=(r,))[1] for r in ("reviewer", "auditor")}
    with guarded(tmp_path) as client:
        record, waiting = client.service.record, "d0000002"
        client.service._decisions[waiting] = msgspec.structs.replace(client.service.decision(waiting), audit=True)
        record.waiting, record.found = {waiting}, (client.service.decision(waiting),)
        for role, blind in (("reviewer", True), ("auditor", False)):
            key = bearer(shown[role])
            one = client.get(f"/v1/decisions/{waiting}", **key).json
            listed = client.get("/v1/decisions", **key).json["decisions"][0]
            assert (one["decision"]["reply"] is None, listed["reply"] is None) == (blind, blind)
            assert one["text"]
            status = client.get(f"/v1/decisions/{waiting}/explanation", **key).status
            assert status == (403 if blind else 200)
            page = client.send("GET", "/decisions", headers={"accept": "text/html", **key}).text
            assert ("waits for a blind look" in page) is blind
        record.waiting = set()
        assert client.get(f"/v1/decisions/{waiting}", **bearer(shown["reviewer"])).json["decision"]["reply"]
