"""Drafts of replies over HTTP and on the page: marked, sent to nobody, and with a way out where nothing writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_service import LABELS, FakeService
from live_server import Client, running
from test_search_api import Counting

from rightsized.apps.search.collections import Collections
from rightsized.apps.triage.service import TriageService
from rightsized.core.config import Config
from rightsized.core.egress import Egress
from rightsized.core.tiers import TierConfig
from rightsized.store.home import Home
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.writing import FakeTextWriter
from tests.engines.tiny_gguf import model

WRITTEN = "Hello,\n\nYour invoice 4711 was charged twice.\n\nWe will refund you <b>tomorrow</b>."
ASKED = {"subject": "Invoice", "text": "My invoice 4711 was charged twice.", "id": "t-1", "sender": "a@example.com"}
DRAFT = "/v1/triage/inbox/messages/1/draft"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    (tmp_path / "home" / "triage" / "inbox").mkdir(parents=True)
    with running(FakeService(), home=str(tmp_path / "home")) as made:
        made.post("/v1/triage", ASKED)
        yield made


@pytest.fixture
def writing(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTextWriter:
    (tmp_path / "home" / "triage" / "inbox" / "inbox.toml").write_text('[write]\ntier = "auto"\n')
    writer = FakeTextWriter(lambda _: WRITTEN)
    monkeypatch.setattr(TriageService, "_writer", lambda *_: writer)
    return writer


def test_a_draft_over_the_api_says_what_to_check(client: Client, writing: FakeTextWriter) -> None:
    draft = client.post(DRAFT, {}).json
    assert [one["kind"] for one in draft["checks"]] == ["promise"]
    assert "[check: We will refund you" in draft["text"]
    assert "4711 was charged twice" in draft["text"]
    shown = client.get("/v1/triage/inbox/messages/1").json
    assert [one["what"] for one in shown["events"]] == ["taken", "handled", "drafted"]
    assert shown["message"]["status"] == client.get("/v1/triage/inbox/messages/1").json["message"]["status"] != "done"


def test_a_draft_stands_on_the_page_with_its_message(client: Client, writing: FakeTextWriter) -> None:
    page = client.get("/triage/inbox?number=1", accept="text/html").text
    assert 'value="draft" data-key="r"' in page
    answer = client.form("/triage/inbox/1", {"step": "draft"})
    assert answer.status == 200
    assert "Draft of a reply, sent to nobody" in answer.text
    assert "&lt;b&gt;tomorrow&lt;/b&gt;" in answer.text
    assert "To be checked by you" in answer.text


def test_without_a_tier_the_answer_says_how_to_set_one_up(client: Client) -> None:
    answer = client.post(DRAFT, {})
    assert answer.json["code"] == "unsupported"
    assert "[[tiers]]" in answer.text


def test_the_page_says_whose_label_it_is(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "triage" / "inbox" / "inbox.toml").write_text(
        '[tasks]\ndepartment = "support"\n[escalate]\ntier = "auto"\n'
    )
    label = LABELS[0]
    monkeypatch.setattr(TriageService, "_writer", lambda *_: FakeTextWriter(lambda _: f'{{"label": "{label}"}}'))
    handled = client.post("/v1/triage", {"subject": "", "text": "Hello?", "id": "t-2"}).json["handled"]
    assert handled["labels"]["department"]["next_tier"]["labels"] == [label]
    page = client.get("/triage/inbox?number=2", accept="text/html").text
    assert f"<strong>{label}</strong>" in page
    assert re.search(r'said by <a href="/decisions/fake-1">fake</a>, uncertified', page)


class Searching(FakeService):
    def open_encoder(self, name: str) -> Counting:
        return Counting()


def test_a_draft_rests_on_passages_that_its_reader_may_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, papers = Home(tmp_path / "home"), tmp_path / "papers"
    papers.mkdir()
    (papers / "refunds.txt").write_text("Refunds\n\nAn invoice that was charged twice is refunded within 10 days.\n")
    home.ensure()
    collections = Collections(home, Counting)
    collections.take_in("handbook", [str(papers)], Egress.at(str(home.path), ()))
    collections.close()
    (home.path / "triage" / "inbox").mkdir(parents=True)
    (home.path / "triage" / "inbox" / "inbox.toml").write_text('[write]\ntier = "auto"\npolicies = "handbook"\n')
    writer = FakeTextWriter(lambda _: "An invoice that was charged twice is refunded within 10 days.")
    monkeypatch.setattr(TriageService, "_writer", lambda *_: writer)
    with running(Searching(), home=str(home.path)) as client:
        client.post("/v1/triage", {**ASKED, "text": 'My invoice was charged twice: NOT "fair" author:me'})
        draft = client.post(DRAFT, {}).json
    assert draft["policies"], draft
    assert not [one for one in draft["checks"] if one["kind"] == "number"]
    assert any("refunded within 10 days" in one.text for one in writer.prompts[0].excerpts)


class Writing(FakeService):
    """A service whose gateway is real: one llama.cpp model with random weights."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        file = str(model(context=2048))
        tier = TierConfig("small", "llamacpp", model=file, context=2048, options={"threads": 1})
        self.real = self.gateway = LocalGateway(Config(home=str(home), tiers=(tier,)))

    async def start(self) -> None:
        await super().start()
        await self.real.start()

    async def close(self) -> None:
        await self.real.close()
        await super().close()


def test_a_real_model_drafts_over_the_api_and_on_the_page(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    folder = tmp_path / "home" / "triage" / "inbox"
    folder.mkdir(parents=True)
    (folder / "inbox.toml").write_text('[write]\ntier = "small"\n')
    with running(Writing(tmp_path / "home"), home=str(tmp_path / "home")) as client:
        client.post("/v1/triage", {**ASKED, "text": ASKED["text"] + " So we waited." * 500})
        draft = client.post(DRAFT, {}).json
        assert (draft["tier"], draft["cut"]) == ("small", True)
        assert draft["checks"]  # what random weights say is borne out by nothing
        assert "characters, as many as its context holds" in draft["notes"][0]
        page = client.form("/triage/inbox/1", {"step": "draft"})
        assert "Draft of a reply, sent to nobody" in page.text
        assert "as many as its context holds" in page.text
        assert "It was cut off before its end." in page.text
        shown = client.get("/v1/triage/inbox/messages/1").json
        assert shown["message"]["handled"]["error"] == ""
        assert [one["what"] for one in shown["events"]] == ["taken", "handled", "drafted", "drafted"]
        assert client.get("/v1/triage/inbox/messages/1").json["message"]["handled"]["route"]["actions"] == []
