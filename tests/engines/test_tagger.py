"""The tagger on its shipped weights: names in running text, windows, bits alone and under load, integrity."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rightsized.core.errors import IntegrityError, NotFoundError, StoreError
from rightsized.engines.tagger import OnnxTagger, windows
from rightsized.engines.tagger_words import BUCKETS, SLOTS, Words, handles
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks import names
from rightsized.tasks.names import open_detector, open_tagger
from tests.conftest import share_encoder

LETTER = (
    "Dear Anna Kowalska,\n\nour engineer Sören Ødegård of Siemens AG will visit you in Rotterdam on Monday. "
    "@anna_k92 was told.\n\nKind regards,\nPriya Raman"
)


@pytest.fixture(scope="module")
def store(encoder_home: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(Home(share_encoder(encoder_home, tmp_path_factory.mktemp("tagger") / "home")))


@pytest.fixture(scope="module")
def tagger(store: ModelStore) -> OnnxTagger:
    return open_tagger(store)


def said(tagger: OnnxTagger, text: str) -> set[tuple[str, str]]:
    return {(text[one.start : one.end], one.type) for one in tagger.tag(text)}


def test_names_are_marked_to_the_character(tagger: OnnxTagger) -> None:
    people = {(name, "person") for name in ("Anna Kowalska", "Sören Ødegård", "@anna_k92", "Priya Raman")}
    assert people | {("Siemens AG", "organisation"), ("Rotterdam", "place")} <= said(tagger, LETTER)


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "The invoice is due in two weeks.", "!!! ... ---"])
def test_texts_without_names(tagger: OnnxTagger, text: str) -> None:
    assert tagger.tag(text) == []


def test_a_long_text_is_read_to_its_end(tagger: OnnxTagger) -> None:
    filler = "The invoice is due in two weeks. " * 200
    text = f"{filler}Please call Anna Kowalska in Rotterdam.{filler}"
    place = text.index("Anna Kowalska")
    assert any(one.start == place and one.end == place + 13 and one.type == "person" for one in tagger.tag(text))


def test_every_word_takes_its_scores_from_one_window_and_no_window_is_too_long() -> None:
    random = np.random.default_rng(5)
    for count in (1, 2, 150, 193, 700):
        lengths = random.integers(1, 9, size=count)
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        pieces = np.zeros(int(lengths.sum()), np.int64)
        words = Words(pieces, first, np.zeros((count, 2), np.int64), np.zeros((count, SLOTS), np.int64))
        found = list(windows(words))
        assert [w for window in found for w in range(window.first, window.last)] == list(range(count))
        for window in found:
            assert window.start <= window.first < window.last <= window.end
            assert lengths[window.start : window.end].sum() <= 192


def test_bits_are_equal_alone_and_under_load(tagger: OnnxTagger) -> None:
    texts = [LETTER, "short Priya", LETTER * 4, "in Rotterdam"]
    alone = [tagger.word_scores(text)[1].tobytes() for text in texts]
    start = threading.Barrier(4)

    def work(text: str) -> bytes:
        start.wait()
        return tagger.word_scores(text)[1].tobytes()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert list(pool.map(work, texts)) == alone


def test_it_stops_when_time_has_run_out(tagger: OnnxTagger) -> None:
    with pytest.raises(TimeoutError):
        tagger.tag(LETTER, lambda: True)


def test_user_names(tagger: OnnxTagger) -> None:
    def found(text: str) -> list[str]:
        words, _ = tagger.word_scores(text)
        return [text[words.places[a, 0] : words.places[b - 1, 1]] for a, b in handles(text, words)]

    assert found("RT @Theory_Versa: hi @x9, a@b.org @ home and @corp.example") == ["@Theory_Versa", "@x9"]


def test_features_stay_within_their_table(tagger: OnnxTagger) -> None:
    words, _ = tagger.word_scores(LETTER + " \u6771\u4eac \U0001f600 " + "x" * 500)
    assert words.features.min() >= 1
    assert words.features.max() < BUCKETS


def test_it_is_built_once_and_again_when_its_settings_change(
    store: ModelStore, tagger: OnnxTagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = store.card(names.MODEL).created
    assert open_tagger(store).digest == tagger.digest
    assert store.card(names.MODEL).created == created
    weights, settings = names.shipped()
    for file in weights.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    changed = tmp_path / "names.json"
    changed.write_text(changed.read_text("utf-8").replace('"frozen": 3', '"frozen":  3'), "utf-8")
    monkeypatch.setattr(names, "shipped", lambda: (tmp_path / weights.name, settings))
    assert open_tagger(store).digest != tagger.digest
    monkeypatch.undo()
    assert open_tagger(store).digest == tagger.digest


def test_altered_weights_are_refused(encoder_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, settings = names.shipped()
    for file in weights.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    (tmp_path / weights.name).write_bytes(bytes(content))
    monkeypatch.setattr(names, "shipped", lambda: (tmp_path / weights.name, settings))
    with pytest.raises(IntegrityError, match="altered"):
        open_tagger(ModelStore(Home(share_encoder(encoder_home, tmp_path / "home"))))


def test_another_encoder_is_refused(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, settings = names.shipped()
    other = type(settings)(**{**{f: getattr(settings, f) for f in settings.__struct_fields__}, "encoder_weights": "x"})
    monkeypatch.setattr(names, "shipped", lambda: (weights, other))
    monkeypatch.setattr(names, "built_from", lambda *_: "built:other")
    with pytest.raises(StoreError, match="another encoder"):
        open_tagger(store)


def test_without_an_encoder_the_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="minilm"):
        open_detector(ModelStore(Home(tmp_path).ensure()))


def test_the_detector_joins_names_and_patterns(store: ModelStore) -> None:
    text = "Priya Raman, priya@example.org, lives in Rotterdam"
    findings = open_detector(store).detect(text)
    found = [(text[one.start : one.end], one.type) for one in findings.found]
    assert found == [("Priya Raman", "person"), ("priya@example.org", "email"), ("Rotterdam", "place")]
    assert findings.data_class == "personal"
