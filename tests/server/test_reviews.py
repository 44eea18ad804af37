"""The pages of legal discovery: a desk of one's own, tags by forms and by keys, looks on record, nothing hidden."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, browsing
from fake_service import FakeService
from live_server import Client, running
from test_search_api import Counting

from rightsized.apps.search.collections import Collections
from rightsized.apps.search.discovery.records import Asker, Criterion
from rightsized.apps.search.discovery.review import Review, gathered
from rightsized.apps.search.discovery.store import ReviewStore
from rightsized.apps.search.types import Filters
from rightsized.core.egress import Egress
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore

ANNA = Asker("anna", ("user:anna", "group:legal"))


class Searching(FakeService):
    def open_encoder(self, name: str) -> Counting:
        return Counting()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one collection of eight notes, six of them for legal alone, and the set `steel` of all."""
    root = tmp_path_factory.mktemp("review")
    papers = root / "papers"
    (papers / "open").mkdir(parents=True)
    for at in range(6):
        (papers / f"n{at}.txt").write_text(f"Steel {at}\n\nThe steel of <order> {at} is late.\n")
    for at in range(2):
        (papers / "open" / f"o{at}.txt").write_text(f"Open {at}\n\nThe open steel price {at}.\n")
    access = papers / ".rightsized-access.toml"
    access.write_text(
        '[[rule]]\nmatch = "**"\nallow = ["group:legal"]\n\n[[rule]]\nmatch = "open/**"\nallow = ["everyone"]\n'
    )
    access.chmod(0o644)
    home = Home(root / "home")
    home.ensure()
    collections = Collections(home, Counting)
    collections.take_in("mails", [str(papers)], Egress.at(str(home.path), ()))
    collection = collections.open("mails")
    view = collection.view(ANNA.principals)
    store = ReviewStore(collection.folder)
    store.create("steel", ANNA, "late steel", asyncio.run(gathered(view, [Criterion("filter")], None, False)))
    only = Criterion("filter", filters=Filters(fields={"folder": ("open",)}))
    store.create("open", ANNA, "", asyncio.run(gathered(view, [only], None, False)))
    store.close()
    collections.close()
    return home.path


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    store = KeyStore(Home(home))
    return {
        "anna": store.create("anna", roles=("reviewer",), principals=ANNA.principals)[1],
        "bo": store.create("bo", roles=("reviewer",), principals=("user:bo",))[1],
        "client": store.create("program", principals=("group:legal",))[1],
    }


@pytest.fixture(scope="module")
def client(home: Path, keys: dict[str, str]) -> Iterator[Client]:
    with running(Searching(), home=str(home), require_key="always") as made:
        yield made


def page(client: Client, key: str, path: str) -> str:
    answer = client.get(path, accept="text/html", authorization=f"Bearer {key}")
    assert answer.status == 200, answer.text
    return answer.text


def post(client: Client, key: str, path: str, fields: dict[str, str]) -> int:
    return client.form(path, fields, authorization=f"Bearer {key}").status


def log(home: Path, asker: Asker = ANNA) -> list[tuple[str, str, str]]:
    collections = Collections(Home(home), Counting)
    collection = collections.open("mails")
    store = ReviewStore(collection.folder)
    review = Review(store, collection.view(asker.principals), "steel", asker)
    found = [(one.account, one.action, one.document) for one in review.log()]
    store.close()
    collections.close()
    return found


def test_each_sees_sets_and_counts_of_their_own_documents(client: Client, keys: dict[str, str]) -> None:
    mine, theirs = page(client, keys["anna"], "/reviews"), page(client, keys["bo"], "/reviews")
    assert '<td class="number">8</td>' in mine
    assert '<td class="number">2</td>' in theirs
    assert "late steel" in mine


def test_a_desk_is_filled_read_and_emptied(client: Client, keys: dict[str, str], home: Path) -> None:
    anna, address = keys["anna"], "/reviews/mails/steel"
    assert "Give me documents" in page(client, anna, address)
    looks = len(client.service.record.looked)
    assert post(client, anna, f"{address}/next", {}) == 303
    shown = page(client, anna, address)
    assert "is late." in shown or "price" in shown
    assert "&lt;order&gt;" in shown or "price" in shown
    document = re.findall(r'name="document" value="(\w+)"', shown)[0]
    assert client.service.record.looked[looks].documents == (f"mails/{document}",)
    assert ("anna", "text", document) in log(home)
    fields = {"document": document, "decision": "responsive", "privileged": "yes", "note": "advice"}
    assert post(client, anna, address, fields) == 303
    after = page(client, anna, address)
    assert f'value="{document}"' not in after
    assert "1 of 8 documents read, 1 responsive" in after
    assert ("anna", "tag", document) in log(home)


def test_two_reviewers_have_different_desks(client: Client, keys: dict[str, str]) -> None:
    address = "/reviews/mails/steel"
    post(client, keys["anna"], f"{address}/next", {})
    post(client, keys["bo"], f"{address}/next", {})
    assert "Give me documents" in page(client, keys["bo"], address)  # anna has what both may see


def test_what_is_wrong_is_refused(client: Client, keys: dict[str, str]) -> None:
    address = "/reviews/mails/steel"
    document = re.findall(r'name="document" value="(\w+)"', page(client, keys["anna"], address))[0]
    assert post(client, keys["anna"], address, {"document": document, "decision": "maybe"}) == 422
    assert post(client, keys["bo"], address, {"document": document, "decision": "responsive"}) in (303, 404)
    assert client.get("/reviews/mails/none", authorization=f"Bearer {keys['anna']}").status == 404
    assert client.get("/reviews/none/steel", authorization=f"Bearer {keys['anna']}").status == 404
    assert client.get(address, authorization=f"Bearer {keys['client']}").status == 403
    cross = {"authorization": f"Bearer {keys['anna']}", "sec-fetch-site": "cross-site"}
    assert client.form(address, {"document": document, "decision": "responsive"}, **cross).status == 403


@pytest.mark.needs_chromium
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
def test_a_document_is_read_and_decided_on_by_keys(home: Path, tmp_path: Path) -> None:
    with running(Searching(), home=str(home)) as client, browsing(tmp_path / "profile") as browser:
        browser.open(client.listening.url + "/reviews")
        browser.press_with_mouse("a[href='/reviews/mails/open']")
        browser.wait("document.querySelector('form[action$=\"/next\"]')")
        browser.press_with_mouse("form[action$='/next'] button")
        browser.wait("document.querySelector('input[name=document]')")
        assert "open steel price" in browser.text(".message")
        for width, dark in ((1200, False), (380, True)):
            browser.open(client.listening.url + "/reviews/mails/open", width=width, dark=dark)
            assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        first = browser.evaluate("document.querySelector('input[name=document]').value")
        browser.press("2")
        browser.wait(f"!document.querySelector('input[value=\"{first}\"]')")
        assert "1 of 2 documents read, 0 responsive" in browser.text("#lead")
        assert browser.complaints == []
