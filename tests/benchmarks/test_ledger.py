"""The ledger's benchmark in small: tampering is found, and a change that is none is counted as missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import ledger, ledger_tamper


def test_every_kind_of_tampering_is_found(tmp_path: Path) -> None:
    result = ledger.tampering(tmp_path, 7 * 4, 3, seed=5)
    assert (result["mutations"], result["found"], result["missed"]) == (28, 28, [])
    assert set(result["kinds"]) == set(ledger_tamper.KINDS)
    for row in result["with_a_checkpoint_kept_elsewhere"].values():
        assert row == {"mutations": 3, "found_by_the_file_alone": 0, "found": 3}


def test_what_is_not_found_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_tamper, "KINDS", {"nothing": lambda tampering: None, "flip": ledger_tamper.flip})
    result = ledger.tampering(tmp_path, 6, 0, seed=5)
    assert result["kinds"]["nothing"]["found"] == 0
    assert result["kinds"]["flip"]["found"] == 3
    assert result["missed"] == ["nothing 0", "nothing 1", "nothing 2"]


def test_a_large_log_is_built_by_the_writer_own_parts_and_verifies(tmp_path: Path) -> None:
    ledger.build(tmp_path, 1200)
    figures = ledger.reading(tmp_path, 1200)
    assert (figures["entries"], figures["kept_hashes"]) == (1200, 4)
    assert figures["verified_per_second"] > 0
