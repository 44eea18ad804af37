"""The pages in a real browser: in place with JavaScript, by plain forms without it, small, dark and on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, browsing
from fake_service import FakeService
from live_server import Client

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
MESSAGE = "I was charged twice on one invoice, the refund of the payment is missing"
PATHS = (
    "/", "/queue", "/jobs", "/models", "/tasks/support", "/tasks/invoices", "/decisions/d0000001", "/problems/busy",
    "/tasks/support/report",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as made:
        yield made


def url(client: Client, path: str) -> str:
    return client.listening.url + path


def test_trying_a_message_updates_the_page_in_place(browser: Browser, client: Client) -> None:
    browser.open(url(client, "/"))
    browser.evaluate("window.same = true")
    browser.fill("#text", MESSAGE)
    browser.press("Enter", modifiers=2)
    browser.wait("document.querySelector('#result .verdict')")
    assert "billing" in browser.text("#result .verdict")
    assert "charged" in browser.text("#result mark.for3")
    assert browser.evaluate("window.same") is True
    assert browser.evaluate("document.querySelector('#text').value") == MESSAGE


def test_queue_by_keys_with_undo(browser: Browser, start: Callable[..., Client]) -> None:
    client = start(FakeService())
    browser.open(url(client, "/queue"))
    browser.evaluate("window.same = true")
    first, second = (item.decision for item in client.service.queue(None, 2))
    browser.press("3")
    browser.wait("document.querySelector('[data-key=u]')")
    assert client.service.reviews[first].label == "account"
    assert "4 waiting" in browser.evaluate("document.querySelector('#nav').textContent")
    assert browser.text("#lead") == "4 messages wait."
    browser.press("u")
    browser.wait("!document.querySelector('[data-key=u]')")
    assert first not in client.service.reviews
    browser.press("s")
    browser.wait(f"document.querySelector('form[action=\"/queue/{second}\"]')")
    assert browser.evaluate("window.same") is True
    browser.evaluate("document.querySelector('#name').focus()")
    browser.press("2")
    assert "2" in browser.evaluate("document.querySelector('#name').value")
    assert not client.service.reviews, "a digit typed into a field is not a label"


def test_an_error_is_shown_where_the_answer_would_be(browser: Browser, start: Callable[..., Client]) -> None:
    client = start(FakeService())
    browser.open(url(client, "/"))
    client.service.busy = True
    browser.fill("#text", MESSAGE)
    browser.press("Enter", modifiers=2)
    browser.wait("document.querySelector('#result .alert')")
    assert "The queue of 256 texts is full." in browser.text("#result")
    client.service.busy, client.service.broken = False, True
    browser.press("Enter", modifiers=2)
    browser.wait("document.querySelector('h1').textContent.includes('inside the server')")
    browser.complaints.clear()  # the 503 and the 500 above


def test_everything_works_without_javascript(browser: Browser, start: Callable[..., Client]) -> None:
    client = start(FakeService())
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(url(client, "/"))
        browser.fill("#text", MESSAGE)
        browser.press_with_mouse("form.ask button")
        browser.wait("document.querySelector('#result .verdict')")
        assert "billing" in browser.text("#result .verdict")
        browser.open(url(client, "/queue"))
        assert browser.evaluate("getComputedStyle(document.querySelector('.keys-only')).display") == "none"
        first = client.service.queue(None, 1)[0].decision
        browser.press_with_mouse("button[value=sales]")
        browser.wait("document.querySelector('[data-key=u]')")
        assert client.service.reviews[first].label == "sales"
        browser.press_with_mouse("[data-key=u]")
        browser.wait("!document.querySelector('[data-key=u]')")
        assert not client.service.reviews
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


def test_a_running_job_moves_on_by_itself(browser: Browser, start: Callable[..., Client]) -> None:
    client = start(FakeService())
    browser.open(url(client, "/jobs"))
    assert "running" in browser.text("#jobs")
    client.service.cancel_job("job-3")
    browser.wait("!document.querySelector('#jobs').innerText.includes('running')")


@pytest.mark.parametrize("path", PATHS)
def test_pages_fit_a_phone_and_obey_the_policy(browser: Browser, client: Client, path: str) -> None:
    browser.complaints.clear()
    for dark in (False, True):
        browser.open(url(client, path), width=360, height=740, dark=dark)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 360
        background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        if not path.endswith("/report"):
            assert background == ("rgb(20, 24, 27)" if dark else "rgb(255, 255, 255)")
    assert browser.complaints == []


def test_pages_print(browser: Browser, client: Client, tmp_path: Path) -> None:
    browser.open(url(client, "/tasks/support"))
    browser.paper(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")
    browser.command("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    finally:
        browser.command("Emulation.setEmulatedMedia", media="")


def test_text_from_outside_never_runs(browser: Browser, client: Client) -> None:
    browser.open(url(client, "/"))
    browser.fill(
        "#text", "<img src=x onerror='window.broken=1'><script>window.broken=1</script> refund invoice payment"
    )
    browser.press("Enter", modifiers=2)
    browser.wait("document.querySelector('#result .verdict')")
    assert browser.evaluate("window.broken") is None
    assert "<script>window.broken=1</script>" in browser.text("#result")
