"""The linear model of fields: it learns what marks a field, keeps spans exact, and is what was fitted when opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rightsized.apps.triage.fields import Extractor
from rightsized.apps.triage.fields.fitting import fit_model, read_examples
from rightsized.apps.triage.fields.model import FOLDER, open_model
from rightsized.apps.triage.records import Address, Mail, Span
from rightsized.core.errors import DataError, IntegrityError
from rightsized.engines.tagger_words import BUCKETS, SLOTS, Words
from rightsized.engines.token_fields import TokenHead, open_token_fields, spans
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tune.token_fields import MarkedSpan, MarkedText, tags_of, word_tags

PLACES = ["the depot in Hull", "the shop in York", "the hall in Leeds", "the hut in Dover", "the barn in Ripon"]
FRAMES = (
    "Please deliver it to {} tomorrow.",
    "I was at {} and nobody came.",
    "Is {} open on Monday?",
    "Collect the boat from {}, please.",
    "My order is late again.",
)


def examples() -> list[MarkedText]:
    found = []
    for number, frame in enumerate(FRAMES * 5):
        place = PLACES[number % len(PLACES)] if number % 3 else PLACES[number // 5]
        text, at = frame.format(place), frame.find("{")
        found.append(MarkedText(text, (MarkedSpan("place", at, at + len(place)),) if at >= 0 else ()))
    return found


@pytest.fixture(scope="module")
def fitted(encoder_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = ModelStore(Home(encoder_home))
    folder = tmp_path_factory.mktemp("inbox")
    settings = fit_model(examples(), store.folder("minilm"), store.card("minilm"), folder)
    assert settings.tags == ("O", "B-place", "I-place")
    return folder


def test_it_marks_what_it_was_shown_in_texts_that_it_was_not(fitted: Path) -> None:
    model = open_model(fitted)
    assert model is not None
    text = "Can you bring it to the shop in Hull, please? It is late."
    assert [(one.name, text[one.start : one.end]) for one in model(text)] == [("place", "the shop in Hull")]
    assert list(model("")) == [] and list(model("My order is late.")) == []


def test_spans_do_not_depend_on_the_length_of_the_text(fitted: Path) -> None:
    model = open_token_fields(fitted / FOLDER)
    text = "My order is late again. " * 60 + "Is the barn in Leeds open on Monday?"
    (one,) = model.mark(text)
    assert text[one.start : one.end] == "the barn in Leeds"


def test_a_message_has_its_fields(fitted: Path) -> None:
    body = "Please deliver FH-20311 to the depot in Hull on 3 May 2026."
    mail = Mail("k", "", body, Address(""), fresh=(Span(0, len(body)),))
    found = Extractor(None, open_model(fitted))(mail)
    assert [(one.name, one.by) for one in found] == [("reference", "pattern"), ("place", "model"), ("date", "pattern")]


def test_an_altered_model_is_not_opened(fitted: Path, tmp_path: Path) -> None:
    copy = tmp_path / FOLDER
    copy.mkdir()
    for one in (fitted / FOLDER).iterdir():
        (copy / one.name).write_bytes(one.read_bytes())
    (copy / "fields.safetensors").write_bytes(b"x")
    with pytest.raises(IntegrityError, match="was altered"):
        open_model(tmp_path)
    assert open_model(tmp_path / "none") is None


def test_tags_of_words() -> None:
    words = Words(
        np.arange(4), np.arange(4), np.array([[0, 2], [3, 5], [6, 8], [9, 11]]), np.zeros((4, SLOTS), np.int64)
    )
    tags = ("O", "B-a", "I-a", "B-b", "I-b")
    found = word_tags(words, [MarkedSpan("a", 0, 5), MarkedSpan("b", 6, 8)], tags)
    assert found.tolist() == [1, 2, 3, 0]
    marked = list(spans(words, found.astype(np.intp), np.full((4, 5), 0.2, np.float32), tags))
    assert [(one.name, one.start, one.end) for one in marked] == [("a", 0, 5), ("b", 6, 8)]


def test_weights_that_do_not_fit_each_other() -> None:
    states, written, bias, between = (np.zeros(one, np.float32) for one in ((6, 3), (BUCKETS, 2), (3,), (3, 3)))
    with pytest.raises(IntegrityError, match="have shapes"):
        TokenHead(states, written, bias, between)


def test_examples_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Only 1 texts"):
        tags_of([MarkedText("a", (MarkedSpan("x", 0, 1),))])
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "ab", "spans": [{"name": "x", "start": 1, "end": 2}]}\n{"text": "c"}\n')
    assert read_examples(path) == [MarkedText("ab", (MarkedSpan("x", 1, 2),)), MarkedText("c")]
    for line in ('{"text": "ab", "spans": [{"name": "x", "start": 1, "end": 3}]}', "{", '{"spans": []}', ""):
        path.write_text(line)
        with pytest.raises(DataError):
            read_examples(path)
