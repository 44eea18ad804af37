"""Which messages to ask about: the doubtful ones, not ten of a kind; and groups that become proposals of labels."""

from __future__ import annotations

import numpy as np
import pytest

from rightsized.apps.triage.learning.choose import (
    STRATEGIES,
    choose,
    groups,
    margin_uncertainty,
    starts,
    typical,
)
from rightsized.apps.triage.learning.discover import propose


def unit(rows: list[list[float]]) -> np.ndarray:
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def around(centre: list[float], count: int, spread: float, seed: int) -> list[list[float]]:
    noise = np.random.default_rng(seed).normal(0, spread, (count, len(centre)))
    return (np.array(centre) + noise).tolist()


def test_doubt_is_one_less_the_lead_of_the_best_label() -> None:
    doubt = margin_uncertainty(np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.35, 0.25]]))
    assert doubt == pytest.approx([0.2, 1.0, 0.95])
    several = margin_uncertainty(np.array([[0.99, 0.01], [0.5, 0.0], [0.2, 0.9]]), several=True)
    assert several == pytest.approx([0.02, 1.0, 0.4], abs=1e-6)


def test_active_choice_takes_one_of_a_kind_where_doubt_alone_takes_all_of_one() -> None:
    kinds = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    vectors = unit([row for k, centre in enumerate(kinds) for row in around(centre, 3, 0.02, k)])
    doubt = np.array([0.9] * 3 + [0.8] * 9, dtype=np.float32)  # the first kind is the most doubtful, thrice over
    alone = choose(doubt, vectors, 4, strategy="uncertain")
    spread = choose(doubt, vectors, 4, strategy="active")
    assert {0, 1, 2} < set(alone)
    assert sorted(row // 3 for row in spread) == [0, 1, 2, 3]
    assert spread[0] // 3 == 0, "the most doubtful stands first"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_row_once_as_many_as_there_are_and_the_same_again(strategy: str) -> None:
    vectors = unit(around([1, 1, 1], 30, 0.5, 3))
    doubt = np.random.default_rng(1).random(30).astype(np.float32)
    for count in (1, 7, 30, 50):
        picked = choose(doubt, vectors, count, strategy=strategy, seed=5)  # type: ignore[arg-type]  # of STRATEGIES
        assert len(set(picked)) == len(picked) == min(count, 30)
        assert picked == choose(doubt, vectors, count, strategy=strategy, seed=5)  # type: ignore[arg-type]  # as above


def test_the_first_labels_are_those_of_typical_messages_of_groups_without_one() -> None:
    kinds = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    sizes = (12, 20, 8)
    rows = [row for k, size in enumerate(sizes) for row in around(kinds[k], size, 0.05, k)]
    vectors = unit([*rows, [-1.0, -1.0, -1.0, 3.0]])  # and one that is like nothing else
    labelled = unit([kinds[1]])
    picked = typical(vectors, labelled, 2, seed=1)
    assert picked[0] < 12, "the largest group that has no label"
    assert 32 <= picked[1] < 40
    centre = vectors[:12].mean(axis=0)
    closeness = vectors[:12] @ centre
    assert closeness[picked[0]] > np.median(closeness)
    assert len(set(typical(vectors, labelled, 60))) == len(vectors)
    assert typical(vectors[:0], labelled, 5) == []
    assert (starts(59, 3), starts(60, 3), starts(192, 77), starts(193, 77)) == (True, False, True, False)


def test_texts_that_are_all_the_same_are_chosen_from_too() -> None:
    vectors = np.repeat(unit([[1.0, 2.0]]), 12, axis=0)
    assert len(set(choose(np.full(12, 0.5, np.float32), vectors, 4))) == 4
    assert len(set(groups(vectors, 3).tolist())) == 1


def test_a_group_that_no_label_knows_is_proposed_and_a_labels_hard_cases_are_not() -> None:
    known = unit(around([1, 0, 0, 0], 20, 0.05, 1) + around([0, 1, 0, 0], 20, 0.05, 2))
    labels = ["orders"] * 20 + ["returns"] * 20
    unfit = unit(
        around([0, 0, 1, 0], 12, 0.05, 3) + around([1, 0, 0, 0], 8, 0.05, 4) + [[0, 0, 0, 1], [0, 0.5, 0.5, -1]]
    )
    texts = (
        [f"please send the invoice again {n}" for n in range(12)] + [f"order {n} late" for n in range(8)] + ["x", "y"]
    )
    found = propose(texts, unfit, ["order late"] * 40, labels, known)
    assert [(label.n, sorted(rows)) for label, rows in found] == [(12, list(range(12)))]
    proposal = found[0][0]
    assert "invoice" in [one.word for one in proposal.words]
    assert "late" not in [one.word for one in proposal.words]
    assert set(proposal.examples) <= set(texts[:12])


def test_a_chain_of_neighbours_is_not_one_group() -> None:
    angles = np.linspace(0, 6.0, 60)  # each is next to the one before; most are strangers to most
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    known = unit([[0.0, -1.0]] * 3)
    found = propose([f"t{n}" for n in range(60)], chain, ["k"] * 3, ["a"] * 3, known)
    assert found == []
