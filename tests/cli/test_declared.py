"""What a user declares beforehand reaches the certificate by every door: command line and Python."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import rightsized as rs
from rightsized.core.errors import InputError
from rightsized.data import path as sample
from tests.command_line import command


def run(*arguments: str | Path, status: int = 0) -> str:
    done = command(*arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr.replace("\n", " ")


def rows(name: str) -> tuple[list[str], list[str]]:
    with sample(name).open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    return [row["text"] for row in found], [row["department"] for row in found]


def test_the_command_line_declares_parts_judge_checks_and_traffic(home: Path, tmp_path: Path) -> None:
    checks = tmp_path / "checks.csv"
    with checks.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "department", "verdict"])
        writer.writerows([text, label, label] for text, label in list(zip(*rows("support_calibrate.csv"), strict=True)))
    found = json.loads(
        run(
            "fit", sample("support_train.csv"), "--task", "t", "--label", "department", "--max-error", "0.1",
            "--calibrate", sample("support_calibrate.csv"), "--segment-by", "label", "--segment", "returns",
            "--segment", "delivery", "--segment-share", "0.4", "--label-kind", "judge:big model",
            "--judge-check", checks, "--judge-column", "verdict", "--judge-share", "0.4",
            "--traffic", sample("support_stream.csv"), "--home", home, "--json",
        )
    )  # fmt: skip
    certificate: dict[str, Any] = found["certificate"]
    assert found["state"] == "certified"
    assert certificate["label_kind"] == "judge big model, checked by people"
    assert [part["name"] for part in certificate["segments"]] == ["returns", "delivery"]
    assert [part["delta"] for part in certificate["segments"]] == [pytest.approx(0.2 * certificate["delta_spent"])] * 2
    assert "disagreement with the judge within 0.06, and wrong answers within 0.04" in certificate["method"]
    assert "unlabelled requests" in certificate["method"]
    shown = run("certificate", "show", "t", "--home", home)
    assert "part returns" in shown
    assert "predicted label; delta for all messages: 0.0150" in shown


def test_the_command_line_refuses_before_it_starts(tmp_path: Path) -> None:
    for arguments, words in (
        (("--segment", "returns"), "--segment-by"),
        (("--segment-by", "label", "--promise", "wrong_local_rate"), "--promise selective_error"),
        (("--label-kind", "oracle"), "Known: human, exact, judge:NAME"),
        (("--judge-check", "checks.csv"), "--label-kind judge:NAME"),
    ):
        said = run("fit", "absent.csv", "--task", "t", *arguments, "--home", tmp_path / "home", status=2)
        assert words in said
    assert not (tmp_path / "home" / "jobs").exists()


def test_python_declares_the_same(home: Path) -> None:
    texts, labels = rows("support_train.csv")
    calibrate = rows("support_calibrate.csv")
    channel = ["form" if len(text) < 55 else "mail" for text in texts]
    options = rs.FitOptions(
        home=home,
        segment_by="channel",
        segment_values=(channel, ["form" if len(text) < 55 else "mail" for text in calibrate[0]]),
        label_kind="judge:J",
        traffic=texts,
    )
    with rs.fit(texts, labels, task="t", max_error=0.1, calibrate=calibrate, options=options) as task:
        certificate = task.certificate
    assert [part.name for part in certificate.segments] == ["form", "mail"]
    assert (certificate.segment_by, certificate.label_kind) == ("channel", "judge J")
    assert certificate.local_share.n == len(texts)


def test_python_refuses_before_it_starts(tmp_path: Path) -> None:
    texts, labels = ["where is it", "pay me back"], ["delivery", "billing"]
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"segment_by": "tenant", "segment_values": (["a"], [])}, "segment_values has 1 values for 2 texts"),
        ({"segments": ["a"]}, "not what divides"),
        ({"label_kind": "judge:"}, "cannot be printed"),
        ({"judge_check": (["a"], ["b"], ["b"])}, "Say whose labels"),
    )
    for given, words in wrong:
        with pytest.raises(InputError, match=words):
            rs.fit(texts, labels, options=rs.FitOptions(home=tmp_path, **given))
    assert not (tmp_path / "jobs").exists()
