"""Document search over HTTP and on pages, with real documents: who sees what, what an answer holds, what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fake_service import FakeService
from live_server import Client, running

from rightsized import data
from rightsized.apps.search.collections import Collections
from rightsized.core.egress import Egress
from rightsized.engines.fake import FakeEncoder
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

LEAVE = "How many days of leave may be carried over?"
BANDS = "salary bands"
PNG = b"\x89PNG\r\n\x1a\n"


class Counted(NamedTuple):
    total: int


class Counting(FakeEncoder):
    """The fake encoder, with as many tokens as words."""

    def prepare(self, text: str) -> Counted:
        return Counted(len(text.split()) + 2)


class Searching(FakeService):
    def open_encoder(self, name: str) -> Counting:
        return Counting()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one collection: a few of the sample documents, under their own rules of access."""
    root, samples = tmp_path_factory.mktemp("search"), data.folder("documents")
    for name in ("policies/annual-leave.pdf", "policies/remote-work.html", "hr/salary-bands-2026.xlsx"):
        (root / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / name, root / "documents" / name)
    access = shutil.copy(samples / ".rightsized-access.toml", root / "documents")
    Path(access).chmod(0o644)
    home = Home(root / "home")
    home.ensure()
    collections = Collections(home, Counting)
    collections.take_in("company", [str(root / "documents")], Egress.at(str(home.path), ()))
    collections.close()
    return home.path


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[Client]:
    with running(Searching(), home=str(home), require_key="always") as made:
        yield made


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    """A key that sees what everyone does, one of the people of HR, and an admin's; made before the server starts."""
    store = KeyStore(Home(home))
    return {
        "everyone": store.create("anybody")[1],
        "hr": store.create("hr", principals=("group:hr",))[1],
        "admin": store.create("admin", roles=("admin",))[1],
        "operator": store.create("ops", roles=("operator",))[1],
    }


@pytest.fixture(autouse=True)
def _keys_first(keys: dict[str, str], client: Client) -> None:
    """A server that asks for keys does not start without one."""


def ask(client: Client, key: str, query: str, **more: object) -> dict[str, object]:
    asked = {"collection": "company", "query": query, **more}
    answer = client.post("/v1/search", asked, authorization=f"Bearer {key}")
    assert answer.status == 200, answer.text
    found: dict[str, object] = answer.json
    return found


def documents(found: dict[str, object]) -> set[str]:
    return {hit["document"]["key"] for hit in found["hits"]}  # type: ignore[index, attr-defined]


def test_a_hit_has_its_place_and_exact_offsets(client: Client, keys: dict[str, str]) -> None:
    found = ask(client, keys["everyone"], LEAVE)
    hit = next(one for one in found["hits"] if one["document"]["key"].endswith("leave.pdf"))  # type: ignore[attr-defined]
    address = f"/v1/collections/company/documents/{hit['document']['id']}"
    whole = client.get(address, authorization=f"Bearer {keys['everyone']}").json
    assert whole["text"][hit["start"] : hit["end"]] == hit["text"]
    assert hit["page"] == 1 and hit["highlights"]
    for mark in hit["highlights"]:
        assert hit["start"] <= mark["start"] < mark["end"] <= hit["end"]
        assert mark["boxes"] and all(box["page"] in (1, 2) for box in mark["boxes"])
    assert "principals" not in hit["document"]


def test_everyone_sees_no_salary_bands_and_hr_does(client: Client, keys: dict[str, str]) -> None:
    assert "hr/salary-bands-2026.xlsx" in documents(ask(client, keys["hr"], BANDS))
    found = ask(client, keys["everyone"], BANDS)
    assert documents(found) and "hr/salary-bands-2026.xlsx" not in documents(found)
    assert not any("salary" in str(facet["value"]) or facet["value"] == "hr" for facet in found["facets"])  # type: ignore[attr-defined]


