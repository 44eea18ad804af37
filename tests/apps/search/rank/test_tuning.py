"""Learning an order: it finds what is there, keeps nothing that is not proven, and holds out whole groups."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from judged_samples import judged
from msgspec.structs import replace
from word_encoder import WordEncoder

from rightsized.apps.search.evaluate.asking import Asking, Bench
from rightsized.apps.search.evaluate.collected import Collected, collect
from rightsized.apps.search.rank.judgements import read_judgements
from rightsized.apps.search.rank.ordering import COLUMNS, DEFAULT, Ordering
from rightsized.apps.search.rank.saved import (
    EXAMPLES_FILE,
    FILE,
    Orderings,
    forget_ordering,
    open_ordering,
    save_ordering,
    saved_model,
)
from rightsized.apps.search.rank.tuning import FEWEST, FOLDS, JudgedQuestion, Tuned, _folds, tune_fusion
from rightsized.core.errors import DataError, IntegrityError


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    found = collect(tmp_path_factory.mktemp("home"), "made", judged(), WordEncoder())
    yield found
    found.collection.close()


@pytest.fixture(scope="module")
def bench(collected: Collected) -> Bench:
    return Bench(judged(), collected, WordEncoder(), Asking("doc"))


@pytest.fixture(scope="module")
def tuned(bench: Bench) -> tuple[Ordering, Tuned]:
    return tune_fusion(bench.view, bench.questions(), WordEncoder())


def test_what_is_asked_of_every_contract_is_learned(tuned: tuple[Ordering, Tuned]) -> None:
    ordering, report = tuned
    assert report.questions == 48 and report.before.groups == 12
    assert report.kept and report.gain.low > 0
    assert report.after.mean > report.before.mean + 0.1
    assert report.weights["example"] > 0 and report.examples == 48
    assert report.digest == ordering.digest


def test_learning_changes_what_is_found(bench: Bench, tuned: tuple[Ordering, Tuned]) -> None:
    from rightsized.apps.search.evaluate.asking import DEFAULT as SERVED
    from rightsized.apps.search.query.results import Ranking

    learned = SERVED._replace(name="learned", ranking=Ranking(ordering=tuned[0]))
    gain = bench.outcome(learned).gain_over(bench.outcome(SERVED))["ndcg@10"]
    assert gain.proven


def test_shuffled_judgements_are_not_kept(bench: Bench) -> None:
    given = bench.questions()
    drawn = random.Random(3)
    noise = []
    for one in given:
        rows = [found.row for found in bench.view.passages(one.filters.documents[0])]
        noise.append(replace(one, relevant=frozenset(drawn.sample(rows, 1))))
    _, report = tune_fusion(bench.view, noise, WordEncoder())
    assert not report.kept


def test_groups_are_held_out_whole() -> None:
    groups = [f"contract {i % 25}" for i in range(300)]
    folds = _folds(groups, 0)
    assert set(folds.tolist()) == set(range(FOLDS))
    assert all(len(set(folds[i::25].tolist())) == 1 for i in range(25))
    assert _folds(groups, 1).tolist() != folds.tolist()
    assert _folds([*groups, "one more"], 0)[:300].tolist() == folds.tolist()


def test_too_few_questions_are_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match=f"{FEWEST} are needed"):
        tune_fusion(bench.view, bench.questions()[: FEWEST - 1], WordEncoder())


def test_answers_that_are_never_found_are_refused(bench: Bench) -> None:
    lost = [JudgedQuestion(one.text, frozenset({10**9}), one.filters) for one in bench.questions()]
    with pytest.raises(DataError, match="nothing can be learned"):
        tune_fusion(bench.view, lost, WordEncoder())


def test_saved_and_opened_again(tuned: tuple[Ordering, Tuned], tmp_path: Path) -> None:
    ordering, report = tuned
    assert saved_model(tmp_path) is None and open_ordering(tmp_path, "sha256:words").weights == DEFAULT
    save_ordering(tmp_path, ordering, report, encoder="sha256:words", created=1.0)
    again = open_ordering(tmp_path, "sha256:words")
    assert again.digest == ordering.digest and again.examples.documents == ordering.examples.documents
    assert open_ordering(tmp_path, "sha256:other").weights == DEFAULT  # another encoder: its cosines mean other things
    model = saved_model(tmp_path)
    assert model is not None and model.report == report
    forget_ordering(tmp_path)
    assert saved_model(tmp_path) is None


def test_an_altered_file_is_refused(tuned: tuple[Ordering, Tuned], tmp_path: Path) -> None:
    save_ordering(tmp_path, *tuned, encoder="e", created=1.0)
    content = (tmp_path / EXAMPLES_FILE).read_bytes()
    (tmp_path / EXAMPLES_FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="is not what"):
        open_ordering(tmp_path, "e")
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(IntegrityError, match="cannot be read"):
        saved_model(tmp_path)


def test_a_learned_order_is_noticed_while_open(tuned: tuple[Ordering, Tuned], tmp_path: Path) -> None:
    known = Orderings()
    assert known.of(tmp_path, "e").weights == DEFAULT
    save_ordering(tmp_path, *tuned, encoder="e", created=1.0)
    first = known.of(tmp_path, "e")
    assert first.digest == tuned[0].digest and known.of(tmp_path, "e") is first
    os.utime(tmp_path / FILE, (5, 5))
    assert known.of(tmp_path, "e") is not first


def test_judgements_of_a_real_collection(collected: Collected, tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    lines = [
        '{"text": "q", "document": "c00", "answer": "tenant  owes 3 EUROS"}',
        '{"text": "q", "document": "c99", "answer": "x"}',
        '{"text": "q", "document": "c00", "answer": "said nowhere"}',
        '{"text": "q", "document": "", "answer": null}',
    ]
    path.write_text("\n".join(lines))
    read = read_judgements(path, collected.collection.view(()))
    (question,) = read.questions
    (found,) = collected.collection.view(()).found(sorted(question.relevant))
    assert found.passage.text.startswith("The tenant owes 3")
    assert [line.split(":")[0] for line in read.problems] == ["Line 2", "Line 3", "Line 4"]


@pytest.mark.parametrize(
    "content", ["[1]", '{"document": "c00", "answer": "x"}', '{"text": "q", "document": 3, "answer": "x"}']
)
def test_odd_judgements_are_refused(content: str, collected: Collected, tmp_path: Path) -> None:
    (tmp_path / "judged.jsonl").write_text(content)
    with pytest.raises(DataError, match="line 1"):
        read_judgements(tmp_path / "judged.jsonl", collected.collection.view(()))


def test_default_weights_name_columns() -> None:
    assert set(DEFAULT) <= set(COLUMNS)
