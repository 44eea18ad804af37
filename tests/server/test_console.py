"""The pages as a browser without JavaScript sees them: forms, redirects, escaping, headers, empty states."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from fake_service import SENTENCES, WAITING, FakeService
from live_server import Answer, Client

PAGES = (
    "/", "/?task=support", "/queue", "/queue?task=support", "/jobs", "/models", "/tasks/support", "/tasks/invoices",
    "/tasks/urgency", "/decisions/d0000001", "/problems/busy", "/nowhere", "/tasks/none",
)  # fmt: skip
ATTACK = "<script>alert(1)</script> \"><img src=x onerror='alert(2)'> {{ 7 * 7 }} refund invoice payment"


class Page(HTMLParser):
    """Collects what a strict content policy and a screen reader care about."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_stands_under_a_strict_policy(client: Client, path: str) -> None:
    answer = client.page(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    page = Page(answer)
    for tag, attributes in page.tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert not page.named("style")
    assert all(script.get("src", "").startswith("/static/") for script in page.named("script"))
    links = [a.get("src") or a.get("href") or a.get("action") or "" for _, a in page.tags]
    assert all(not urlsplit(link).netloc for link in links), "nothing is loaded from elsewhere"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_found_one_s_way_in(client: Client, path: str) -> None:
    page = Page(client.page(path))
    assert len(page.named("main")) == len(page.named("h1")) == 1
    assert page.named("html")[0]["lang"] == "en"
    assert {"nav", "header", "footer"} <= {tag for tag, _ in page.tags}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(below - above <= 1 for above, below in pairwise(levels)), levels
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {label["for"] for label in page.named("label") if "for" in label}
    fields = [a for tag in ("select", "textarea", "input") for a in page.named(tag) if a.get("type") != "hidden"]
    assert all(field["id"] in labelled for field in fields)


def test_static_files_are_there_and_cached(client: Client) -> None:
    home = Page(client.page("/"))
    paths = [a["href"] for a in home.named("link")] + [a["src"] for a in home.named("script")]
    assert len(paths) == 5
    for path in paths:
        first = client.get(path)
        assert first.status == 200
        again = client.get(path, if_none_match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
    for path in ("/static/none.css", "/static/..%2fbase.html", "/static/base.html", "/static/"):
        assert client.get(path).status == 404


def test_home_shows_every_promise(client: Client) -> None:
    text = client.page("/").text
    assert "3 tasks are served here: 1 certified, 1 estimated, 1 suspended." in text
    for state in ("certified", "estimated", "suspended"):
        assert SENTENCES[state] in text  # type: ignore[index]


def test_home_without_tasks_says_how_to_begin(start: Callable[..., Client]) -> None:
    client = start(FakeService(empty=True))
    assert "rightsized fit" in client.page("/").text
    assert "rightsized demo" in client.page("/").text
    assert "rightsized fit" in client.page("/jobs").text
    assert "Nothing waits" in client.page("/queue").text


def test_a_task_that_cannot_be_opened_is_named(start: Callable[..., Client]) -> None:
    service = FakeService(empty=True)
    service.unopenable = {"support": "classifier.json was altered. Fit the task again."}
    client = start(service)
    text = client.page("/").text
    assert "support could not be opened." in text
    assert "classifier.json was altered. Fit the task again." in text
    answer = client.get("/readyz")
    assert (answer.status, answer.json["code"]) == (503, "not-ready")
    assert "'support' could not be opened: classifier.json was altered." in answer.json["detail"]


def test_trying_a_message_without_javascript(client: Client) -> None:
    answer = client.form("/try", {"task": "support", "text": "refund my invoice, I was charged by card, payment"})
    assert answer.status == 200
    text = answer.text
    assert "billing, 97% sure" in text
    assert '<mark class="for3" title="+0.90">refund</mark>' in text
    assert "I was charged twice for one invoice" in text
    assert "not asked: answered before" in text
    assert "the n-gram model after" in text


def test_a_message_that_goes_to_a_person(client: Client) -> None:
    text = client.form("/try", {"task": "support", "text": "good day to all"}).text
    assert "Not sure enough to answer: a person decides" in text
    assert "Its best guess was billing (12%); to answer it must be 60.0% sure." in text


def test_a_message_that_cannot_be_answered_is_kept_in_the_box(client: Client) -> None:
    answer = client.form("/try", {"task": "none", "text": "keep me"})
    assert answer.status == 404
    assert ">keep me</textarea>" in answer.text
    assert "There is no task &#39;none&#39;." in answer.text
    assert client.form("/try", {"task": "support", "text": ""}).status == 422


def test_what_people_write_stays_text(client: Client) -> None:
    answer = client.form("/try", {"task": "support", "text": ATTACK})
    made = re.search(r"/decisions/(d\d+)", answer.text)
    assert made
    for page in (answer, client.page(f"/decisions/{made[1]}")):
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
        assert "{{ 7 * 7 }}" in page.text.replace("</mark>", "").replace('<mark class="for1"', "")
        assert all("onerror" not in attributes for _, attributes in Page(page).tags)
    for path in ("/queue?done=<script>&as=<script>", "/?task=<script>", "/problems/<script>", "/<script>"):
        assert "<script>" not in re.sub(
            r'<script type="module" src="/static/\w+.js"></script>', "", client.page(path).text
        )


def test_labelling_the_queue_without_javascript(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    page = client.page("/queue")
    first, second = (item.decision for item in client.service.queue(None, 2))
    assert f'action="/queue/{first}"' in page.text
    labelled = client.form(f"/queue/{first}", {"label": "account", "task": "support", "after": ""})
    assert labelled.status == 303
    assert client.service.reviews[first].label == "account"
    following = client.page(labelled.headers["location"])
    assert "Labelled “account”." in following.text
    assert f'action="/queue/{second}"' in following.text
    undone = client.form(f"/queue/{first}/undo", {"task": "support"})
    assert undone.headers["location"] == "/queue?task=support"
    assert first not in client.service.reviews


def test_skipping_leads_on_and_round(client: Client) -> None:
    waiting = [item.decision for item in client.service.queue("support", 100)]
    for after, shown in zip(waiting, [*waiting[1:], waiting[0]], strict=True):
        assert f'action="/queue/{shown}"' in client.page(f"/queue?task=support&after={after}").text


def test_audits_are_shown_blind(client: Client) -> None:
    items = client.service.queue("support", 100)
    audit = next(item for item in items if item.kind == "audit")
    before = items[items.index(audit) - 1]
    page = client.page(f"/queue?task=support&after={before.decision}").text
    assert WAITING[1][1] in page
    assert "best guess" not in page.lower()
    assert "suggested" not in page
    assert f"/decisions/{audit.decision}" not in page
    hidden = client.page(f"/decisions/{audit.decision}").text
    assert "delivery" not in hidden
    assert "audited" in hidden


def test_a_wrong_label_is_refused(client: Client) -> None:
    first = client.service.queue("support", 1)[0].decision
    answer = client.form(f"/queue/{first}", {"label": "bilings"})
    assert answer.status == 422
    assert "&#39;bilings&#39; is not a label" in answer.text
    assert client.form(f"/queue/{first}", {}).status == 422
    assert client.form("/queue/none", {"label": "billing"}).status == 404


def test_many_labels_are_typed_and_the_likely_ones_have_keys(start: Callable[..., Client]) -> None:
    service = FakeService()
    labels = tuple(f"intent-{n:02d}" for n in range(77))
    service.add_task("intents", labels)
    client = start(service)
    client.post("/v1/classify", {"task": "intents", "text": "something about intent-40"})
    page = Page(client.page("/queue?task=intents"))
    assert len([option for option in page.named("option") if option.get("value") in labels]) == len(labels)
    keys = [button["value"] for button in page.named("button") if button.get("data-key", "").isdigit()]
    assert keys[0] == "intent-40"
    assert keys[-1] == "out_of_scope"
    assert len(keys) == 6


def test_several_labels_for_one_message(start: Callable[..., Client]) -> None:
    service = FakeService()
    service.add_task("topics", ("price", "speed", "design"), multi_label=True)
    client = start(service)
    made = client.post("/v1/classify", {"task": "topics", "text": "too slow and too dear"}).json["replies"][0]["id"]
    boxes = [
        field["value"] for field in Page(client.page("/queue?task=topics")).named("input") if field.get("data-key")
    ]
    assert boxes == ["price", "speed", "design"]
    body = b"label=price&label=speed&task=topics"
    form = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
    labelled = client.send("POST", f"/queue/{made}", body, form)
    assert service.reviews[made].label == "price|speed"
    assert "Labelled “price, speed”." in client.page(labelled.headers["location"]).text


def test_no_label_fits_is_one_button_where_several_may(start: Callable[..., Client]) -> None:
    """A button of its own: among the ticks it could be said together with a label."""
    service = FakeService()
    service.add_task("topics", ("price", "speed", "design"), multi_label=True)
    client = start(service)
    made = client.post("/v1/classify", {"task": "topics", "text": "too slow and too dear"}).json["replies"][0]["id"]
    page = Page(client.page("/queue?task=topics"))
    [none] = [button for button in page.named("button") if button.get("value") == "out_of_scope"]
    assert none["data-key"] == "0"
    labelled = client.form(f"/queue/{made}", {"label": none["value"], "task": "topics"})
    assert service.reviews[made].label == "out_of_scope"
    assert "Labelled “none of these”." in client.page(labelled.headers["location"]).text


def test_no_label_fits(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    first = client.service.queue("support", 1)[0].decision
    assert 'value="out_of_scope" data-key="0"' in client.page("/queue").text
    labelled = client.form(f"/queue/{first}", {"label": "out_of_scope"})
    assert client.service.reviews[first].label == "out_of_scope"
    assert "Labelled “none of these”." in client.page(labelled.headers["location"]).text


def test_a_decision_outlives_its_task(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    request = {"task": "support", "text": "refund invoice charged payment"}
    made = client.post("/v1/classify", request).json["replies"][0]["id"]
    client.service.remove_task("support")
    answer = client.page(f"/decisions/{made}")
    assert answer.status == 200
    assert "answered by the n-gram model" in answer.text
    assert "There is no task" in answer.text


def test_the_reviewer_is_remembered(client: Client) -> None:
    named = client.form("/reviewer", {"name": "Zoë; admin=1", "task": "support"})
    assert named.status == 303
    cookie = named.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    first = client.service.queue("support", 1)[0].decision
    client.form(f"/queue/{first}", {"label": "other"}, cookie=cookie.split(";")[0])
    assert client.service.reviews.pop(first).reviewer == "Zoë; admin=1"


def test_correcting_a_decision(client: Client) -> None:
    made = client.post("/v1/classify", {"task": "support", "text": "refund invoice charged payment"}).json["replies"][
        0
    ]["id"]
    answer = client.form(f"/decisions/{made}/feedback", {"label": "returns"})
    assert answer.status == 303
    assert answer.headers["location"] == f"/decisions/{made}"
    assert "Corrected to “returns”" in client.page(answer.headers["location"]).text
    assert client.service.reviews[made].kind == "feedback"
    assert "forged" not in client.page(f"/decisions/{made}?corrected=forged").text
    undone = client.form(f"/queue/{made}/undo", {"from": "decision"})
    assert undone.headers["location"] == f"/decisions/{made}"
    assert made not in client.service.reviews
    assert "Corrected" not in client.page(undone.headers["location"]).text


def test_a_label_given_in_the_queue_is_shown_with_the_decision(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    waits = next(item for item in client.service.queue("support", 9) if item.kind == "abstained").decision
    assert "/undo" not in client.page(f"/decisions/{waits}").text
    client.post(f"/v1/queue/{waits}", {"label": "out_of_scope", "reviewer": "zoë <b>"})
    text = client.page(f"/decisions/{waits}").text
    assert "Labelled “none of these” by zoë &lt;b&gt;. The next version learns from it." in text
    assert f'action="/queue/{waits}/undo"' in text


def test_a_decision_whose_text_is_gone(client: Client) -> None:
    made = client.post("/v1/classify", {"task": "support", "text": "refund invoice charged payment"}).json["replies"][
        0
    ]["id"]
    client.service.forget(made)
    answer = client.page(f"/decisions/{made}")
    assert answer.status == 200
    assert "The text was deleted" in answer.text


def test_the_task_page(client: Client) -> None:
    text = client.page("/tasks/support").text
    assert SENTENCES["certified"] in text
    assert "at most 5.0% of the messages answered here are wrong" in text
    assert "214, of which 4 wrong; 6 still wait" in text
    alarmed = client.page("/tasks/invoices").text
    assert "Alarm" in alarmed
    assert "Scores have drifted" in alarmed


def test_a_task_without_a_promise_claims_none(start: Callable[..., Client]) -> None:
    service = FakeService()
    service.add_task("new", ("yes", "no"))
    client = start(service)
    tried = client.form("/try", {"task": "new", "text": "yes yes yes"}).text
    assert "Nothing is answered here now: a person decides." in tried
    assert "Its best guess was yes" in tried
    assert "and it may not answer." in tried
    estimated = client.page("/tasks/urgency").text
    assert "estimated, not certified" in estimated
    assert "There is no promise in force to watch." in estimated


def test_the_report_runs_no_script(client: Client) -> None:
    answer = client.page("/tasks/support/report")
    assert "Report of support" in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert client.page("/tasks/none/report").status == 404


def test_jobs_and_cancelling(start: Callable[..., Client]) -> None:
    client = start(FakeService())
    text = client.page("/jobs").text
    assert "1 job runs now." in text
    assert "embed, 620 of 1,000" in text
    assert "has no column &#39;label&#39;" in text
    assert client.form("/jobs/job-3/cancel", {}).headers["location"] == "/jobs"
    assert "No job runs now." in client.page("/jobs").text
    assert client.form("/jobs/job-3/cancel", {}).status == 409


def test_problems_are_pages_for_people(client: Client) -> None:
    answer = client.page("/tasks/none")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Tasks here: invoices, support, urgency." in answer.text
    assert client.get("/tasks/none").headers["content-type"] == "application/problem+json"
    client.service.broken = True
    try:
        broken = client.form("/try", {"task": "support", "text": "refund"})
    finally:
        client.service.broken = False
    assert broken.status == 500
    assert "secret" not in broken.text
