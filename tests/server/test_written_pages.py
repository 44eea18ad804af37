"""Written answers over HTTP and on the pages of a real server: queue, decisions, feedback, models, the prompt box."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from browser import CHROMIUM, Browser, browsing
from fake_service import FakeService
from live_server import Answer, Client, running

from gateway_samples import LARGE, TIERS, certified, settings
from rightsized.core.generation import Completion
from rightsized.core.types import Attempt
from rightsized.server.console.writing import steps
from rightsized.tasks.remote import RunningServer
from rightsized.tasks.service import LocalService

RIGHT = "Please copy this line: 12 + 30 = 42"
DOUBTFUL = "Please copy this line: 12 + 30 = 47"
ATTACK = "<script>alert(1)</script> 12 + 30 = 42"
BARE = 'engine = "fake"\ntier = 1'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("served")
    assert certified(made, person=True, tiers=("small",)).certificate.state == "certified"
    return made


def serving(home: Path, rate: float) -> Iterator[Client]:
    (home / "decisions.sqlite").unlink(missing_ok=True)
    toml = TIERS.replace(BARE, f'{BARE}\nmodel = "acme-large"\ndata_classes = ["public"]')
    service = LocalService(
        settings(home, f"{toml}\n[audit]\nrate = {rate}\n"), purpose="serve", record=True, gateway=True
    )
    with running(cast(FakeService, service)) as client:
        yield client


@pytest.fixture
def audited(home: Path) -> Iterator[Client]:
    yield from serving(home, 1.0)


@pytest.fixture
def unaudited(home: Path) -> Iterator[Client]:
    yield from serving(home, 0.0)


def ask(client: Client, prompt: str, model: str = "auto", **headers: str) -> Answer:
    body = {"model": model, "messages": [{"role": "system", "content": "Copy."}, {"role": "user", "content": prompt}]}
    return client.post("/v1/chat/completions", body, **headers)


def decision_of(answer: Answer) -> str:
    return answer.headers.get("x-rightsized-decision") or str(answer.json["error"]["decision"])


def words(answer: Answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text.split("<main", 1)[1])).strip()


def test_an_audit_is_judged_over_http_without_seeing_who_wrote_it(audited: Client) -> None:
    decision = decision_of(ask(audited, RIGHT))
    (item,) = audited.get("/v1/queue?task=chat").json["items"]
    assert (item["decision"], item["kind"], item["suggestion"]) == (decision, "audit", None)
    assert item["written"] == {
        "turns": [{"role": "system", "text": "Copy."}, {"role": "user", "text": RIGHT}],
        "answer": f"Copy. {RIGHT}", "given": True, "wrote": True, "drafts": [], "cited": [],
    }  # fmt: skip
    assert audited.post(f"/v1/queue/{decision}", {"label": "billing"}).status == 422
    assert audited.post(f"/v1/queue/{decision}", {"label": "right"}).json["kind"] == "audit"
    assert audited.get("/v1/queue?task=chat").json["items"] == []
    assert audited.send("DELETE", f"/v1/queue/{decision}").status == 204
    assert len(audited.get("/v1/queue").json["items"]) == 1
    assert audited.get("/v1/queue?task=nothing").status == 404


def test_feedback_on_an_answer_is_right_or_wrong(unaudited: Client) -> None:
    decision = decision_of(ask(unaudited, RIGHT))
    assert unaudited.post("/v1/feedback", {"decision": decision, "label": "42"}).status == 422
    assert unaudited.post("/v1/feedback", {"decision": decision, "label": "wrong"}).json["kind"] == "feedback"
    shown = unaudited.get(f"/v1/decisions/{decision}").json["written"]
    assert shown["drafts"] == [{"role": "small", "text": f"Copy. {RIGHT}"}]


def test_the_queue_page_shows_prompt_and_answer_and_labels_them(audited: Client) -> None:
    decision = decision_of(ask(audited, RIGHT))
    shown = words(audited.page("/queue"))
    assert f"Copy. {RIGHT}" in shown
    assert "Is this answer right?" in shown
    assert "small" not in shown
    assert "%" not in shown
    blind = audited.page(f"/decisions/{decision}")
    assert "being audited" in blind.text
    assert RIGHT not in blind.text
    done = audited.form(f"/queue/{decision}", {"label": "wrong"})
    assert done.status == 303
    after = audited.page(done.headers["location"])
    assert "Labelled “wrong”" in after.text
    assert "Labelled" not in audited.page(f"/queue?done={decision}&as=hacked").text
    seen = words(audited.page(f"/decisions/{decision}"))
    assert "Called wrong by console. It watches the promise and never trains." in seen
    assert "Answered by small" in seen
    assert audited.form(f"/queue/{decision}/undo", {}).status == 303
    assert "Is this answer right?" in audited.page("/queue?task=chat").text


def test_what_no_tier_was_sure_of_waits_with_its_draft(unaudited: Client) -> None:
    refused = ask(unaudited, DOUBTFUL)
    assert refused.status == 422
    decision = decision_of(refused)
    shown = words(unaudited.page("/queue"))
    assert "Is this draft right?" in shown
    assert "No tier was sure enough." in shown
    page = words(unaudited.page(f"/decisions/{decision}"))
    assert "No tier was sure enough: a person decides." in page
    assert "its draft was passed on: not sure enough" in page
    assert unaudited.form(f"/queue/{decision}", {"label": "right"}).status == 303
    assert "Called right" in unaudited.page(f"/decisions/{decision}").text


def test_feedback_can_be_given_on_the_page_of_a_decision(unaudited: Client) -> None:
    decision = decision_of(ask(unaudited, RIGHT))
    assert unaudited.form(f"/decisions/{decision}/feedback", {"label": "wrong"}).status == 303
    assert "Called wrong by console. The next version learns from it" in words(unaudited.page(f"/decisions/{decision}"))


def test_the_models_page_tells_each_tier_and_the_promise(unaudited: Client) -> None:
    page = unaudited.page("/models")
    shown = words(page)
    assert "2 tiers write here, and what “auto” accepts is certified: at most 5% wrong." in shown
    assert "in the long run at most 5% of the requests answered here are wrong" in shown
    assert "acme-large, a large model, by fake" in shown
    assert "0 in, 2 out US dollars a million tokens" in shown
    assert "May be sent public Price free" in shown
    asked = RunningServer(unaudited.listening.url).gateway()  # as `rightsized gateway` beside a server does
    assert (asked.state, [tier.ready for tier in asked.tiers]) == ("certified", [True, True])
    assert 'href="/models"' in unaudited.page("/").text
    assert "Models that write" in words(unaudited.page("/"))


def test_the_prompt_box_answers_with_its_figures(unaudited: Client) -> None:
    fields = {"prompt": RIGHT, "model": "auto", "data_class": "secret"}
    shown = words(unaudited.form("/models", fields))
    assert "Answered by small," in shown
    assert "sure to be right" in shown
    assert RIGHT in shown
    assert "Cost 0.0000" in shown
    link = re.search(r'href="/decisions/([^"]+)"', unaudited.form("/models", fields).text)
    assert link
    assert unaudited.page(f"/decisions/{link[1]}").status == 200
    public = words(unaudited.form("/models", fields | {"model": "large", "data_class": "public"}))
    assert LARGE in public
    assert "the answer was not checked" in public
    handed_up = words(unaudited.form("/models", fields | {"prompt": DOUBTFUL}))
    assert "No tier was sure enough: a person decides." in handed_up


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"model": "large"}, 403, "secret data may not be sent there"),
        ({"prompt": "  "}, 422, "The prompt is empty."),
        ({"data_class": "cosmic"}, 422, "is no class of data"),
        ({"model": "<b>x</b>"}, 404, "There is no model"),
    ],
)
def test_the_prompt_box_says_what_was_wrong(unaudited: Client, fields: dict[str, str], status: int, said: str) -> None:
    answer = unaudited.form("/models", {"prompt": RIGHT, "model": "auto", "data_class": "secret"} | fields)
    assert (answer.status, said in words(answer)) == (status, True)
    assert "<b>x</b>" not in answer.text


def test_what_models_and_users_write_never_becomes_markup(audited: Client) -> None:
    decision = decision_of(ask(audited, ATTACK))
    for answer in (
        audited.page("/queue"),
        audited.form("/models", {"prompt": ATTACK, "model": "auto", "data_class": "secret"}),
    ):
        assert "<script>alert(1)" not in answer.text
        assert "&lt;script&gt;alert(1)" in answer.text
    audited.post(f"/v1/queue/{decision}", {"label": "right"})
    assert "<script>alert(1)" not in audited.page(f"/decisions/{decision}").text


def test_without_tiers_the_page_says_how_to_name_one(client: Client) -> None:
    shown = words(client.page("/models"))
    assert "No model that writes is configured here yet." in shown
    assert 'engine = "llamacpp"' in client.page("/models").text.replace("&#34;", '"')
    assert client.get("/v1/gateway").status == 404
    refused = client.form("/models", {"prompt": "x", "model": "auto", "data_class": "secret"})
    assert refused.status == 422


@pytest.mark.needs_chromium
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
def test_the_pages_fit_a_phone_and_the_box_works_in_place(audited: Client, tmp_path: Path) -> None:
    ask(audited, "Please copy this line, " + "word" * 60 + ": 1 + 1 = 2")
    url = audited.listening.url
    with browsing(tmp_path / "profile") as browser:
        for path in ("/models", "/queue", "/"):
            for dark in (False, True):
                browser.open(url + path, width=360, height=740, dark=dark)
                assert browser.evaluate("document.documentElement.scrollWidth") <= 360, path
        _asks_in_place(browser, url)
        browser.open(url + "/queue")
        browser.press("1")
        browser.wait("document.querySelector('#work').innerText.includes('Labelled “right”')")
        assert browser.complaints == []


def _asks_in_place(browser: Browser, url: str) -> None:
    browser.open(url + "/models")
    browser.evaluate("window.same = true")
    browser.fill("#prompt", RIGHT)
    browser.press("Enter", modifiers=2)
    browser.wait("document.querySelector('#result .verdict')")
    assert RIGHT in browser.text("#result")
    same: Any = browser.evaluate("window.same")
    assert same is True


BROKEN = """
[[tiers]]
name = "small"
engine = "fake"
options = {fail = "out of memory"}
fallback = ["large"]

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = {fail = "its disk is full"}
"""


def test_the_page_of_a_failed_request_says_what_each_tier_did(tmp_path: Path) -> None:
    service = LocalService(settings(tmp_path, BROKEN), purpose="serve", record=True, gateway=True)
    with running(cast(FakeService, service)) as client:
        answer = ask(client, RIGHT, "small")
        assert answer.status == 502
        shown = words(client.page(f"/decisions/{decision_of(answer)}"))
    assert "This request failed: its disk is full" in shown
    assert "What each tier did" in shown
    assert "failed: out of memory" in shown
    assert "failed: its disk is full" in shown
    assert "a person decides" not in shown


def test_a_step_says_what_was_sent_as_placeholders() -> None:
    hidden = Completion("Dear Anna", "stop", replaced={"person": 2, "payment_card": 1})
    (step,) = steps([Attempt("cloud", 1, "sha256:1", 0.0, None, True, completion=hidden)], None)
    assert step.outcome == "answered; sent as placeholders: 2 person, 1 payment card"
