"""Long documents over HTTP and on pages: exact places, who sees what, what is on record, what is refused."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from live_server import Answer, Client, running
from sample_home import FILES, sample_home
from scripted_gateway import ScriptedGateway
from test_search_api import Counting, Searching

from rightsized.apps.search.collections import Collections
from rightsized.apps.search.types import Filters
from rightsized.core.generation import Caller, Completion, Generation, Usage
from rightsized.core.types import Reply
from rightsized.parsers.sentences import sentences
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

QUESTION = "How many days of leave may be carried over?"


class Copying(ScriptedGateway):
    """Writes the first whole sentence of every passage that speaks of leave, as a model told to copy would."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.asked, self.cancelled = False, threading.Event(), threading.Event()

    async def generate(self, generation: Generation, caller: Caller, conversation: str = "") -> Reply:
        self.seen.append((generation, caller, conversation))
        if self.hangs:
            self.asked.set()
            try:
                await asyncio.sleep(60)
            finally:
                self.cancelled.set()
        parts = [one["text"] for one in generation.body["messages"][1]["content"][:-1]]
        said = []
        for number, part in enumerate(parts, 1):
            body = part.removesuffix("</passage>").split("\n", 2)[-1]
            spans = [body[start:end] for start, end in sentences(body)]
            said += [f"{one.rstrip('.')} [{number}]." for one in spans if "leave" in one and one.endswith(".")][:1]
        text = " ".join(said) or "NOT FOUND"
        completion = Completion(text, "stop", Usage(100, 20))
        return Reply(
            f"d{len(self.seen)}", "chat", "answered", None, "small", 2, "sha256:1", 0.0, "none", completion=completion
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_home(tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    store = KeyStore(Home(home))
    return {
        "everyone": store.create("anybody")[1],
        "hr": store.create("hr", principals=("group:hr",))[1],
        "operator": store.create("ops", roles=("operator",))[1],
    }


@pytest.fixture(scope="module")
def client(home: Path, keys: dict[str, str]) -> Iterator[Client]:
    service = Searching()
    service.gateway = Copying()
    with running(service, home=str(home), require_key="always") as made:
        yield made


@pytest.fixture(scope="module")
def ids(home: Path) -> dict[str, str]:
    collections = Collections(Home(home), Counting)
    try:
        collection = collections.open("company")
        view = collection.view(collection.all_principals())
        return {one.key: one.id for one in view.documents(Filters())}
    finally:
        collections.close()


def post(client: Client, key: str, path: str, **body: Any) -> Answer:
    return client.post(path, {"collection": "company", **body}, authorization=f"Bearer {key}")


def text_of(client: Client, key: str, document: str) -> str:
    answer = client.get(f"/v1/collections/company/documents/{document}", authorization=f"Bearer {key}")
    found: str = answer.json["text"]
    return found


def test_clauses_have_exact_places_and_boxes_and_none_is_missing(
    client: Client, keys: dict[str, str], ids: dict[str, str]
) -> None:
    document = ids[FILES[0]]
    found = post(client, keys["everyone"], "/v1/clauses", documents=[document], question=QUESTION, limit=2).json
    text = text_of(client, keys["everyone"], document)
    assert len(found["ranked"]) == 2 and found["clauses"] == 2 + len(found["below"])
    best = found["ranked"][0]
    place, sentence = best["clause"], best["sentence"]
    assert text[place["start"] : place["end"]].split() == best["text"].split()
    assert "carried over" in best["text"] and place["page"] >= 1
    assert sentence["boxes"] and place["start"] <= sentence["start"] < sentence["end"] <= place["end"]
    covered = sorted((one["start"], one["end"]) for one in [*(r["clause"] for r in found["ranked"]), *found["below"]])
    gaps = [text[end:start] for (_, end), (start, _) in pairwise([(0, 0), *covered, (len(text), len(text))])]
    assert not "".join(gaps).strip()
    assert "principals" not in best["document"]


def test_a_context_keeps_to_its_budget(client: Client, keys: dict[str, str], ids: dict[str, str]) -> None:
    document = ids[FILES[0]]
    found = post(client, keys["everyone"], "/v1/context", documents=[document], question=QUESTION, budget=120).json
    assert found["tokens"] == len(found["text"].split()) <= 120 and found["exact"]
    text = text_of(client, keys["everyone"], document)
    assert all(text[one["start"] : one["end"]] in found["text"] for one in found["parts"])


def test_a_summary_is_made_of_the_document_s_sentences(
    client: Client, keys: dict[str, str], ids: dict[str, str]
) -> None:
    found = post(client, keys["everyone"], "/v1/summary", document=ids[FILES[0]], budget=100).json
    text = text_of(client, keys["everyone"], ids[FILES[0]])
    assert (found["method"], found["status"], found["steps"]) == ("extract", "extracted", [])
    for one in [*found["sentences"], *(one for section in found["sections"] for one in section["sentences"])]:
        (cited,) = one["citations"]
        assert text[cited["place"]["start"] : cited["place"]["end"]] == cited["quote"]
        assert cited["quote"].split() == one["text"].split() and cited["place"]["boxes"]


def test_a_written_summary_cites_the_document_and_tells_its_steps(
    client: Client, keys: dict[str, str], ids: dict[str, str]
) -> None:
    gateway = client.service.gateway
    assert isinstance(gateway, Copying)
    gateway.seen.clear()
    found = post(client, keys["everyone"], "/v1/summary", document=ids[FILES[0]], written=True).json
    assert (found["method"], found["status"], found["unread"]) == ("write", "written", [])
    text = text_of(client, keys["everyone"], ids[FILES[0]])
    assert found["sentences"]
    for one in found["sentences"]:
        assert all(text[c["place"]["start"] : c["place"]["end"]] == c["quote"] for c in one["citations"])
    assert [one["decision"] for one in found["steps"]] == [f"d{n}" for n in range(1, len(gateway.seen) + 1)]
    assert all(caller.key for _, caller, _ in gateway.seen)
    assert "no certificate" in found["promise"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/clauses", {"documents": ["ID"], "question": "salary"}),
        ("/v1/context", {"documents": ["ID"], "question": "salary", "budget": 100}),
        ("/v1/summary", {"document": "ID"}),
        ("/v1/summary", {"document": "ID", "written": True}),
    ],
)
def test_hidden_and_absent_documents_are_told_apart_by_nothing(
    client: Client, keys: dict[str, str], ids: dict[str, str], path: str, body: dict[str, Any]
) -> None:
    hidden = ids[FILES[2]]
    assert post(client, keys["hr"], path, **json.loads(json.dumps(body).replace("ID", hidden))).status == 200
    told = []
    for document in (hidden, "0" * len(hidden)):
        answer = post(client, keys["everyone"], path, **json.loads(json.dumps(body).replace("ID", document)))
        told.append((answer.status, answer.text.replace(document, "ID")))
    assert told[0] == told[1] and told[0][0] == 404
    refused = post(client, keys["operator"], path, **body)
    assert refused.status == 403


@pytest.mark.parametrize("page", ["clauses", "clauses?q=salary", "summary", "summary?q=salary"])
def test_pages_show_hidden_documents_to_nobody(
    client: Client, keys: dict[str, str], ids: dict[str, str], page: str
) -> None:
    told = []
    for document in (ids[FILES[2]], "0" * len(ids[FILES[2]])):
        headers = {"authorization": f"Bearer {keys['everyone']}", "accept": "text/html"}
        answer = client.send("GET", f"/search/company/{document}/{page}", headers=headers)
        told.append((answer.status, answer.text.replace(document, "ID")))
    assert told[0] == told[1] and told[0][0] == 404


def test_pages_name_the_clauses_and_lead_to_their_places(
    client: Client, keys: dict[str, str], ids: dict[str, str]
) -> None:
    headers = {"authorization": f"Bearer {keys['everyone']}", "accept": "text/html"}
    address = f"/search/company/{ids[FILES[0]]}"
    assert f"{address}/clauses" in client.send("GET", address, headers=headers).text
    ranked = client.send("GET", f"{address}/clauses?q=carried+over+leave", headers=headers)
    assert ranked.status == 200 and "<mark" in ranked.text and f"{address}?start=" in ranked.text
    summary = client.send("GET", f"{address}/summary", headers=headers)
    assert summary.status == 200 and "Nothing was written" in summary.text and f"{address}?start=" in summary.text


def test_who_is_shown_what_is_on_record(client: Client, keys: dict[str, str], ids: dict[str, str]) -> None:
    document = ids[FILES[0]]
    client.service.record.looked.clear()
    headers = {"authorization": f"Bearer {keys['everyone']}", "accept": "text/html"}
    post(client, keys["everyone"], "/v1/clauses", documents=[document], question=QUESTION)
    post(client, keys["everyone"], "/v1/context", documents=[document], question=QUESTION)
    post(client, keys["everyone"], "/v1/summary", document=document)
    post(client, keys["everyone"], "/v1/summary", document=document, written=True)
    client.send("GET", f"/search/company/{document}/clauses?q=leave", headers=headers)
    client.send("GET", f"/search/company/{document}/summary", headers=headers)
    looked = client.service.record.looked
    assert [(one.what, one.name) for one in looked] == [("document", "anybody")] * 6
    assert all(one.documents == (f"company/{document}",) for one in looked)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/clauses", {"documents": [], "question": "x"}, "invalid-field"),
        ("/v1/clauses", {"documents": ["a"] * 21, "question": "x"}, "invalid-field"),
        ("/v1/clauses", {"documents": ["a"], "question": ""}, "invalid-field"),
        ("/v1/clauses", {"documents": ["a"], "question": "x", "limit": 101}, "invalid-field"),
        ("/v1/context", {"documents": ["a"], "question": "x", "budget": 31}, "invalid-field"),
        ("/v1/summary", {"document": "a", "question": "x" * 5000}, "invalid-field"),
        ("/v1/summary", {"document": "a", "collection": "none"}, "not-found"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    client: Client, keys: dict[str, str], path: str, body: dict[str, Any], code: str
) -> None:
    assert post(client, keys["everyone"], path, **body).json["code"] == code


@pytest.mark.parametrize("route", ["/v1/summary", "/v1/answer"])
def test_what_a_model_writes_ends_with_its_client(
    client: Client, keys: dict[str, str], ids: dict[str, str], route: str
) -> None:
    gateway: Any = client.service.gateway
    gateway.hangs = True
    gateway.asked.clear()
    gateway.cancelled.clear()
    body = {
        "/v1/summary": {"document": ids["policies/annual-leave.pdf"], "written": True},
        "/v1/answer": {"question": QUESTION, "method": "write"},
    }[route]
    connection = http.client.HTTPConnection("127.0.0.1", client.listening.port, timeout=10)
    headers = {"content-type": "application/json", "authorization": f"Bearer {keys['everyone']}"}
    connection.request("POST", route, json.dumps({"collection": "company", **body}), headers)
    try:
        assert gateway.asked.wait(10)
        connection.close()
        assert gateway.cancelled.wait(10), "the model went on writing for nobody"
    finally:
        gateway.hangs = False
