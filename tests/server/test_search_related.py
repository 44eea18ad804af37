"""Suggestions, similar documents, age and a reranking tier over HTTP: who sees what, and what is put on record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import Answer, Client, running
from sample_home import FILES, sample_home
from scripted_gateway import ScriptedGateway
from test_search_api import Searching

from rightsized.apps.search.rank.tier_reranker import ServedReranker
from rightsized.apps.search.service import Question, SearchService
from rightsized.core.config import Config, SearchConfig, ServerConfig
from rightsized.core.generation import Caller
from rightsized.core.tiers import TierConfig
from rightsized.server.app import documents_of
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore
from rightsized.tasks.remote import RunningServer

LEAVE = "How many days of leave may be carried over?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_home(tmp_path_factory.mktemp("related"))


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    store = KeyStore(Home(home))
    return {
        "everyone": store.create("anybody")[1],
        "hr": store.create("hr", principals=("group:hr",))[1],
        "admin": store.create("admin", roles=("admin",))[1],
    }


@pytest.fixture(scope="module")
def client(home: Path, keys: dict[str, str]) -> Iterator[Client]:
    with running(Searching(), home=str(home), require_key="always") as made:
        yield made


def post(client: Client, key: str, path: str, **body: Any) -> Answer:
    return client.post(path, {"collection": "company", **body}, authorization=f"Bearer {key}")


def texts(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    return [one["text"] for one in answer.json["suggestions"]]


def ids(client: Client, key: str) -> dict[str, str]:
    """Ids by key of the documents that come up for a few questions."""
    found = [post(client, key, "/v1/search", query=query).json for query in ("salary bands", LEAVE, "work at home")]
    return {hit["document"]["key"]: hit["document"]["id"] for one in found for hit in one["hits"]}


def test_suggestions_complete_correct_and_name_titles(client: Client, keys: dict[str, str]) -> None:
    leave = post(client, keys["everyone"], "/v1/suggest", text="annual lea")
    assert {(one["kind"], one["text"].lower()) for one in leave.json["suggestions"]} >= {("word", "annual leave")}
    title = next(one for one in leave.json["suggestions"] if one["kind"] == "title")
    assert title["document"] == ids(client, keys["everyone"])["policies/annual-leave.pdf"]
    meant = post(client, keys["everyone"], "/v1/suggest", text="anual leave of staff")
    assert "annual leave of staff" in texts(meant)
    assert texts(post(client, keys["everyone"], "/v1/suggest", text="annual leave of staff ")) == []
    assert len(texts(post(client, keys["everyone"], "/v1/suggest", text="le", limit=2))) == 2


def test_suggestions_know_nothing_that_is_hidden(client: Client, keys: dict[str, str]) -> None:
    for text in ("ban", "salary ban", "salary bnads ", "Q"):
        told = texts(post(client, keys["everyone"], "/v1/suggest", text=text))
        assert not any("band" in one.lower() for one in told), told
    assert any("bands" in one.lower() for one in texts(post(client, keys["hr"], "/v1/suggest", text="salary ban")))
    on_behalf = post(client, keys["admin"], "/v1/suggest", text="salary ban", principals=["group:hr"])
    assert any("bands" in one.lower() for one in texts(on_behalf))
    refused = post(client, keys["everyone"], "/v1/suggest", text="salary ban", principals=["group:hr"])
    assert (refused.status, refused.json["code"]) == (403, "forbidden")


def test_similar_documents_are_those_the_asker_may_see(client: Client, keys: dict[str, str]) -> None:
    known = ids(client, keys["hr"])
    for who, keys_seen in (("everyone", FILES[1:2]), ("hr", FILES[1:])):
        answer = post(client, keys[who], "/v1/similar", document=known[FILES[0]])
        assert answer.status == 200, answer.text
        assert {hit["document"]["key"] for hit in answer.json["hits"]} == set(keys_seen)
    whole = client.get(
        f"/v1/collections/company/documents/{known[FILES[0]]}", authorization=f"Bearer {keys['everyone']}"
    ).json["text"]
    part = post(client, keys["everyone"], "/v1/similar", document=known[FILES[0]], start=len(whole) - 1, limit=1)
    assert len(part.json["hits"]) == 1


def test_hidden_and_unknown_documents_are_like_nothing_in_the_same_words(client: Client, keys: dict[str, str]) -> None:
    hidden = ids(client, keys["hr"])[FILES[2]]
    for more in ({}, {"start": 3}):
        told = []
        for document in (hidden, "0" * len(hidden)):
            answer = post(client, keys["everyone"], "/v1/similar", document=document, **more)
            told.append((answer.status, answer.text.replace(document, "ID")))
        assert told[0] == told[1] and told[0][0] == 404


def test_who_is_shown_similar_documents_is_on_record(client: Client, keys: dict[str, str]) -> None:
    document = ids(client, keys["everyone"])[FILES[0]]
    client.service.record.looked.clear()
    post(client, keys["everyone"], "/v1/suggest", text="annual lea")
    hits = post(client, keys["everyone"], "/v1/similar", document=document).json["hits"]
    (looked,) = client.service.record.looked
    assert (looked.what, looked.name) == ("search", "anybody")
    assert looked.documents == tuple(f"company/{hit['document']['id']}" for hit in hits)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/suggest", {"text": "x" * 5000}, "invalid-field"),
        ("/v1/suggest", {"text": "a", "limit": 0}, "invalid-field"),
        ("/v1/suggest", {"text": "a", "collection": "none"}, "not-found"),
        ("/v1/similar", {"document": "x", "start": -1}, "invalid-field"),
        ("/v1/similar", {}, "invalid-field"),
        ("/v1/search", {"query": "leave", "half_life_days": -1}, "invalid-field"),
    ],
)
def test_refusals(client: Client, keys: dict[str, str], path: str, body: dict[str, Any], code: str) -> None:
    answer = post(client, keys["everyone"], path, **body)
    assert answer.json["code"] == code and answer.status in (404, 422)


def test_age_takes_from_a_score_where_it_is_asked_for(client: Client, keys: dict[str, str]) -> None:
    plain = post(client, keys["everyone"], "/v1/search", query=LEAVE).json["hits"][0]
    aged = post(client, keys["everyone"], "/v1/search", query=LEAVE, half_life_days=0.0001).json["hits"][0]
    assert plain["score"] == pytest.approx(1.0) and aged["score"] == pytest.approx(0.7, abs=0.01)


def test_a_question_that_is_a_title_has_that_document_first(client: Client, keys: dict[str, str]) -> None:
    title = next(one for one in post(client, keys["everyone"], "/v1/suggest", text="annual lea").json["suggestions"])
    hits = post(client, keys["everyone"], "/v1/search", query=title["text"].upper(), scope=True).json["hits"]
    assert hits[0]["document"]["id"] == title["document"]


def test_the_page_of_a_document_leads_to_those_like_it(client: Client, keys: dict[str, str]) -> None:
    known = ids(client, keys["hr"])
    address = f"/search/company/{known[FILES[0]]}"

    def shown(path: str, who: str) -> Answer:
        return client.send("GET", path, headers={"accept": "text/html", "authorization": f"Bearer {keys[who]}"})

    assert f"{address}/similar" in shown(address, "everyone").text
    client.service.record.looked.clear()
    page = shown(f"{address}/similar?q=leave", "everyone")
    assert page.status == 200 and "remote-work" in page.text and "salary" not in page.text
    (looked,) = client.service.record.looked
    assert set(looked.documents) == {f"company/{known[key]}" for key in FILES[:2]}
    assert "salary-bands" in shown(f"{address}/similar", "hr").text
    hidden = [shown(f"/search/company/{one}/similar", "everyone") for one in (known[FILES[2]], "0" * 20)]
    assert [one.status for one in hidden] == [404, 404]
    assert hidden[0].text.replace(known[FILES[2]], "ID") == hidden[1].text.replace("0" * 20, "ID")


class Gatewayed(Searching):
    """The service with a gateway that reranks by length."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = ScriptedGateway()