def test_a_sheet_is_not_called_a_page(client: Client, keys: dict[str, str]) -> None:
    shown = page(client, keys["hr"], "/search/company?q=salary+bands")
    assert "sheet 1" in shown
    (hit, *_) = [one for one in ask(client, keys["hr"], BANDS)["hits"] if "salary" in one["document"]["key"]]  # type: ignore[attr-defined]
    whole = page(client, keys["hr"], f"/search/company/{hit['document']['id']}?start={hit['start']}&end={hit['end']}")
    assert ", sheet " in whole


def test_hidden_and_absent_documents_are_told_apart_by_nothing(client: Client, keys: dict[str, str]) -> None:
    seen = ask(client, keys["hr"], BANDS)
    hidden = next(one["document"]["id"] for one in seen["hits"] if "salary" in one["document"]["key"])  # type: ignore[attr-defined]
    for path in ("/v1/collections/company/documents/{}", "/search/company/{}", "/search/company/{}/pages/1"):
        answers = []
        for document in (hidden, "0" * len(hidden)):
            headers = {"authorization": f"Bearer {keys['everyone']}", "accept": "text/html"}
            answer = client.send("GET", path.format(document), headers=headers)
            answers.append((answer.status, answer.text.replace(document, "ID")))
        assert answers[0] == answers[1] and answers[0][0] == 404


def test_only_an_admin_asks_on_behalf_of_others(client: Client, keys: dict[str, str]) -> None:
    assert "hr/salary-bands-2026.xlsx" in documents(ask(client, keys["admin"], BANDS, principals=["group:hr"]))
    assert "hr/salary-bands-2026.xlsx" not in documents(ask(client, keys["admin"], BANDS))
    asked = {"collection": "company", "query": BANDS, "principals": ["group:hr"]}
    refused = client.post("/v1/search", asked, authorization=f"Bearer {keys['everyone']}")
    assert (refused.status, refused.json["code"]) == (403, "forbidden")
    wrong = client.post("/v1/search", {**asked, "principals": ["hr"]}, authorization=f"Bearer {keys['admin']}")
    assert wrong.status == 422 and "'hr' is no principal" in wrong.json["detail"]


def test_collections_are_named_to_those_who_see_something_in_them(client: Client, keys: dict[str, str]) -> None:
    shown = {who: client.get("/v1/collections", authorization=f"Bearer {keys[who]}") for who in keys}
    assert shown["everyone"].json == {"collections": [{"name": "company", "documents": 2}]}
    assert shown["hr"].json == {"collections": [{"name": "company", "documents": 3}]}
    assert shown["operator"].status == 403


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"collection": "none", "query": "leave"}, 404, "not-found"),
        ({"collection": "company"}, 422, "invalid-field"),
        ({"collection": "company", "query": "leave", "limit": 0}, 422, "invalid-field"),
        ({"collection": "company", "query": "x" * 5000}, 422, "invalid-field"),
        ({"collection": "../company", "query": "leave"}, 404, "not-found"),
    ],
)
def test_refusals(client: Client, keys: dict[str, str], asked: dict[str, object], status: int, code: str) -> None:
    answer = client.post("/v1/search", asked, authorization=f"Bearer {keys['everyone']}")
    assert (answer.status, answer.json["code"]) == (status, code)


def page(client: Client, key: str, path: str) -> str:
    answer = client.send("GET", path, headers={"accept": "text/html", "authorization": f"Bearer {key}"})
    assert answer.status == 200, answer.text
    return answer.text


def test_the_pages_lead_from_the_question_to_the_boxed_page(client: Client, keys: dict[str, str]) -> None:
    assert "company" in page(client, keys["everyone"], "/search")
    results = page(client, keys["everyone"], "/search/company?q=carried+over+leave")
    assert "<mark" in results and "annual-leave.pdf" in results and "salary" not in results
    address = next(part for part in results.split('"') if part.startswith("/search/company/") and "start=" in part)
    shown = page(client, keys["everyone"], address.replace("&amp;", "&").partition("#")[0])
    assert '<mark class="for3" id="here">' in shown
    image = next(part for part in shown.split('"') if "/pages/" in part).replace("&amp;", "&")
    picture = client.get(image, authorization=f"Bearer {keys['everyone']}")
    plain = client.get(image.partition("?")[0], authorization=f"Bearer {keys['everyone']}")
    assert picture.headers["content-type"] == "image/png" and picture.body.startswith(PNG)
    assert picture.body != plain.body  # the passage is boxed


