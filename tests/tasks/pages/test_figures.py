"""How figures are written, and that every colour can be read on every ground it stands on."""

from __future__ import annotations

import re

import pytest
from jinja2 import UndefinedError

from rightsized.core.types import Interval
from rightsized.tasks import pages
from rightsized.tasks.pages import figures

AA = 4.5  # least contrast of text, WCAG 2.2 success criterion 1.4.3


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0213, 0, "2%"),
        (0.0213, 1, "2.1%"),
        (0.0, 0, "0%"),
        (1.0, 0, "100%"),
        (0.0004, 0, "<1%"),
        (0.9996, 0, ">99%"),
        (0.9996, 1, ">99.9%"),
        (0.995, 0, "100%"),
        (None, 0, "–"),
        (float("nan"), 0, "–"),
    ],
)
def test_percent(value: float | None, digits: int, text: str) -> None:
    assert figures.percent(value, digits) == text


def test_an_estimate_shows_its_interval() -> None:
    assert figures.interval(Interval(0.83, 0.80, 0.86, 600)) == "83% (80–86%)"
    assert figures.interval(Interval(0.0, 0.0, 1.0, 0)) == "–"


@pytest.mark.parametrize(
    ("value", "text"), [(0.164, "0.16 ms"), (5.21, "5.2 ms"), (119.7, "120 ms"), (1400.0, "1.4 s"), (None, "–")]
)
def test_milliseconds(value: float | None, text: str) -> None:
    assert figures.milliseconds(value) == text


def test_signs_and_times() -> None:
    assert (figures.signed(0.412), figures.signed(-0.2)) == ("+0.41", "−0.20")
    assert figures.moment(1_795_000_000.0) == "2026-11-18 11:06 UTC"
    assert figures.iso(1_795_000_000.0) == "2026-11-18T11:06:40Z"
    assert (figures.count(12840), figures.decimal(-0.5, 1)) == ("12,840", "−0.5")


def test_a_page_that_stands_alone_links_nothing() -> None:
    page = pages.render("base.html", inline_styles=pages.styles())
    assert "--accent" in page
    assert "<link" not in page
    assert "&#" not in pages.styles()
    assert '<link rel="stylesheet" href="/static/tokens.css">' in pages.render("base.html")


def test_templates_escape_and_miss_nothing() -> None:
    made = pages.environment()
    assert made.from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        made.from_string("{{ forgotten }}").render()


def _colours(style: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style))


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_contrast(scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", str(pages.styles()), re.S)
    found = {**_colours(blocks[0]), **_colours(blocks[scheme])}
    for text in ("ink", "quiet", "accent", "alert"):
        for ground in ("page", "panel"):
            assert _contrast(found[text], found[ground]) >= AA, (text, ground)
    for text, ground in (("ink", "accent-soft"), ("ink", "alert-soft"), ("accent", "accent-soft")):
        assert _contrast(found[text], found[ground]) >= AA, (text, ground)
    if scheme < 2:
        assert _contrast(found["on-accent"], found["accent"]) >= AA
