"""Attempts are never forgotten, and the audit coin is fair, repeatable and blind to what the model does."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from rightsized.cascade.attempts import FILE, count_attempt, decisions_tested, read_book, share_of_delta
from rightsized.cascade.coin import AuditCoin, Toss
from rightsized.core.errors import ConfigError, DataError, StoreError

ROWS = [f"row {i}" for i in range(50)]
SECRET = b"0123456789abcdef"


def attempt(home: Path, rows: list[str], trial: str = "a", looks: tuple[float, ...] = ()) -> int:
    return count_attempt(home, task="support", rows=rows, trial=trial, looks=looks)


def test_each_new_trial_on_the_same_rows_is_another_attempt(tmp_path: Path) -> None:
    assert [attempt(tmp_path, ROWS, trial) for trial in "abc"] == [1, 2, 3]


def test_the_same_trial_again_is_no_new_look(tmp_path: Path) -> None:
    assert [attempt(tmp_path, ROWS, trial) for trial in "abab"] == [1, 2, 1, 2]
    assert attempt(tmp_path, ROWS[::-1], "a") == 1  # the order of rows is not part of them


def test_a_few_more_labels_are_the_same_labels(tmp_path: Path) -> None:
    assert attempt(tmp_path, ROWS) == 1
    assert attempt(tmp_path, [*ROWS, "one more"]) == 2
    assert attempt(tmp_path, ROWS[:1]) == 3
    assert attempt(tmp_path, [*ROWS[40:], *(f"new {i}" for i in range(40))]) == 4


def test_attempts_connected_through_others_count(tmp_path: Path) -> None:
    assert attempt(tmp_path, ["a", "b"]) == 1
    assert attempt(tmp_path, ["b", "c"]) == 2
    assert attempt(tmp_path, ["c", "d"]) == 3  # shares no row with the first


def test_fresh_labels_start_afresh(tmp_path: Path) -> None:
    attempt(tmp_path, ROWS)
    assert attempt(tmp_path, [f"fresh {i}" for i in range(50)], "b") == 1


def test_requests_are_known_again_under_other_labels(tmp_path: Path) -> None:
    asked = [f"decision {i}" for i in range(50)]
    relabelled, fresh = [f"other {i}" for i in range(50)], [f"fresh {i}" for i in range(50)]
    for number, (rows, decisions) in enumerate([(ROWS, asked), (relabelled, asked[:1]), (["x"], ["decision 9"])], 1):
        assert count_attempt(tmp_path, task="support", rows=rows, trial=str(number), decisions=decisions) == number
    assert count_attempt(tmp_path, task="support", rows=fresh, trial="4", decisions=["decision 99"]) == 1
    assert decisions_tested(tmp_path, "support") == {*asked, "decision 99"}
    assert decisions_tested(tmp_path, "another task") == set()


def test_the_count_is_on_disk_before_the_test_is_run(tmp_path: Path) -> None:
    attempt(tmp_path, ROWS)
    assert [past.number for past in read_book(tmp_path).attempts] == [1]


def test_a_damaged_record_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    attempt(tmp_path, ROWS)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="cannot be read"):
        attempt(tmp_path, ROWS)


def test_declared_looks_bind(tmp_path: Path) -> None:
    looks = (0.4, 0.6)
    assert [attempt(tmp_path, ROWS, trial, looks) for trial in "ab"] == [1, 2]
    assert [share_of_delta(j, looks) for j in (1, 2)] == [0.4, 0.6]
    with pytest.raises(DataError, match="All 2 declared looks"):
        attempt(tmp_path, ROWS, "c", looks)
    with pytest.raises(DataError, match="cannot be declared now"):
        attempt(tmp_path, ROWS, "c", ())
    with pytest.raises(DataError, match="add up to at most 1"):
        attempt(tmp_path, ["new"], "c", (0.7, 0.7))


def test_undeclared_shares_add_up_to_one() -> None:
    assert share_of_delta(1) == 0.5
    assert sum(share_of_delta(j) for j in range(1, 10_000)) == pytest.approx(1, abs=2e-4)


def _count(home: str, trial: str) -> int:
    return attempt(Path(home), ROWS, trial)


def test_two_processes_at_once_are_two_attempts(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        numbers = pool.starmap(_count, [(str(tmp_path), str(i)) for i in range(6)])
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 1.0])
def test_the_coin_has_the_rate_it_says(rate: float) -> None:
    coin = AuditCoin(SECRET, rate)
    tosses = [coin(f"id-{i}") for i in range(20_000)]
    heads = np.mean([toss.audit for toss in tosses])
    assert abs(heads - rate) <= 4 * np.sqrt(rate * (1 - rate) / 20_000)
    assert {toss.probability for toss in tosses} == {rate}


def test_the_coin_is_a_function_of_secret_and_id() -> None:
    ids = [f"id-{i}" for i in range(500)]
    first, again = ([AuditCoin(SECRET, 0.3)(i) for i in ids] for _ in range(2))
    other = [AuditCoin(b"another secret 16", 0.3)(i) for i in ids]
    assert first == again
    assert first != other


def test_a_higher_rate_audits_all_that_a_lower_one_does() -> None:
    low, high = AuditCoin(SECRET, 0.1), AuditCoin(SECRET, 0.2)
    assert all(high(str(i)).audit for i in range(2000) if low(str(i)).audit)


def test_one_audit_a_conversation() -> None:
    coin = AuditCoin(SECRET, 0.5)
    tosses = [coin(f"id-{i}", "talk") for i in range(50)]
    first = next(i for i, toss in enumerate(tosses) if toss.audit)
    assert sum(toss.audit for toss in tosses) == 1
    assert all(toss == Toss(False, 0.0) for toss in tosses[first + 1 :])
    assert {toss.probability for toss in tosses[: first + 1]} == {0.5}
    assert AuditCoin(SECRET, 1.0, audited=["talk"])("new", "talk") == Toss(False, 0.0)


@pytest.mark.parametrize(("secret", "rate"), [(SECRET, -0.1), (SECRET, 1.1), (SECRET, float("nan")), (b"short", 0.1)])
def test_a_coin_that_cannot_be_thrown_is_refused(secret: bytes, rate: float) -> None:
    with pytest.raises(ConfigError):
        AuditCoin(secret, rate)
