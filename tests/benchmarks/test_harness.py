"""The benchmarks' shared plumbing: result files, data readers, clocks and the pipe to peers."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import harness
from benchmarks.peer import Peer, PeerUnavailable


class _Here(Peer):
    """A peer in this interpreter: no environment to build."""

    @property
    def python(self) -> Path:
        return Path(sys.executable)

    def install(self) -> None:
        return


def test_a_result_names_machine_commit_command_and_date(tmp_path: Path) -> None:
    given = harness.options("probe", "a test", arguments=["--quick", "--out", str(tmp_path / "r.json")])
    harness.save("probe", {"value": 1.23456789, "lost": float("nan")}, given)
    document = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert document["result"] == {"value": 1.23457, "lost": None}
    assert document["machine"]["cores"] >= 1
    assert document["command"].startswith("python -m benchmarks.probe --quick")
    assert {"commit", "modified", "date", "quick"} <= document.keys()


def test_command_names_no_folder_of_this_machine() -> None:
    given = harness.options("probe", "a test", arguments=["--data", str(harness.ROOT.parent / "shared" / "data")])
    assert str(harness.ROOT.parent) not in given.command
    assert "../shared/data" in given.command


def test_quick_run_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    harness.save("probe", {}, harness.options("probe", "a test", arguments=["--quick"]))
    assert list(tmp_path.iterdir()) == []


def test_other_data_do_not_replace_the_committed_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    monkeypatch.setenv(harness.DATA_VARIABLE, str(tmp_path / "data"))
    rows = tmp_path / "data" / "privacy" / "rows.json"
    rows.parent.mkdir(parents=True)
    rows.write_text("[]")
    for given in (tmp_path, rows):
        harness.save("probe", {}, harness.options("probe", "a test", arguments=["--data", str(given)]))
    assert not (tmp_path / "results").exists()
    harness.save("probe", {}, harness.options("probe", "a test", arguments=["--data", str(rows.parent)]))
    harness.save("probe", {}, harness.options("probe", "a test", arguments=["--data", str(rows), "--out", str(rows)]))
    assert (tmp_path / "results" / "probe.json").exists()
    assert json.loads(rows.read_text())["benchmark"] == "probe"


def test_readers_find_columns_in_csv_and_jsonl(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b'text,category\n"hi, you",greet\n'))
    (tmp_path / "b.jsonl").write_text('{"text": "é", "label": "x"}\n', "utf-8")
    assert harness.texts_and_labels(tmp_path / "a.csv.gz") == (["hi, you"], ["greet"])
    assert harness.texts_and_labels(tmp_path / "b.jsonl") == (["é"], ["x"])
    with pytest.raises(SystemExit, match="--data"):
        harness.texts_and_labels(tmp_path / "absent.csv")


def test_cpu_clock_counts_finished_children() -> None:
    with harness.Clock() as clock:
        subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    assert clock.cpu > 0.05


def test_percentiles_are_measured_values() -> None:
    assert harness.percentiles([5.0, 1.0, 3.0], (0, 50, 100)) == {"p0": 1.0, "p50": 3.0, "p100": 5.0}


def test_peer_answers_calls_back_and_reports_cost() -> None:
    with _Here("echo", (), "echo_peer.py") as peer:
        assert peer.call("shout", text="grüße") == "GRÜSSE"
        assert peer.call("total", {"score": lambda m: [len(t) for t in m["texts"]]}, texts=["a", "bcd"]) == 4
        assert set(peer.cost) == {"cpu_s", "wall_s"}
        with pytest.raises(PeerUnavailable, match="as asked"):
            peer.call("fail")


def test_peer_that_cannot_be_installed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peer.VENVS", tmp_path)
    peer = Peer("nothing", ("--no-index", "no-such-distribution==0"), "echo_peer.py")
    with pytest.raises(PeerUnavailable, match="installation failed") as caught:
        peer.install()
    assert not (tmp_path / "nothing").exists()
    assert peer.unavailable(caught.value)["peer"] == "nothing"
