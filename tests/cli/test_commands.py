"""Every command as a user runs it: its JSON contract, its errors, its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rightsized.data import path as sample
from tests.command_line import command


def rightsized(home: Path, *arguments: str | Path, status: int = 0) -> str:
    done = command(*arguments, "--home", home)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 or "--json" in arguments else done.stderr


def as_json(home: Path, *arguments: str | Path, status: int = 0) -> Any:
    return json.loads(rightsized(home, *arguments, "--json", status=status))


def test_fit_prints_the_contract(home: Path) -> None:
    found = as_json(
        home, "fit", sample("support_train.csv"), "--task", "t", "--label", "department", "--max-error", "0.1",
        "--confidence", "0.9", "--calibrate", sample("support_calibrate.csv"), "--seed", "3", "--budget-ms", "500",
    )  # fmt: skip
    assert set(found) >= {
        "task", "n_train", "n_calibrate", "n_report", "state", "accuracy", "macro_f1", "coverage",
        "wrong_local_rate", "selective_error", "certificate", "latency_ms", "rss_mb", "report",
    }  # fmt: skip
    assert set(found["certificate"]) >= {"id", "epsilon", "delta", "attempt", "n", "method", "expires"}
    assert set(found["latency_ms"]) >= {"p50", "p95"}
    assert (found["task"], found["state"], found["n_train"], found["n_calibrate"]) == ("t", "certified", 400, 600)
    assert found["certificate"]["epsilon"] == 0.1
    assert found["certificate"]["delta"] == pytest.approx(0.1)
    assert found["selective_error"] <= 0.1
    assert found["wrong_local_rate"] == pytest.approx(found["selective_error"] * found["coverage"])
    assert set(found["measured_on"]) >= {"accuracy", "coverage", "wrong_local_rate", "selective_error"}
    assert Path(found["report"]).read_text("utf-8").lower().startswith("<!doctype html>")


def test_ask_prints_the_reply_and_records_it(copied_home: Path) -> None:
    reply = as_json(copied_home, "ask", "support", "my parcel has not arrived, where is it?")
    assert reply["task"] == "support"
    assert reply["id"]
    assert reply["status"] in ("answered", "abstained")
    assert reply["attempts"][0]["rung"] == "ngram"
    text = rightsized(copied_home, "ask", "support", "my parcel has not arrived", "--explain")
    assert "words that moved it" in text
    assert "nearest labelled examples" in text


def test_eval_prints_the_contract_and_agrees_with_the_report(fitted_home: Path) -> None:
    found = as_json(
        fitted_home, "eval", "support", sample("support_calibrate.csv"), "--label", "department",
        "--oos-label", "out_of_scope",
    )  # fmt: skip
    assert set(found) >= {
        "n", "accuracy", "macro_f1", "coverage", "wrong_local_rate", "selective_error", "ece", "oos_auroc"
    }  # fmt: skip
    report = as_json(fitted_home, "report", "support")
    assert found["n"] == 600
    for name in ("accuracy", "coverage", "wrong_local_rate", "selective_error"):
        assert found[name] == pytest.approx(report[name]), name
    assert 0.5 < found["oos_auroc"] <= 1


def test_certificate_show_and_verify(copied_home: Path) -> None:
    assert as_json(copied_home, "certificate", "show", "support")["state"] == "certified"
    assert all(check["ok"] for check in as_json(copied_home, "certificate", "verify", "support")["checks"])
    [path] = (copied_home / "tasks" / "support").glob("*/certificate.json")
    path.write_text(path.read_text("utf-8").replace('"epsilon": 0.05', '"epsilon": 0.01'), "utf-8")
    checks = {c["name"]: c for c in as_json(copied_home, "certificate", "verify", "support", status=1)["checks"]}
    assert not checks["signature"]["ok"]
    assert "altered" in checks["signature"]["detail"]


def test_an_altered_certificate_stops_local_answers(copied_home: Path) -> None:
    [path] = (copied_home / "tasks" / "support").glob("*/certificate.json")
    path.write_text(path.read_text("utf-8").replace('"epsilon": 0.05', '"epsilon": 0.01'), "utf-8")
    reply = as_json(copied_home, "ask", "support", "my parcel has not arrived, where is it?")
    assert (reply["status"], reply["certified"], reply["state"]) == ("abstained", False, "none")


def test_queue_list_label_undo(copied_home: Path) -> None:
    reply = as_json(copied_home, "ask", "support", "qwerty uiop")
    assert reply["status"] == "abstained"
    waiting = as_json(copied_home, "queue", "list")
    assert [item["decision"] for item in waiting] == [reply["id"]]
    assert as_json(copied_home, "queue", "label", reply["id"], "delivery", "--reviewer", "kim")["reviewer"] == "kim"
    assert as_json(copied_home, "queue", "list") == []
    as_json(copied_home, "queue", "undo", reply["id"])
    assert len(as_json(copied_home, "queue", "list")) == 1
    error = as_json(copied_home, "queue", "label", reply["id"], "no-such-label", status=2)["error"]
    assert "no label 'no-such-label'" in error["message"]


def test_labels_are_exported_and_fitted_but_never_calibrated_on(copied_home: Path, tmp_path: Path) -> None:
    settings = tmp_path / "rightsized.toml"
    settings.write_text("[audit]\nrate = 0.0\n", "utf-8")  # a label of an audited message is not exported
    reply = as_json(copied_home, "ask", "support", "qwerty uiop", "--config", settings)
    as_json(copied_home, "queue", "label", reply["id"], "delivery")
    out = tmp_path / "labels.jsonl"
    found = as_json(copied_home, "queue", "export", "support", out, "--label", "department")
    assert found == {
        "task": "support", "file": str(out), "rows": 1, "queue": 1, "correction": 0, "texts_deleted": 0,
    }  # fmt: skip
    [row] = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert (row["text"], row["department"], row["rightsized_source"], row["decision"]) == (
        "qwerty uiop", "delivery", "queue", reply["id"],
    )  # fmt: skip
    error = as_json(
        copied_home, "fit", sample("support_train.csv"), "--task", "t", "--label", "department", "--calibrate", out,
        status=2,
    )["error"]  # fmt: skip
    assert "labels.jsonl, row 1: this label comes from the review queue" in error["message"]
    assert "There is no task 'absent'" in rightsized(copied_home, "queue", "export", "absent", out, status=3)


def test_tasks_versions_and_rollback(copied_home: Path) -> None:
    first = as_json(copied_home, "tasks", "versions", "tone")["current"]
    assert as_json(copied_home, "tasks", "rollback", "tone", status=3)["error"]["code"] == "not-found"
    as_json(copied_home, "fit", sample("tone.csv"), "--task", "tone", "--label", "tone", "--seed", "5")
    assert as_json(copied_home, "tasks", "versions", "tone")["current"] != first
    assert as_json(copied_home, "tasks", "rollback", "tone")["version"] == first
    assert {row["task"]: row["version"] for row in as_json(copied_home, "tasks", "list")}["tone"] == first


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["ask", "absent", "hello"], 3, "There is no task 'absent'"),
        (["fit", "absent.csv", "--task", "t"], 3, "There is no file absent.csv"),
        (["fit", "x.csv", "--task", "t", "--max-error", "2"], 2, "must lie between 0 and 1"),
        (["fit", "x.csv", "--task", "t", "--promise", "none"], 2, "Known: selective_error"),
        (["models", "show", "absent"], 3, "models pull SOURCE --name absent"),
        (["report", "absent"], 3, "There is no task 'absent'"),
        (["ask", "absent", "caf\udce9"], 2, "The text is not UTF-8: character 4 is none"),
    ],
)
def test_errors_are_sentences(home: Path, arguments: list[str], status: int, words: str) -> None:
    said = rightsized(home, *arguments, status=status)
    assert words in said
    assert "Traceback" not in said
    assert as_json(home, *arguments, status=status)["error"]["message"]


def test_a_report_is_not_written_over_a_folder(fitted_home: Path, tmp_path: Path) -> None:
    assert f"Use --out {tmp_path / 'tone.html'}" in rightsized(
        fitted_home, "report", "tone", "--out", tmp_path, status=2
    ).replace("\n", "")
    said = rightsized(fitted_home, "report", "tone", "--out", "/proc/no/tone.html", status=1)
    assert "Name a file in a folder that you may write to." in said
    rightsized(fitted_home, "report", "tone", "--out", tmp_path / "tone.html")
    assert "<html" in (tmp_path / "tone.html").read_text("utf-8")


@pytest.mark.parametrize("arguments", [["tasks", "list"], ["models", "list"], ["queue", "list"], ["report", "t"]])
def test_a_home_that_is_a_file_is_named(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "home").write_text("not a folder", "utf-8")
    error = as_json(tmp_path / "home", *arguments, status=1)["error"]
    assert error["message"] == f"The home {tmp_path / 'home'} is a file, not a folder."
    assert "--home" in error["fix"]


def test_models_list_show_verify_and_a_tampered_file(copied_home: Path) -> None:
    assert own_models(copied_home) == ["minilm"]
    assert as_json(copied_home, "models", "show", "minilm")["dimension"] == 384
    assert as_json(copied_home, "models", "verify", "minilm")["ok"] is True
    tokenizer = copied_home / "models" / "minilm" / "tokenizer.json"
    content = tokenizer.read_bytes()
    tokenizer.unlink()  # the file may be shared with other homes
    tokenizer.write_bytes(content[:-10] + b" " * 10)
    found = as_json(copied_home, "models", "verify", "minilm", status=1)
    assert any("tokenizer.json" in problem for problem in found["problems"])
    assert as_json(copied_home, "ask", "support", "hello", status=1)["error"]["code"] == "integrity"
    as_json(copied_home, "models", "remove", "minilm")
    assert own_models(copied_home) == []


def own_models(home: Path) -> list[str]:
    """Models but for the tagger of names, which is built where something first looks for names: here another test."""
    return [card["name"] for card in as_json(home, "models", "list") if card["name"] != "names"]


def test_a_mistyped_variable_is_noted_and_leaves_the_output_alone(home: Path) -> None:
    command = [sys.executable, "-m", "rightsized.cli", "tasks", "list", "--json", "--home", str(home)]
    environment = {**os.environ, "RIGHTSIZED_AUDIT_RATES": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout) == []
    assert "RIGHTSIZED_AUDIT_RATES is no setting and was ignored; did you mean RIGHTSIZED_AUDIT_RATE?" in done.stderr


def test_help_says_whole_sentences(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rightsized.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "..." not in done.stdout.partition("Commands:")[2]
    assert "labelled examples." in " ".join(done.stdout.split())


def test_eval_refuses_labels_that_the_task_does_not_have(fitted_home: Path) -> None:
    error = as_json(fitted_home, "eval", "support", sample("tone.csv"), "--label", "tone", status=2)["error"]
    assert "None of the labels" in error["message"]
    assert "delivery" in error["fix"]


def test_a_changed_model_shows_in_every_list(copied_home: Path) -> None:
    [path] = (copied_home / "tasks" / "support").glob("*/reference.json")
    path.write_text(path.read_text("utf-8").replace("0.9", "0.8"), "utf-8")
    rows = {row["task"]: row for row in as_json(copied_home, "tasks", "list")}
    assert (rows["support"]["state"], rows["tone"]["state"]) == ("none", "estimated")
    assert rows["support"]["note"]
    assert "certificate verify support" in rightsized(copied_home, "ask", "support", "my parcel has not arrived")
    failed = [
        c["name"] for c in as_json(copied_home, "certificate", "verify", "support", status=1)["checks"] if not c["ok"]
    ]
    assert {"digests", "reference texts"} & set(failed)
