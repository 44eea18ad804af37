"""Answers under a certificate: on record with the audit coin, judged blindly by who may see what they cite, watched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import Answer, Client, running
from sample_home import sample_home
from test_search_api import Counting

from rightsized.apps.search.answer import promises
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.query.search import FUSED
from rightsized.core.config import AuditConfig, Config
from rightsized.core.types import Certificate
from rightsized.ledger.owed import problems
from rightsized.ledger.reader import LedgerReader
from rightsized.server.metrics import Metrics
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore
from rightsized.tasks.promises import Promises
from rightsized.tasks.service import LocalService
from tests.answer_promises import promised

TASK = "search/company/extract"
REMOTE = "How many days a week may people work remotely?"
SALARY = "salary bands"


class Serving(LocalService):
    """The real service, whose encoder is the fake one; it looks at audits when it is told to."""

    def open_encoder(self, name: str) -> Any:
        return Counting()

    def encoders(self) -> list[str]:
        return []


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_home(tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def certificate(home: Path) -> Certificate:
    collections = Collections(Home(home), Counting)
    made = promised(collections.open("company"))
    collections.close()
    return made


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    store = KeyStore(Home(home))
    hr = ("group:hr",)
    return {
        "client": store.create("app")[1],
        "hr client": store.create("hr app", principals=hr)[1],
        "reviewer": store.create("rita", roles=("reviewer",))[1],
        "hr reviewer": store.create("hanna", roles=("reviewer",), principals=hr)[1],
        "viewer": store.create("vera", roles=("viewer",))[1],
    }


@pytest.fixture(scope="module")
def client(home: Path, keys: dict[str, str], certificate: Certificate) -> Iterator[Client]:
    service = Serving(Config(home=str(home), audit=AuditConfig(rate=1.0)), purpose="serve", record=True)
    with running(service, home=str(home), require_key="always") as made:  # type: ignore[arg-type]  # the real service
        yield made


def ask(client: Client, key: str, question: str = REMOTE) -> dict[str, Any]:
    answer = client.post("/v1/answer", {"collection": "company", "question": question}, authorization=f"Bearer {key}")
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def waiting(client: Client, key: str) -> dict[str, dict[str, Any]]:
    answer = client.get(f"/v1/queue?task={TASK}", authorization=f"Bearer {key}")
    assert answer.status == 200, answer.text
    return {item["decision"]: item for item in answer.json["items"]}


def label(client: Client, key: str, decision: str, verdict: str) -> Answer:
    body = {"label": verdict, "reviewer": "rita"}
    return client.post(f"/v1/queue/{decision}", body, authorization=f"Bearer {key}")


def test_a_certified_answer_is_a_decision_that_is_judged_blindly(client: Client, keys: dict[str, str]) -> None:
    found = ask(client, keys["client"])
    assert (found["status"], found["state"]) == ("answered", "certified") and found["decision"]
    item = waiting(client, keys["reviewer"])[found["decision"]]
    assert item["kind"] == "audit" and item["suggestion"] is None and item["text"] == REMOTE
    written = item["written"]
    assert written["answer"] == found["text"] and written["drafts"] == []
    cited = found["sentences"][0]["citations"][0]
    place = written["cited"][0]
    assert (place["document"], place["quote"]) == (cited["document"]["id"], " ".join(cited["quote"].split()))
    assert not {"probability", "score", "confidence"} & set(str(item)), "a blind reviewer is told no score"
    view = client.get(f"/v1/decisions/{found['decision']}", authorization=f"Bearer {keys['reviewer']}").json
    assert view["decision"]["reply"] is None and view["written"] is None, "nor on the record, before the label"
    assert label(client, keys["reviewer"], found["decision"], "right").status == 200
    view = client.get(f"/v1/decisions/{found['decision']}", authorization=f"Bearer {keys['reviewer']}").json
    assert view["decision"]["reply"]["certified"] and view["written"]["answer"] == found["text"]
    assert view["decision"]["operation"] == "answer" and view["decision"]["audit"]


def test_a_reviewer_reads_only_what_cites_documents_that_they_may_see(client: Client, keys: dict[str, str]) -> None:
    found = ask(client, keys["hr client"], SALARY)
    (key,) = {one["citations"][0]["document"]["key"] for one in found["sentences"]}
    assert key == "hr/salary-bands-2026.xlsx"
    decision, stranger, hr = found["decision"], keys["reviewer"], keys["hr reviewer"]
    assert decision in waiting(client, hr) and decision not in waiting(client, stranger)
    assert label(client, stranger, decision, "wrong").status == 404
    page = client.send("GET", "/queue", headers={"authorization": f"Bearer {stranger}", "accept": "text/html"})
    assert page.status == 200 and found["text"][:40] not in page.text
    assert label(client, hr, decision, "right").status == 200
    view = client.get(f"/v1/decisions/{decision}", authorization=f"Bearer {stranger}").json
    assert view["text"] is None and view["written"] is None and view["decision"]["reply"]["certified"]
    shown = client.send(
        "GET", f"/decisions/{decision}", headers={"authorization": f"Bearer {stranger}", "accept": "text/html"}
    )
    assert "documents that you may not see" in shown.text and found["text"][:40] not in shown.text
    undo = client.send("DELETE", f"/v1/queue/{decision}", headers={"authorization": f"Bearer {stranger}"})
    assert undo.status == 404


def test_what_nobody_could_answer_is_on_record_and_waits_for_nobody(client: Client, keys: dict[str, str]) -> None:
    before = set(waiting(client, keys["hr reviewer"]))
    found = ask(client, keys["client"], "working remotely type:pptx")
    assert found["status"] == "abstained" and found["decision"]
    assert set(waiting(client, keys["hr reviewer"])) == before
    view = client.get(f"/v1/decisions/{found['decision']}", authorization=f"Bearer {keys['hr reviewer']}").json
    assert view["decision"]["reply"]["status"] == "abstained"


def test_the_queue_page_shows_the_places(client: Client, keys: dict[str, str]) -> None:
    found = ask(client, keys["client"])
    headers = {"authorization": f"Bearer {keys['reviewer']}", "accept": "text/html"}
    page = client.send("GET", f"/queue?task={TASK}", headers=headers).text
    document = found["sentences"][0]["citations"][0]["document"]["id"]
    assert f"/search/company/{document}?start=" in page and "Is this answer right?" in page
    promised = client.send("GET", "/search", headers=headers).text
    assert "What is promised of answers" in promised and TASK in promised


def test_wrong_audits_sound_an_alarm_that_ends_the_promise(
    client: Client, keys: dict[str, str], certificate: Certificate, home: Path
) -> None:
    service: Any = client.service
    for _ in range(40):
        found = ask(client, keys["client"])
        if found["state"] != "certified":
            break
        assert label(client, keys["reviewer"], found["decision"], "wrong").status == 200
        loop = service._background[0].get_loop()
        asyncio.run_coroutine_threadsafe(service.promises.watches()[TASK].refresh(), loop).result(10)
    assert found["state"] == "uncertified" and "suspended by an alarm" in found["promise"] and not found["decision"]
    (one,) = client.get("/v1/promises", authorization=f"Bearer {keys['viewer']}").json["promises"]
    assert one["state"] == "suspended" and one["monitor"]["alarmed"] and one["task"] == TASK
    assert one["certificate"]["id"] == certificate.id and one["monitor"]["wrong"] >= 3
    assert f'rightsized_monitor_alarm{{task="{TASK}"}} 1.0' in Metrics(client.service, 0).exposition().decode()


def test_the_alarm_outlasts_the_server_and_the_record_is_sound(
    client: Client, keys: dict[str, str], home: Path, tmp_path: Path
) -> None:
    """Runs last: it looks at the record while nobody writes."""
    with LedgerReader(home / "decisions.sqlite") as reader:
        watching = Promises(AuditConfig(rate=1.0), None, reader)
        bars = promises.Bars(watching)
        collections = Collections(Home(home), Counting)
        bar = bars.of(collections.open("company"), FUSED, "extract")
        collections.close()
        assert bar.state == "uncertified" and "suspended by an alarm" in bar.promise
        assert [one.state for one in watching.all()] == ["suspended"]
        assert not reader.check() and not list(problems(reader.query))
