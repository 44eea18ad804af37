"""Answers over HTTP and on the page: a model's sentences with their places, who is told what, what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import Answer, Client, running
from sample_home import sample_home
from scripted_gateway import ScriptedGateway
from test_search_api import Searching

from rightsized.core.errors import RateLimitError
from rightsized.core.generation import Completion, Generation
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

ASKED = "How many days a week may people work remotely?"
SAID = "The usual measure is up to two days a week"


class Writing(ScriptedGateway):
    """Writes what it is told; `{n}` is the number of the passage that holds the sentence."""

    says = SAID + " [{n}]."
    refuses: Exception | None = None

    async def _completion(self, generation: Generation) -> Completion:
        if self.refuses is not None:
            raise self.refuses
        parts = [part["text"] for part in generation.body["messages"][-1]["content"]]
        at = next((at for at, text in enumerate(parts, 1) if SAID in " ".join(text.split())), 0)
        return Completion(text=self.says.format(n=at), finish="stop")


class Answering(Searching):
    def __init__(self) -> None:
        super().__init__()
        self.writing = self.gateway = Writing()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_home(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    store = KeyStore(Home(home))
    return {"everyone": store.create("anybody")[1], "hr": store.create("hr", principals=("group:hr",))[1]}


@pytest.fixture(scope="module")
def client(home: Path, keys: dict[str, str]) -> Iterator[Client]:
    with running(Answering(), home=str(home), require_key="always") as made:
        yield made


@pytest.fixture
def gateway(client: Client) -> Iterator[Writing]:
    service: Any = client.service
    service.writing.seen.clear()
    yield service.writing
    service.writing.says, service.writing.refuses = Writing.says, None


def ask(client: Client, key: str, **more: Any) -> Answer:
    body = {"collection": "company", "question": ASKED, "method": "write", **more}
    return client.post("/v1/answer", body, authorization=f"Bearer {key}")


def test_a_written_answer_cites_a_place_that_says_so(client: Client, keys: dict[str, str], gateway: Writing) -> None:
    answer = ask(client, keys["everyone"])
    assert answer.status == 200, answer.text
    found = answer.json
    assert (found["status"], found["method"], found["state"]) == ("answered", "write", "uncertified"), found["notes"]
    (sentence,) = found["sentences"]
    (cited,) = sentence["citations"]
    assert cited["document"]["key"] == "policies/remote-work.html"
    assert SAID in " ".join(cited["quote"].split())
    assert found["written"]["tier"] == "small" and found["written"]["decision"].startswith("d-")
    assert found["extract"] == []


def test_the_model_is_asked_for_the_caller_with_what_they_may_see(
    client: Client, keys: dict[str, str], gateway: Writing
) -> None:
    ask(client, keys["everyone"])
    ((generation, caller, _),) = gateway.seen
    assert (generation.data_class, generation.operation) == ("secret", "chat")
    assert caller.key and caller.roles == ("client",)
    ask(client, keys["everyone"], question="salary bands of seven")
    assert not any("alary" in str(part) for part in gateway.seen[-1][0].body["messages"][-1]["content"][:-1])
    ask(client, keys["hr"], question="salary bands of seven")
    assert any("alary" in str(part) for part in gateway.seen[-1][0].body["messages"][-1]["content"][:-1])


def test_what_is_not_borne_out_is_not_shown_and_the_extract_is(
    client: Client, keys: dict[str, str], gateway: Writing
) -> None:
    gateway.says = "The usual measure is up to five days a week [{n}]."
    found = ask(client, keys["everyone"]).json
    assert found["status"] == "abstained" and found["sentences"] == [] and "five" not in str(found["notes"])
    assert found["written"]["left_out"] == 1


def test_who_is_shown_an_answer_is_on_record(client: Client, keys: dict[str, str], gateway: Writing) -> None:
    client.service.record.looked.clear()
    document = ask(client, keys["everyone"], limit=1).json["sentences"][0]["citations"][0]["document"]["id"]
    (looked,) = client.service.record.looked
    assert f"company/{document}" in looked.documents and looked.name == "anybody"


def test_a_limit_of_the_key_is_told_to_the_client(client: Client, keys: dict[str, str], gateway: Writing) -> None:
    gateway.refuses = RateLimitError("This key may ask 60 times a minute.", retry_after=7.2)
    refused = ask(client, keys["everyone"])
    assert (refused.status, refused.json["code"]) == (429, "rate-limit")


def test_the_page_offers_a_written_answer_and_links_each_place(
    client: Client, keys: dict[str, str], gateway: Writing
) -> None:
    headers = {"accept": "text/html", "authorization": f"Bearer {keys['everyone']}"}
    plain = client.send("GET", "/search/company?q=remote+work+days+a+week", headers=headers).text
    assert 'name="answer" value="written"' in plain and not gateway.seen
    address = f"/search/company?q={ASKED.rstrip('?').replace(' ', '+')}&answer=written"
    page = client.send("GET", address, headers=headers).text
    assert SAID in page and "Written by a model from the passages cited." in page
    assert "worked out on this machine" in plain and "worked out on this machine" not in page
    assert re.search(r'href="/search/company/[0-9a-f]+\?start=\d+&amp;end=\d+', page)


def test_without_a_model_nothing_is_written(client: Client, keys: dict[str, str], home: Path) -> None:
    service: Any = client.service
    service.gateway = None
    try:
        refused = ask(client, keys["everyone"])
        assert (refused.status, refused.json["code"]) == (400, "unsupported")
        assert "[[tiers]]" in refused.json["fix"]
        headers = {"accept": "text/html", "authorization": f"Bearer {keys['everyone']}"}
        page = client.send("GET", "/search/company?q=remote+work", headers=headers).text
        assert 'value="written"' not in page
    finally:
        service.gateway = service.writing


def test_an_unknown_method_or_collection_is_refused(client: Client, keys: dict[str, str], gateway: Writing) -> None:
    assert ask(client, keys["everyone"], method="guess").status == 422
    assert ask(client, keys["everyone"], collection="none").status == 404
    assert not gateway.seen
