"""Figure 9 in small: five kills, nothing acknowledged is lost; and the check does notice a loss."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.crash import Tally, examine, fake_round, label_of, run


def test_five_kills_lose_nothing(tmp_path: Path) -> None:
    result = run(tmp_path / "d.sqlite", kills=5, seed=1)
    assert result["acknowledged"] > 100
    assert result["acknowledged_per_kill"]["p100"] > 0
    assert (result["lost"], result["altered"], result["integrity_errors"]) == (0, 0, 0)
    assert (result["read_as_started"], result["gaps_in_sequence"]) == (0, 0)
    assert result["rows"] == 2 * result["acknowledged"] + _unacknowledged(result, tmp_path / "d.sqlite")


def _unacknowledged(result: dict[str, int], path: Path) -> int:
    """Rows of decisions that were cut off: interrupted ones, and ended ones whose reply had not gone out."""
    connection = sqlite3.connect(path)
    starts, ends = (connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("starts", "ends"))
    connection.close()
    assert starts - ends == result["interrupted"]
    assert ends >= result["acknowledged"]
    return starts + ends - 2 * result["acknowledged"]


def test_the_check_notices_a_loss_and_an_alteration(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    acknowledged = fake_round(path, seed=3, delay=0.8)
    assert acknowledged
    some = next(i for i, text in acknowledged.items() if label_of(text) is not None)
    tally = Tally()
    examine(path, {"an id that was never written": "message 3 1", some: "another text"}, tally, labels=True)
    assert tally.lost == ["an id that was never written"]
    assert tally.altered == [some]
    missing = Tally()
    examine(tmp_path / "none.sqlite", acknowledged, missing, labels=True)
    assert len(missing.lost) == len(acknowledged)
