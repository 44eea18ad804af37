"""A whole adaptation, with a real graph: what is better serves, what is not changes nothing; and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from adapt_samples import ASKED, BASE, NAME, TEXTS, TITLED, World, domain, world
from msgspec.structs import replace

from rightsized.apps.search.adapt import adapting
from rightsized.apps.search.adapt.adapting import adapt, go_back, verdict
from rightsized.apps.search.adapt.copies import COPY, WORK, held, sweep
from rightsized.apps.search.adapt.judging import FEWEST, MAIN, halves
from rightsized.apps.search.adapt.own import read_own, serving_own
from rightsized.apps.search.adapt.records import Adapted, AdaptOptions
from rightsized.apps.search.adapt.training import Base
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.index.check import check
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.core.egress import Egress
from rightsized.core.errors import DataError, NotFoundError, UnsupportedError
from rightsized.tasks.adapted import FACTS
from rightsized.tasks.encoders import open_encoder

OPTIONS = AdaptOptions(epochs=300)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    made = world(tmp_path)
    yield made
    made.collection.close()
    made.encoder.close()


def adapted(made: World, questions: list[JudgedQuestion]) -> Adapted:
    return adapt(made.collection, Base(made.store, BASE, made.encoder), questions, OPTIONS)


def collections(made: World) -> Collections:
    return Collections(made.home, lambda: open_encoder(BASE, made.store), lambda name: open_encoder(name, made.store))


def easy(made: World) -> list[JudgedQuestion]:
    """Questions in the very words of their answers, which any encoder finds."""
    view = made.collection.view(())
    return [replace(one, text=view.found(sorted(one.relevant))[0].passage.text) for one in made.questions]


def test_what_is_better_on_held_out_questions_serves(made: World) -> None:
    report = adapted(made, made.questions)
    assert report.kept and report.deciding is not None and report.other is not None
    before, after, gain = report.deciding.served[MAIN]
    assert before.mean < 0.1 and after.mean > 0.2 and gain.proven
    assert (gain.n, report.deciding.questions + report.other.questions) == (after.n, len(made.questions))
    assert report.trained.pairs == {"title": 140}
    assert report.trained.after > report.trained.before
    view = made.collection.view(())
    assert view.encoder == report.digest != made.encoder.digest
    assert check(made.collection.folder) == []
    assert not (made.collection.folder / WORK).exists()
    opened = collections(made)
    try:
        assert opened.open(NAME).encoder.digest == report.digest
        passage = view.passages(view.documents(made.questions[0].filters)[0].id)[0]
        (vector,) = view.vectors([passage.row])
        assert float(vector @ opened.open(NAME).encoder.encode_now(passage.passage.indexed).vector) > 0.99
    finally:
        opened.close()


def test_the_model_says_where_it_comes_from(made: World) -> None:
    report = adapted(made, made.questions)
    card, base = made.store.card(report.model), made.store.card(BASE)
    assert card.source == f"adapted:{BASE}@{base.digest}"
    assert card.origin == base.files["model.fp32.onnx"].sha256
    assert (card.licence, card.languages, card.context) == (base.licence, base.languages, base.context)
    assert made.store.verify(report.model) == []
    facts = json.loads((made.store.folder(report.model) / FACTS).read_text("utf-8"))
    assert facts["base"] == base.digest and facts["trained"]["pairs"] == {"title": 140}


def test_what_is_not_better_changes_nothing(made: World) -> None:
    before = (made.collection.view(()).encoder, [card.name for card in made.store.list()])
    report = adapted(made, easy(made))
    assert not report.kept and "stays as it was" in report.reason
    assert (made.collection.view(()).encoder, [card.name for card in made.store.list()]) == before
    assert read_own(made.collection.folder) is None
    assert check(made.collection.folder) == []


def test_without_judged_questions_nothing_serves_but_the_model_is_there(made: World) -> None:
    report = adapted(made, [])
    assert not report.kept and report.deciding is None
    assert made.store.has(report.model)
    assert made.collection.view(()).encoder == made.encoder.digest


def test_a_copy_that_a_killed_process_left_goes_when_the_collection_is_opened(made: World) -> None:
    folder = made.collection.folder
    kept = folder / WORK / "training" / "step.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    with held(folder) as copy:
        (copy / "index.sqlite").write_text("documents that may have been removed since")
        sweep(folder)
        assert (copy / "index.sqlite").exists(), "an adaptation that goes on keeps its copy"
    (folder / WORK / COPY).mkdir()
    (folder / WORK / COPY / "index.sqlite").write_text("left behind")
    opened = collections(made)
    opened.open(NAME)
    opened.close()
    assert not (folder / WORK / COPY).exists() and kept.exists()


def test_few_questions_decide_nothing(made: World) -> None:
    report = adapted(made, made.questions[:20])
    assert not report.kept and str(FEWEST) in report.reason
    assert verdict(None)[0] is False


def test_the_same_work_gives_the_same_model(made: World) -> None:
    first, second = adapted(made, []), adapted(made, [])
    assert first.model != second.model
    assert made.store.card(first.model).digest == made.store.card(second.model).digest


def test_there_is_a_way_back(made: World) -> None:
    report = adapted(made, made.questions)
    assert report.kept
    with pytest.raises(UnsupportedError, match="--back"):
        adapted(made, made.questions)
    assert go_back(made.collection, made.encoder) == TEXTS
    assert made.collection.view(()).encoder == made.encoder.digest
    assert read_own(made.collection.folder) is None
    assert made.store.has(report.model)


def test_a_collection_that_is_open_elsewhere_takes_the_encoder_over(made: World) -> None:
    opened = collections(made)
    try:
        assert opened.open(NAME).encoder.digest == made.encoder.digest
        report = adapted(made, made.questions)
        held = opened.open(NAME)
        assert held.encoder.digest == report.digest == held.view(()).encoder
        go_back(made.collection, made.encoder)
        assert opened.open(NAME).encoder.digest == made.encoder.digest
    finally:
        opened.close()


def test_what_is_taken_in_later_goes_through_the_collections_own_encoder(made: World, tmp_path: Path) -> None:
    report = adapted(made, made.questions)
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "new.txt").write_text("n o p q r s t u v w x y z", "utf-8")
    opened = collections(made)
    try:
        (done,) = opened.take_in(NAME, [str(tmp_path / "later")], Egress())
        assert (done.added, done.encoded) == (1, 1)
        assert opened.open(NAME).view(()).encoder == report.digest
        assert opened.standing(NAME).documents == TITLED + ASKED + 1
    finally:
        opened.close()


def test_a_swap_that_was_cut_off_leaves_the_old_encoder_serving(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = adapting.reembed

    def cut_off(collection: object, encoder: object, **more: object) -> object:
        if collection is made.collection:
            raise KeyboardInterrupt
        return whole(collection, encoder, **more)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(adapting, "reembed", cut_off)
    with pytest.raises(KeyboardInterrupt):
        adapted(made, made.questions)
    assert serving_own(made.collection.folder) is None
    opened = collections(made)
    try:
        assert opened.open(NAME).encoder.digest == made.encoder.digest == opened.open(NAME).view(()).encoder
    finally:
        opened.close()
    monkeypatch.setattr(adapting, "reembed", whole)
    assert adapted(made, made.questions).kept


def test_an_encoder_that_was_removed_is_named_with_the_way_back(made: World) -> None:
    report = adapted(made, made.questions)
    made.store.remove(report.model)
    opened = collections(made)
    try:
        with pytest.raises(NotFoundError) as caught:
            opened.open(NAME)
        assert f"search adapt {NAME} --back" in caught.value.fix
    finally:
        opened.close()


def test_a_collection_without_headings_is_refused(tmp_path: Path) -> None:
    judged = domain()
    few = replace(judged, rows=tuple(replace(row, title="") for row in judged.rows))
    made = world(tmp_path, few)
    try:
        with pytest.raises(DataError, match="0 pairs"):
            adapted(made, [])
    finally:
        made.collection.close()
        made.encoder.close()


def test_halves_keep_groups_together_and_lose_none() -> None:
    questions = [JudgedQuestion(f"question {i}", frozenset({i}), group=f"document {i % 7}") for i in range(70)]
    first, second = halves(questions, 0)
    assert sorted([*first, *second]) == list(range(70)) and first and second
    assert not {questions[i].group for i in first} & {questions[i].group for i in second}
    assert np.array_equal(halves(questions, 0)[0], first)
    assert abs(len(first) - len(second)) <= 10
    alone = [replace(one, group="") for one in questions]
    assert [len(half) for half in halves(alone, 0)] == [35, 35]
    assert halves(alone, 0) != halves(alone, 1)