def test_who_is_shown_which_document_is_on_record_first(client: Client, keys: dict[str, str]) -> None:
    client.service.record.looked.clear()
    found = ask(client, keys["everyone"], LEAVE)
    document = found["hits"][0]["document"]["id"]  # type: ignore[index]
    client.get(f"/v1/collections/company/documents/{document}", authorization=f"Bearer {keys['everyone']}")
    page(client, keys["hr"], f"/search/company/{document}")
    searched, read, looked = client.service.record.looked
    assert (searched.what, searched.name) == ("search", "anybody") and f"company/{document}" in searched.documents
    assert (read.what, read.name, read.documents) == ("document", "anybody", (f"company/{document}",))
    assert (looked.what, looked.name, looked.documents) == ("document", "hr", (f"company/{document}",))


def test_what_cannot_be_put_on_record_is_not_shown(client: Client, keys: dict[str, str]) -> None:
    client.service.record.off = True
    try:
        asked = {"collection": "company", "query": LEAVE}
        refused = client.post("/v1/search", asked, authorization=f"Bearer {keys['everyone']}")
    finally:
        client.service.record.off = False
    assert refused.status == 500 and "hits" not in refused.json


def test_a_question_is_shown_as_text_and_never_as_markup(client: Client, keys: dict[str, str]) -> None:
    shown = page(client, keys["everyone"], "/search/company?q=%3Cscript%3Ealert(1)%3C/script%3E+leave")
    assert "<script>alert" not in shown and "&lt;script&gt;alert" in shown


@pytest.mark.parametrize("query", ["start=5&end=2", "start=-1&end=4", "start=x&end=y", "start=99999999&end=999999999"])
def test_odd_places_mark_nothing(client: Client, keys: dict[str, str], query: str) -> None:
    found = ask(client, keys["everyone"], LEAVE)
    document = found["hits"][0]["document"]["id"]  # type: ignore[index]
    assert "<mark" not in page(client, keys["everyone"], f"/search/company/{document}?{query}")


def test_an_answer_quotes_the_document_at_its_place(client: Client, keys: dict[str, str]) -> None:
    asked = {"collection": "company", "question": LEAVE}
    got = client.post("/v1/answer", asked, authorization=f"Bearer {keys['everyone']}")
    assert got.status == 200, got.text
    answer = got.json
    assert answer["status"] == "answered" and answer["state"] == "uncertified" and answer["promise"]
    for sentence in answer["sentences"]:
        (cited,) = sentence["citations"]
        address = f"/v1/collections/company/documents/{cited['document']['id']}"
        text = client.get(address, authorization=f"Bearer {keys['everyone']}").json["text"]
        assert text[cited["place"]["start"] : cited["place"]["end"]] == cited["quote"] == sentence["text"]
    assert len(answer["search"]["hits"]) >= 1


def test_answers_never_quote_what_the_asker_may_not_see(client: Client, keys: dict[str, str]) -> None:
    for question in (BANDS, "What is the most that a band Q5 engineer can earn?", "pay of band Q3"):
        asked = {"collection": "company", "question": question}
        answer = client.post("/v1/answer", asked, authorization=f"Bearer {keys['everyone']}").json
        cited = {place["document"]["key"] for one in answer["sentences"] for place in one["citations"]}
        assert "hr/salary-bands-2026.xlsx" not in cited | documents(answer["search"])


def test_the_page_shows_the_answer_above_the_results(client: Client, keys: dict[str, str]) -> None:
    page = client.get(
        "/search/company?q=How+many+days+of+leave+may+be+carried+over%3F",
        authorization=f"Bearer {keys['everyone']}",
        accept="text/html",
    )
    assert page.status == 200
    assert 0 < page.text.index('aria-label="Answer"') < page.text.index('class="hits"')
