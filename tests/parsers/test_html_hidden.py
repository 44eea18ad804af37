"""Text of a page that nobody sees is not read, and text that is seen is."""

from __future__ import annotations

import pytest

from rightsized.parsers.html import html_parsed
from rightsized.parsers.html_hidden import Sheets

WORDS = "UNSEEN WORDS"


@pytest.mark.parametrize(
    "style",
    [
        "display:none", "DISPLAY : none !important", "visibility:hidden", "font-size:0",
        "font-size:1px;line-height:1px", "opacity:0", "opacity: 0.0",
        "max-height:0px;overflow:hidden", "width:0; overflow: hidden", "mso-hide:all",
        "position:absolute;left:-9999px", "text-indent:-9999em", "color:transparent", "color:rgba(0, 0, 0, 0)",
        "color:#fff;background-color:#FFFFFF", "color: white; background: rgb(255,255,255)",
    ],
)  # fmt: skip
def test_hidden_by_its_own_style(style: str) -> None:
    assert html_parsed(f'<p>Seen.</p><div style="{style}"><b>{WORDS}</b></div><p>Too.</p>', "m").text == "Seen.\n\nToo."


@pytest.mark.parametrize(
    "style",
    [
        "display:block", "font-size:11px", "font-size:0.8em", "font-size:90%", "opacity:0.9", "color:#fff", "left:-5px",
        "color:white;background:black", "max-height:0", "overflow:hidden;height:20px", "font-size:small", "color:",
        "display", "",
    ],
)  # fmt: skip
def test_what_is_seen_is_read(style: str) -> None:
    assert WORDS in html_parsed(f'<div style="{style}">{WORDS}</div>', "m").text


def test_a_size_around_what_is_shown_counts_until_another_is_said() -> None:
    inner = f'<span style="color:#333">gone</span><span style="font-size:13px">{WORDS}</span>gone'
    assert html_parsed(f'<table><tr><td style="font-size:0px">{inner}</td></tr></table>', "m").text == WORDS
    inner = f'gone <i style="color:#000">{WORDS}</i>'
    assert html_parsed(f'<p style="color:#fff;background:#fff">{inner}</p>', "m").text.strip() == WORDS


@pytest.mark.parametrize(
    ("css", "seen"),
    [
        (".x { display : none }", False),
        ("p, div.x{color:red;visibility:hidden}", False),
        ("/* .x{display:block} */ #y{opacity:0}", False),
        ("div{display:none}", False),
        (".x{display:none} .x{display:block}", True),
        ("@media (max-width:600px) { .x{display:none} } .z{display:none}", True),
        (".z .x{display:none}", True),
        (".x:hover{display:none}", True),
        (".x{", True),
        ("@import url(a.css); .x{display:none}", False),
    ],
)
def test_hidden_by_a_rule_of_a_style_sheet(css: str, seen: bool) -> None:
    page = f'<html><head><style>{css}</style></head><body><div class="a X" id="y">{WORDS}</div></body></html>'
    assert (WORDS in html_parsed(page, "m").text) is seen


def test_long_sheets_end() -> None:
    for css in ("{" * 400_000, "@" * 400_000, "a{" * 200_000, "/*" * 200_000, "a," * 200_000 + "{display:none}"):
        assert not Sheets([css]).hide("b", {"class": "c"})
