"""Flipped, cut and spliced bytes of every format: a parser answers or raises; it never hangs, ends or answers nonsense.

The long form is `python -m benchmarks.parsers`; this one takes seconds.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parser_samples import check

from benchmarks.documents import MAKERS, invent
from rightsized.core.errors import DocumentError
from rightsized.parsers.encodings import decode
from rightsized.parsers.limits import Limits
from rightsized.parsers.markdown import markdown_blocks
from rightsized.parsers.sandbox import Pool
from rightsized.parsers.text import text_blocks
from rightsized.parsers.types import Block, Parsed

LIMITS = Limits(wall_seconds=20, cpu_seconds=10, memory_mb=500)
FORMS = [form for form in MAKERS if form not in ("PNG", "PDF, scanned", "PDF, two columns", "text, UTF-16")]
REASONS = frozenset({"encrypted", "truncated", "malformed", "bomb", "unsupported", "empty", "too-large"})
TEXTS = st.text(st.sampled_from("ab1.()|-=#*>`\n\t \r\u2028é契\u0000§") | st.characters(), max_size=300)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound document of every format."""
    folder = tmp_path_factory.mktemp("whole")
    paths = {}
    for form in FORMS:
        ending, make = MAKERS[form]
        paths[form] = folder / f"{len(paths)}.{ending}"
        make(invent(3, 3), paths[form])
    return paths


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(FORMS), seed=st.integers(0, 2**32), cut=st.booleans(), flips=st.integers(0, 30))
def test_damaged_bytes(form: str, seed: int, cut: bool, flips: int, pool: Pool, whole: dict[str, Path]) -> None:
    rng = random.Random(seed)
    data = bytearray(whole[form].read_bytes())
    for _ in range(flips):
        data[rng.randrange(len(data))] = rng.randrange(256)
    if cut:
        del data[rng.randrange(len(data)) :]
    with tempfile.NamedTemporaryFile(suffix=whole[form].suffix) as file:
        file.write(bytes(data))
        file.flush()
        try:
            check(pool.parse(Path(file.name), whole[form].name, limits=LIMITS))
        except DocumentError as error:
            assert error.reason in REASONS, error


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_texts(text: str) -> None:
    for blocks in (list(text_blocks(text)), list(markdown_blocks(text))):
        _within(text, blocks)


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_html(text: str) -> None:
    from rightsized.parsers.html import html_parsed

    tags = ("div", "table", "tr", "td", "li", "/tr", "h1", "pre", "/table")
    pieces = [f"<{tag}>{text[at : at + 9]}" for at, tag in enumerate(tags)]
    check(html_parsed("".join(pieces), "a.html"))


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_decoding(data: bytes) -> None:
    text = decode(data).text
    assert "\x00" not in text
    text.encode("utf-8")


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_utf8_is_read_as_it_is(text: str) -> None:
    kept = "".join(one for one in text if one != "\x00" and not "\ud800" <= one <= "\udfff" and one != "\ufeff")
    assert decode(kept.encode("utf-8")).text == kept


def _within(text: str, blocks: list[Block]) -> None:
    kept = text.replace("\x00", " ")
    reach = 0
    for block in blocks:
        assert reach <= block.start < block.end <= len(text)
        reach = block.end
    if kept.strip():
        check(Parsed(text="".join("?" if "\ud800" <= one <= "\udfff" else one for one in kept), blocks=tuple(blocks)))
