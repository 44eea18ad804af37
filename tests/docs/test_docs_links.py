"""Links inside the documentation lead somewhere, headings included; every page can be reached from the index."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from doc_pages import ROOT, anchors, name, pages, without_code

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
EXTRA = (ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md")
ALL = [page for page in (*pages(), *EXTRA) if page.exists()]


def links(page: Path) -> list[str]:
    """Targets of the links of a page that lead inside the repository."""
    found = LINK.findall(without_code(page.read_text("utf-8")))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    found, headings = [], cache(anchors)  # a long page links to its own headings hundreds of times
    for target in links(page):
        file, _, fragment = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (fragment and fragment not in headings(path)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", ALL, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_every_page_can_be_reached() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        waiting += [(page.parent / target.partition("#")[0]).resolve() for target in links(page)]
    assert [name(page) for page in pages() if page not in seen] == []


def test_the_check_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`\n\n[a](#one-two) [b](#three) [c](gone.md) [d](https://example.com) `[e](f)`\n", "utf-8"
    )
    assert broken(page) == ["#three", "gone.md"]


def test_pages_do_not_name_machines_or_makers() -> None:
    forbidden = re.compile(r"/work/|/tmp/|/root/|\bTODO\b|\bFIXME\b")
    assert {
        name(page): forbidden.findall(page.read_text("utf-8")) for page in ALL if forbidden.search(page.read_text())
    } == {}