def test_a_tier_reranks_for_whoever_asks(home: Path) -> None:
    service = Gatewayed()
    config = Config(
        home=str(home),
        server=ServerConfig(),
        search=SearchConfig(reranker="vectors", data_classes={"company": "internal"}),
        tiers=(TierConfig("vectors", engine="fake", operations=("rerank",)),),
    )
    documents = documents_of(service, config)
    try:
        hits = _searched(documents)
    finally:
        documents.close()
    lengths = [len(hit.found.passage.indexed) for hit in hits if "reranker" in hit.scores]
    assert lengths == sorted(lengths, reverse=True) and len(lengths) >= 3
    gateway = service.gateway
    assert isinstance(gateway, ScriptedGateway)
    ((generation, caller, _),) = gateway.seen
    assert (generation.operation, generation.model, generation.data_class) == ("rerank", "vectors", "internal")
    assert caller.tenant == "ward-3"


def test_a_command_asks_the_tier_of_the_server_that_runs(home: Path) -> None:
    service = Gatewayed()
    with running(service, home=str(home)) as client:
        server = RunningServer(f"http://127.0.0.1:{client.listening.port}")
        reranker = ServedReranker(server, "vectors", data_class="health")
        scores = asyncio.run(reranker.scores("q", ["longer text", "short"]))
    assert scores.tolist() == pytest.approx([0.11, 0.05])
    gateway = service.gateway
    assert isinstance(gateway, ScriptedGateway)
    assert gateway.seen[0][0].data_class == "health"


def _searched(documents: SearchService) -> Any:
    return asyncio.run(documents.search("company", Question(LEAVE), ("everyone",), Caller(tenant="ward-3"))).hits
