"""The routing benchmark: its figures on cases worked out by hand, its contract, its errors."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import routing_metrics as metrics
from benchmarks.routing_certificate import inside, scores_of
from benchmarks.routing_data import Columns, read
from benchmarks.routing_replay import outside
from chat_samples import sum_rows
from rightsized.core.errors import DataError

ROOT = Path(__file__).parents[2]
WEAK, STRONG = np.array([0.0, 0, 1, 1]), np.array([1.0, 1, 1, 1])


def test_figures_by_hand() -> None:
    perfect, worst = np.array([4.0, 3, 2, 1]), np.array([1.0, 2, 3, 4])
    assert metrics.recovered(perfect, WEAK, STRONG).tolist() == [0, 0.5, 1, 1, 1]
    assert metrics.apgr(perfect, WEAK, STRONG) == pytest.approx(0.75)
    assert metrics.apgr(worst, WEAK, STRONG) == pytest.approx(0.25)
    assert metrics.cpt(perfect, WEAK, STRONG, 0.5) == 0.25
    assert metrics.cpt(perfect, WEAK, STRONG, 0.8) == 0.5
    assert metrics.aurc(np.array([0.1, 0.2, 0.9, 0.8]), WEAK) == pytest.approx((0 + 0 + 1 / 3 + 0.5) / 4)
    assert metrics.auroc(np.array([0.1, 0.2, 0.9, 0.8]), WEAK) == 1.0


def test_a_random_order_recovers_half() -> None:
    random = np.random.default_rng(0)
    weak, strong = (random.random((2, 4000)) < np.array([[0.5], [0.8]])).astype(np.float64)
    found = metrics.router_figures(random.random(4000), weak, strong, 200)
    assert found["apgr"].low < 0.5 < found["apgr"].high
    assert found["cpt80"].value == pytest.approx(0.8, abs=0.08)


def test_losses() -> None:
    predicted = np.array([[0.2, 0.2, 0.9], [0.2, 0.2, 0.1], [0.9, 0.5, 0.9]])
    weak, strong = np.array([0.0, 0, 1]), np.array([1.0, 0, 1])
    error, regret = (scores_of(predicted, weak, strong, loss) for loss in ("error", "regret"))
    assert error.correct[:, 0].tolist() == [False, False, True]
    assert regret.correct[:, 0].tolist() == [False, True, True]
    assert regret.scores[:, 0].tolist() == pytest.approx([0.28, 0.92, 0.91])


def test_a_prompt_unlike_the_train_prompts_goes_to_the_strong_model() -> None:
    random = np.random.default_rng(1)
    train = random.normal(0, 0.05, (200, 8)).astype(np.float32) + 1.0
    held = np.concatenate([train[:5] + 0.001, -train[:5]])
    _, strange = outside(train, held)
    assert strange.tolist() == [False] * 5 + [True] * 5
    predicted = inside(np.full((10, 3), 0.9), strange)
    scored = scores_of(predicted, np.ones(10), np.ones(10), "regret")
    assert np.isnan(scored.scores[:, 0]).tolist() == strange.tolist()
    assert not outside(train[:20], held)[1].any()  # too few to tell


def table(path: Path, rows: list[dict[str, object]]) -> Path:
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def sums(n: int) -> list[dict[str, object]]:
    return [
        {
            "q": row["prompt"],
            "weak": int(row["correct"]["small"]),
            "strong": int(row["correct"]["large"]),
            "said": row["answers"]["small"],
            "kind": row["domain"],
        }
        for row in sum_rows(n)
    ]


def test_scores_are_brought_to_one_scale(tmp_path: Path) -> None:
    rows = [{**row, "weak": 3 + i % 3, "strong": 10} for i, row in enumerate(sums(60))]
    found = read(table(tmp_path / "a.csv.gz", rows), Columns("q", "weak", "strong"))
    assert (found.high, found.binary, found.strong.max()) == (10, False, 1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weak": "maybe"}, "row 1: 'weak' is 'maybe', not a number"),
        ({"strong": ""}, "row 1: 'strong' is None"),
        ({"q": " "}, "row 1: 'q' is empty"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, change: dict[str, str], words: str) -> None:
    rows = sums(60)
    rows[0] = {**rows[0], **change}
    with pytest.raises(DataError, match=words):
        read(table(tmp_path / "a.csv.gz", rows), Columns("q", "weak", "strong"))


def test_nothing_to_recover_is_said(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv.gz", sums(60))
    with pytest.raises(DataError, match="no gap"):
        read(path, Columns("q", "strong", "weak"))
    with pytest.raises(DataError, match="no column 'none'"):
        read(path, Columns("q", "weak", "none"))
    with pytest.raises(DataError, match="at least 50"):
        read(table(tmp_path / "b.csv.gz", sums(20)), Columns("q", "weak", "strong"))


def run(home: Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.routing", *arguments]
    environment = {**os.environ, "RIGHTSIZED_HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.slow
def test_the_contract(home: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "sums.csv.gz", sums(300))
    columns = ("--prompt", "q", "--weak", "weak", "--strong", "strong", "--weak-answer", "said", "--domain", "kind")
    found = json.loads(run(home, "--data", str(path), *columns, "--json", "--quick").stdout)
    for name in ("apgr", "cpt50", "cpt80", "aurc"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert found["router"] == "answer"
    assert found["apgr"]["value"] > found["routers"]["prompt"]["apgr"]["value"] > 0.5
    assert {"random", "always_weak", "always_strong", "domain_mean", "oracle"} <= set(found["baselines"])
    assert set(found["certificate"]) == {"0.01", "0.02", "0.05", "0.1"}
    for cell in found["certificate"].values():
        assert cell["violation_rate"] <= 0.05 + 0.03
        assert 0 <= cell["coverage"] <= cell["oracle_coverage"]


def test_errors_are_sentences(home: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "sums.csv.gz", sums(60))
    said = run(home, "--data", str(path), "--json", status=2).stderr
    assert "--prompt, --weak, --strong is not given" in said and "Traceback" not in said
    columns = ("--prompt", "q", "--weak", "weak", "--strong", "gone")
    assert "has no column 'gone'" in run(home, "--data", str(path), *columns, status=2).stderr
    assert "There is no file" in run(home, "--data", str(tmp_path / "no.csv"), *columns, status=3).stderr
