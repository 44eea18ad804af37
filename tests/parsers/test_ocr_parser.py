"""Words in pictures and scans, with the models that the wheel carries; and what happens without the extra."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from parser_samples import bare, read

from benchmarks.documents import Source, invent
from benchmarks.documents_paged import pictures, write_picture, write_scan
from rightsized.parsers import ocr
from rightsized.parsers.limits import Limits
from rightsized.parsers.sandbox import Pool

LIMITS = Limits(wall_seconds=200, cpu_seconds=150)


@pytest.fixture(scope="module")
def source() -> Source:
    """Few words, so that it takes few seconds."""
    whole = invent(2, 1)
    (section,) = whole.sections
    return whole._replace(sections=(section._replace(paragraphs=section.paragraphs[:1], items=(), rows=()),))


needs_ocr = pytest.mark.needs_ocr


@pytest.fixture
def engine() -> None:
    if not ocr.installed():
        pytest.skip("the extra ocr is not installed: pip install 'rightsized[ocr]'")


@needs_ocr
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("name", "write"), [("a.png", write_picture), ("a.pdf", write_scan)])
def test_words_of_pictures(name: str, write: Callable[[Source, Path], None], source: Source, tmp_path: Path) -> None:
    write(source, tmp_path / name)
    with Pool(1) as pool:  # in the sandbox: no network, no files, limited memory
        parsed = pool.parse(tmp_path / name, name, limits=LIMITS)
    assert bare(parsed.text) == bare(source.words())
    assert {line.box.page for line in parsed.lines} == {1}
    first = parsed.lines[0].box
    assert (first.left, first.top) == pytest.approx((54, 54), abs=6)  # 150 dots at 200 an inch


@needs_ocr
@pytest.mark.usefixtures("engine")
def test_a_picture_without_words(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.full((200, 200), 255, np.uint8)).save(tmp_path / "a.png")
    parsed = read(tmp_path / "a.png")
    assert parsed.notes == ("No words were recognised.",)


@needs_ocr
@pytest.mark.usefixtures("engine")
def test_pages_for_which_no_time_is_left(source: Source, tmp_path: Path) -> None:
    first = pictures(source)[0]
    first.save(tmp_path / "a.pdf", save_all=True, append_images=[first], resolution=200)
    with Pool(1) as pool:
        parsed = pool.parse(tmp_path / "a.pdf", "a.pdf", limits=Limits(cpu_seconds=ocr.PAGE_SECONDS - 1))
    assert parsed.text == ""
    assert parsed.notes == ("Pages that are pictures and were not read for want of time: 1, 2.",)


def test_without_the_extra_a_scan_is_noted(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scan(source, tmp_path / "a.pdf")
    monkeypatch.setattr(ocr, "PACKAGE", "no_such_package")
    parsed = read(tmp_path / "a.pdf")
    assert parsed.text == ""
    (note,) = parsed.notes
    assert note == "Pages that are pictures and were not read: 1. Run: pip install 'rightsized[ocr]'"


def test_without_the_extra_a_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from rightsized.parsers import wire, worker

    Image.fromarray(np.full((200, 200), 255, np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    ocr._engine.cache_clear()
    answer = worker.read(wire.Request(str(tmp_path / "a.png"), "a.png", Limits()))
    ocr._engine.cache_clear()
    assert isinstance(answer, wire.Failure)
    assert answer.reason == "unsupported"
    assert "rightsized[ocr]" in answer.fix


def test_blanks_between_words_are_seen() -> None:
    """Scores of "a b" and "ab" over columns, a blank between them barely thinkable in the first."""
    decoder = ocr._Decoder(["blank", "a", "b", "契", " "])
    scores = np.zeros((3, 5, 5), np.float32)
    for line, second in ((0, 2), (1, 2), (2, 3)):
        scores[line, :, 0] = 0.9
        scores[line, 1, 1] = scores[line, 3, second] = 0.95
    scores[0, 2, 4] = scores[2, 2, 4] = 0.1
    assert [text for text, _ in decoder(scores)] == ["a b", "ab", "a契"]
