"""The report page: whole, safe, self-contained, and honest about its four states."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest
from report_samples import LABELS, certificate, curve, sample

from rightsized.core.types import Interval, State
from rightsized.tasks.records import Confusion, Finding, FitReport, LabelRow, Measured, NoisyLabel
from rightsized.tasks.report import content_policy, render_report

STATES: tuple[State, ...] = ("certified", "estimated", "none", "suspended")
VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&{{ 7*7 }}\u202e'


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed in order, ids occur once, attributes are kept."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"{name} is never closed" for name in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"{tag}: an attribute occurs twice")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def hostile_report() -> FitReport:
    """A report whose every free text tries to break out of the page."""
    base = sample()
    return sample(
        task=msgspec.structs.replace(base.task, name=HOSTILE, labels=(HOSTILE, "other")),
        data_name=HOSTILE,
        split=HOSTILE,
        certificate=certificate("certified", sentence=HOSTILE, sampling=HOSTILE, digests={HOSTILE: HOSTILE}),
        labels=(LabelRow(HOSTILE, 3, 3, 1.0, 1.0, 1.0),),
        confusions=(Confusion(HOSTILE, HOSTILE, 2, (HOSTILE,)),),
        noisy_labels=(NoisyLabel(1, HOSTILE, HOSTILE, HOSTILE, 0.9),),
        findings=(Finding("conflict", HOSTILE, (1, 2)),),
        machine={HOSTILE: HOSTILE},
    )


def bare_report() -> FitReport:
    """A report with as little in it as a fit can leave."""
    nothing = Interval(float("nan"), float("nan"), float("nan"), 0)
    measured = Measured("none", 0, nothing, float("nan"), nothing, nothing, nothing, float("nan"))
    proof = certificate("none", local_share=nothing, rungs=("person",), thresholds=(), p_value=None, needed=None)
    empty: dict[str, tuple[()]] = dict.fromkeys(
        ("budgets", "rungs", "candidates", "curve", "labels", "confusions", "noisy_labels", "findings"), ()
    )
    return sample("none", measured=measured, certificate=proof, **empty)


ALL = [*(sample(state) for state in STATES), hostile_report(), bare_report()]


@pytest.mark.parametrize("report", ALL, ids=[*STATES, "hostile", "bare"])
class TestEveryPage:
    def test_is_well_formed(self, report: FitReport) -> None:
        page = Page(render_report(report))
        assert page.faults == []
        assert len(page.values("id")) == len(set(page.values("id")))
        assert [tag for tag, _ in page.elements if tag == "h1"] == ["h1"]

    def test_needs_nothing_from_outside(self, report: FitReport) -> None:
        html = render_report(report)
        page = Page(html)
        assert {tag for tag, _ in page.elements}.isdisjoint(
            {"script", "link", "img", "iframe", "object", "base", "form"}
        )
        for name in ("src", "srcset", "action", "formaction", "xlink:href", "style"):
            assert page.values(name) == []
        assert all(target.startswith("#") for target in page.values("href"))
        style = html.split("<style>")[1].split("</style>")[0]
        assert "url(" not in style and "@import" not in style

    def test_policy_admits_its_own_style_only(self, report: FitReport) -> None:
        html = render_report(report)
        style = re.search(r"<style>(.*?)</style>", html, re.S)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        stated = next(a["content"] for t, a in Page(html).elements if a.get("http-equiv") == "Content-Security-Policy")
        assert f"style-src 'sha256-{digest}'" in stated and stated.startswith("default-src 'none'")
        assert content_policy(html) == stated

    def test_is_small(self, report: FitReport) -> None:
        assert len(render_report(report).encode()) < 100_000


def test_hostile_text_stays_text() -> None:
    page = Page(render_report(hostile_report()))
    assert page.text.count("<script>alert(1)</script>") >= 10
    assert "49" not in re.findall(r"\{\{ 7\*7 \}\}|\b49\b", page.text)
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []


def test_pictures_take_their_colours_from_the_page() -> None:
    page = Page(render_report(sample()))
    pictures = [a for t, a in page.elements if t in ("svg", "path", "rect", "line", "text", "circle")]
    assert len(pictures) > 10
    for attributes in pictures:
        assert not {"fill", "stroke", "color"} & set(attributes)
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b", " ".join(attributes.values()))


def test_first_line_is_the_answer_and_the_generated_sentence() -> None:
    for state, answer in zip(STATES, ("Yes, for about 83%", "Not at this", "Not within", "Not any more"), strict=True):
        report = sample(state)
        text = Page(render_report(report)).text
        question = text.index("Can a small model do this job safely?")
        assert question < text.index(answer) < text.index(report.certificate.sentence)


def test_an_estimate_never_says_yes_and_admits_when_it_is_over_the_budget() -> None:
    over = sample("estimated")  # 2 of 70 wrong, at a budget of 2%
    within = sample("estimated", certificate=certificate("estimated", epsilon=0.05))
    assert "as far as these examples tell" in Page(render_report(over)).text
    assert "It looks so, but it is not proven." in Page(render_report(within)).text


def test_states_look_and_read_differently() -> None:
    pages = {state: render_report(sample(state)) for state in STATES}
    for state, html in pages.items():
        assert html.count(f'class="stamp {state}"') == 1
    texts = {state: Page(html).text for state, html in pages.items()}
    assert [state for state, text in texts.items() if "A test on labelled messages" in text] == ["certified"]
    assert [state for state, text in texts.items() if "at most 17" in text] == ["certified"]
    assert [state for state, text in texts.items() if "label about 400 fresh messages" in text] == ["estimated", "none"]
    assert [state for state, text in texts.items() if "To get the promise back" in text] == ["suspended"]


def test_every_estimate_names_its_slice_and_interval() -> None:
    text = Page(render_report(sample())).text
    assert "Measured on 1,840 messages kept for the test; the model never learned from them." in text
    for figure in ("83% (80–86%)", "1.2% (0.8–1.9%)", "94.1% (93.0–95.1%)"):
        assert figure in re.sub(r"\s+", " ", text)


def test_a_budget_that_is_broken_says_so() -> None:
    text = Page(render_report(sample())).text
    assert "no, 6% over" in text  # memory: 212 of 200 MB


def test_long_tables_are_cut_and_say_so() -> None:
    many = tuple(LabelRow(f"label {i:04}", 9, 9, 0.9, 0.9, 0.9) for i in range(1500))
    noisy = tuple(NoisyLabel(i, "x" * 5000, LABELS[0], LABELS[1], 0.9) for i in range(500))
    html = render_report(sample(labels=many, noisy_labels=noisy, curve=curve(points=1800)))
    assert len(html.encode()) < 300_000
    text = Page(html).text
    assert "All 1500 labels" in text and "The first 400 by name" in text and "of 500" in text


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_writing_stands_out_from_its_ground(scheme: str) -> None:
    tokens = _tokens(render_report(sample()), scheme)
    pairs = [(ink, ground) for ink in ("ink", "quiet", "accent", "alert") for ground in ("page", "panel")]
    pairs += [("ink", "accent-soft"), ("accent", "accent-soft"), ("ink", "alert-soft"), ("alert", "alert-soft")]
    weak = {pair: round(_contrast(tokens[pair[0]], tokens[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}  # WCAG 2.2, 1.4.3


def _tokens(html: str, scheme: str) -> dict[str, str]:
    style = html.split("<style>")[1].split("</style>")[0]
    blocks = {"light": style.split("@media")[0], "dark": style.split("@media (prefers-color-scheme: dark)")[1]}
    blocks["print"] = style.split("@media print")[1]
    found = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", blocks["light"]))
    found.update(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", blocks[scheme].split("}\n}")[0]))
    return found


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
