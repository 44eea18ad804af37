from __future__ import annotations

from rightsized.tasks.split import fewest, split_rows


def test_fewest_is_the_exact_bound() -> None:
    assert (fewest(0.02, 0.05), fewest(0.01, 0.05)) == (149, 299)
    assert 0.98**149 <= 0.05 < 0.98**148


def test_slices_are_disjoint_complete_and_repeatable() -> None:
    split = split_rows([""] * 3000, 10, 0.02, 0.05, seed=1)
    assert sorted(split.train + split.calibrate + split.report) == list(range(3000))
    assert (len(split.train), len(split.calibrate), len(split.report)) == (1500, 1200, 300)
    assert split == split_rows([""] * 3000, 10, 0.02, 0.05, seed=1)
    assert split.calibrate != split_rows([""] * 3000, 10, 0.02, 0.05, seed=2).calibrate


def test_large_data_keeps_rows_for_training() -> None:
    split = split_rows([""] * 20_000, 77, 0.02, 0.05, seed=0)
    assert (len(split.calibrate), len(split.report)) == (2000, 1000)


def test_few_rows_all_train() -> None:
    split = split_rows([""] * 770, 77, 0.02, 0.05, seed=0)
    assert split.mode == "cross-fitted"
    assert len(split.train) == 770
    assert split.calibrate == ()


def test_a_conversation_stays_on_one_side() -> None:
    groups = [f"c{i // 3}" for i in range(3000)]
    split = split_rows(groups, 5, 0.05, 0.05, seed=3)
    sides = [{groups[i] for i in part} for part in (split.train, split.calibrate, split.report)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_slices_are_sized_in_conversations_however_long_each_is() -> None:
    groups = [f"c{c}" for c in range(2000) for _ in range(1 + c % 7)]
    sizes = set()
    for seed in range(20):
        split = split_rows(groups, 5, 0.05, 0.05, seed=seed)
        sizes.add(tuple(len({groups[i] for i in part}) for part in (split.train, split.calibrate, split.report)))
    assert sizes == {(1000, 800, 200)}  # filled up to a number of rows, the last conversation would be a long one
